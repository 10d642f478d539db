"""A notebook without a frontend: runs cells in a kernel and keeps what it publishes."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

if TYPE_CHECKING:
    from pathlib import Path

Message = dict[str, Any]

OUTPUTS = {"display_data", "update_display_data", "execute_result", "stream", "error"}


@dataclass
class Run:
    """One run of a cell: its reply and the outputs that belong to it, also later ones."""

    msg_id: str
    reply: Message = field(default_factory=dict)
    outputs: list[Message] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def texts(self) -> list[str]:
        """Plain texts of what was displayed, without updates."""
        shown = [m for m in self.outputs if m["msg_type"] in {"display_data", "execute_result"}]
        return [m["content"]["data"]["text/plain"] for m in shown]

    @property
    def updates(self) -> list[Message]:
        """The updates of displays."""
        return [m for m in self.outputs if m["msg_type"] == "update_display_data"]

    @property
    def last_text(self) -> str:
        """Plain text of the newest picture."""
        shown = [m for m in self.outputs if "data" in m["content"]]
        text: str = shown[-1]["content"]["data"]["text/plain"]
        return text

    @property
    def error(self) -> Message:
        """The error that the cell showed."""
        (error,) = [m["content"] for m in self.outputs if m["msg_type"] == "error"]
        return error


class Notebook:
    """A kernel and the cells that ran in it."""

    def __init__(self, folder: Path) -> None:
        connection_file, _ = write_connection_file(str(folder / "kernel.json"))
        command = [sys.executable, "-m", "tidemill.kernel", "-f", connection_file]
        self.process = subprocess.Popen(command, cwd=folder)
        self.client = BlockingKernelClient(connection_file=connection_file)
        self.client.load_connection_file()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self._runs: dict[str, Run] = {}
        self._idle: dict[str, threading.Event] = {}
        self._strays: list[Message] = []
        self._closing = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, code: str, *, cell_id: str | None = None, live: bool = True) -> Run:
        """Send a cell; `live` is what a frontend with a reader says."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": live,
            "stop_on_error": True,
        }
        metadata = {} if cell_id is None else {"cellId": cell_id}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        run = Run(message["header"]["msg_id"])
        self._runs[run.msg_id] = run
        self._idle[run.msg_id] = threading.Event()
        self.client.shell_channel.send(message)
        return run

    def wait(self, run: Run, timeout: float = 60.0) -> Run:
        """Wait until the kernel has answered and is idle."""
        deadline = time.monotonic() + timeout
        while not run.reply:
            left = deadline - time.monotonic()
            assert left > 0, f"no reply within {timeout} s"
            reply = self.client.get_shell_msg(timeout=left)
            parent = self._runs.get(reply["parent_header"]["msg_id"])
            if parent is not None:
                parent.reply = reply["content"]
        assert self._idle[run.msg_id].wait(10), "no idle status"
        return run

    def run(
        self, code: str, *, cell_id: str | None = None, live: bool = True, timeout: float = 60.0
    ) -> Run:
        """Run a cell to its end."""
        started = time.monotonic()
        run = self.wait(self.start(code, cell_id=cell_id, live=live), timeout)
        run.seconds = time.monotonic() - started
        return run

    def settled(self, code: str) -> Run:
        """Run a cell as a test of the notebook does; it must succeed."""
        run = self.run(code, live=False)
        assert run.reply["status"] == "ok", run.reply
        return run

    def interrupt(self) -> None:
        """Interrupt by message."""
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))

    def ask(self, msg_type: str, **content: Any) -> Message:
        """Ask something about code; give the content of the reply."""
        message = self.client.session.msg(msg_type, content)
        self.client.shell_channel.send(message)
        while True:
            reply = self.client.get_shell_msg(timeout=30)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                content_of_reply: Message = reply["content"]
                return content_of_reply

    def close(self) -> None:
        """Shut the kernel down."""
        self.client.shutdown()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self._closing = True
            self._reader.join(5)
            self.client.stop_channels()

    def _read(self) -> None:
        while not self._closing:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            message["arrived"] = time.monotonic()
            msg_id = message["parent_header"].get("msg_id")
            if message["msg_type"] in OUTPUTS:
                run = self._runs.get(msg_id)
                (self._strays if run is None else run.outputs).append(message)
            elif (
                message["msg_type"] == "status"
                and message["content"]["execution_state"] == "idle"
                and msg_id in self._idle
            ):
                self._idle[msg_id].set()


def wait_until(what: Any, timeout: float = 20.0) -> None:
    """Wait until `what()` is true."""
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.02)
