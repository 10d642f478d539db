"""IPython's shell, told where its output goes.

Everything that a Python user expects of a notebook (magics, ``!command``, ``object?``, history,
tracebacks, hooks) is IPython's. The class has the name of ipykernel's shell, and its
configuration the same key, because libraries (rich, tqdm, pandas) look for these to find out that
they are in a notebook.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core import page, payloadpage
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tidemill.compat import pyflink_alias
from tidemill.kernel import jobs, live, sql
from tidemill.kernel.displays import Displays, ResultHook
from tidemill.kernel.history import open_database
from tidemill.kernel.sql_hint import sql_hint

if TYPE_CHECKING:
    from types import CodeType, TracebackType

    from IPython.core.interactiveshell import ExecutionResult

    from tidemill.kernel.output import Origin
    from tidemill.kernel.services import KernelServices
    from tidemill.kernel.signals import Interrupts


_PACKAGE = str(Path(__file__).parent)


class ZMQInteractiveShell(InteractiveShell):
    """The shell in which cells run."""

    displayhook_class = ResultHook
    display_pub_class = Displays

    #: Set by `create_shell`, before any cell runs.
    kernel: KernelServices
    origin: Origin
    interrupts: Interrupts
    #: The text of the cell that runs.
    cell_code = ""
    #: True while it is shown that a text cannot be compiled.
    _is_no_python = False
    #: Name and text of the error that was shown last, for the reply.
    last_error: tuple[str, str, list[str]] | None = None
    #: True if the value of the cell could not be shown: then the cell has failed.
    result_failed = False
    keepkernel_on_exit = None

    def init_hooks(self) -> None:
        """Show help in the frontend's pager."""
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)

    def init_environment(self) -> None:
        """Tell programs that cells start that there is no real terminal."""
        os.environ["TERM"] = "xterm-color"
        os.environ["CLICOLOR"] = "1"
        os.environ["CLICOLOR_FORCE"] = "1"
        os.environ["PAGER"] = "cat"
        os.environ["GIT_PAGER"] = "cat"

    def init_virtualenv(self) -> None:
        """Do nothing: the kernel runs inside the environment already."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: figures are shown inline, and there is no window loop."""

    def ask_exit(self) -> None:
        """Let the frontend end this kernel (``exit`` or ``quit`` in a cell)."""
        keep = self.keepkernel_on_exit is not None and self.keepkernel_on_exit
        payload = {"source": "ask_exit", "keepkernel": keep}
        self.payload_manager.write_payload(payload)

    def set_next_input(self, text: str, replace: bool = False) -> None:  # noqa: FBT001, FBT002
        """Let the frontend put ``text`` into a new cell, or into this one."""
        payload = {"source": "set_next_input", "text": text, "replace": replace}
        self.payload_manager.write_payload(payload)

    def get_parent(self) -> dict[str, Any]:
        """Return the request of the running cell as a message."""
        header = json.loads(self.origin.cell().header)
        return {
            "header": header,
            "msg_id": header.get("msg_id"),
            "msg_type": header.get("msg_type"),
            "parent_header": {},
            "metadata": {},
            "content": {},
            "buffers": [],
        }

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Accept a message that `get_parent` gave; output follows the code that makes it."""

    def system_piped(self, cmd: str) -> None:
        """Run a shell command whose output appears in the cell, in order with its prints."""
        if cmd.rstrip().endswith("&"):
            msg = "Background processes not supported."
            raise OSError(msg)
        from tidemill.kernel import commands  # noqa: PLC0415 (seldom needed)

        command = self.var_expand(cmd, depth=1)
        try:
            self.user_ns["_exit_code"] = commands.run(command)
        except KeyboardInterrupt:
            self.user_ns["_exit_code"] = -signal.SIGINT
            raise

    # IPython calls this name for "!command".
    system = system_piped

    async def run_code(
        self, code_obj: CodeType, result: ExecutionResult | None = None, *, async_: bool = False
    ) -> bool:
        """Run compiled code of the user, from where on an interrupt is an exception in it."""
        self.interrupts.begin_code()
        has_failed: bool = await super().run_code(code_obj, result, async_=async_)
        return has_failed

    def run_sql_cell(self, code: str) -> Any:
        """Run a cell of SQL statements; what it returns is the value of the cell."""
        return sql.run_cell(code)

    def _get_exc_info(self, exc_tuple: Any = None) -> Any:
        etype, value, tb = super()._get_exc_info(exc_tuple)
        if self.interrupts.cancelled and issubclass(etype, asyncio.CancelledError):
            # The cell waited in an await, where an interrupt can only cancel it.
            return KeyboardInterrupt, KeyboardInterrupt().with_traceback(tb), tb
        _hide_kernel(tb)
        return etype, value, tb

    def showsyntaxerror(
        self,
        filename: str | None = None,
        running_compiled_code: bool = False,  # noqa: FBT001, FBT002 (IPython's)
    ) -> None:
        """Show that a text is no Python; of a cell, also whether it may be meant as SQL."""
        self._is_no_python = not running_compiled_code
        try:
            super().showsyntaxerror(filename, running_compiled_code)
        finally:
            self._is_no_python = False

    def _showtraceback(self, etype: type[BaseException], evalue: Any, stb: list[str]) -> None:
        if self._is_no_python or issubclass(etype, NameError):
            hint = sql_hint(self.cell_code, evalue)
            stb = stb if hint is None else [*stb, hint]
        self.last_error = (etype.__name__, str(evalue), list(stb))
        if self.displayhook.is_formatting:
            self.result_failed = True
        if self.origin.forked:
            print("\n".join(stb), file=sys.stderr)  # noqa: T201 (a child has only its stderr)
            return
        ename, text, traceback = self.last_error
        content = {"ename": ename, "evalue": text, "traceback": traceback}
        self.origin.native.publish(self.origin.cell(), "error", content)


def _hide_kernel(trace: TracebackType | None) -> None:
    """Cut off the kernel's own frames at the end: ``input()`` fails where the user called it."""
    last_of_user = None
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            last_of_user = trace
        trace = trace.tb_next
    if last_of_user is not None:
        last_of_user.tb_next = None


def create_shell(
    services: KernelServices, origin: Origin, interrupts: Interrupts
) -> ZMQInteractiveShell:
    """Make the shell of this process, with the user's IPython configuration."""
    shell: ZMQInteractiveShell = ZMQInteractiveShell.instance(config=load_config())
    shell.kernel = services
    shell.origin = shell.displayhook.origin = shell.display_pub.origin = origin
    shell.interrupts = interrupts
    live.install(shell)
    jobs.install(shell)
    sql.install(shell)
    pyflink_alias.install(hide_py4j=False)
    return shell


def load_config() -> Config:
    """Read the configuration files of IPython's default profile, as ipykernel does."""
    config = Config()
    folder = profile_folder()
    for name in ("ipython_config", "ipython_kernel_config"):
        if (folder / f"{name}.py").is_file():
            from traitlets.config.loader import PyFileConfigLoader  # noqa: PLC0415 (seldom)

            loader = PyFileConfigLoader(f"{name}.py", path=str(folder))
            try:
                config.merge(loader.load_config())
            except Exception as error:  # noqa: BLE001 (the user's code must not stop the kernel)
                print(f"tidemill: {folder / name}.py: {error!r}", file=sys.stderr)  # noqa: T201
    # Its presence is what libraries ask for.
    config.IPKernelApp.setdefault("parent_appname", "tidemill")
    config.HistoryManager.setdefault(
        "connection_options", {"check_same_thread": False, "factory": open_database}
    )
    return config


def run_startup_files(shell: ZMQInteractiveShell) -> None:
    """Load the extensions and run the startup files of IPython's default profile."""
    app = shell.config.InteractiveShellApp
    for extension in list(app.get("extensions", [])) + list(app.get("extra_extensions", [])):
        shell.extension_manager.load_extension(extension)
    for line in app.get("exec_lines", []):
        shell.run_cell(line, store_history=False)
    startup = profile_folder() / "startup"
    if startup.is_dir():
        for path in sorted(startup.iterdir()):
            if path.suffix in (".py", ".ipy"):
                shell.safe_execfile_ipy(str(path))


def profile_folder() -> Path:
    """Return the folder of IPython's default profile."""
    from IPython.paths import get_ipython_dir  # noqa: PLC0415 (keeps this module's imports few)

    return Path(get_ipython_dir()) / "profile_default"
