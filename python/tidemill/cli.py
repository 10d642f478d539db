"""The command ``tidemill``: runs programs and SQL, installs the kernel, starts JupyterLab."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tidemill import __version__
from tidemill.client import run, shell, sql_client

DISPLAY_NAME = "Tidemill"
RESOURCES = Path(__file__).parent / "resources" / "kernelspec"


def main(argv: list[str] | None = None) -> int:
    """Run the command; the return value is the exit status."""
    arguments = parser().parse_args(argv)
    if arguments.command == "install":
        return install(arguments)
    if arguments.command == "lab":
        return lab(arguments.arguments)
    if arguments.command == "run":
        return run.run(arguments)
    if arguments.command == "shell":
        return shell.run(arguments)
    if arguments.command == "sql":
        return sql_client.run(arguments)
    parser().print_help()
    return 2


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="tidemill", description=__doc__)
    top.add_argument("--version", action="version", version=f"tidemill {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    installing = commands.add_parser("install", help="make the kernel known to Jupyter")
    where = installing.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user (the default)")
    where.add_argument("--sys-prefix", action="store_true", help="into this environment")
    where.add_argument("--prefix", metavar="DIR", help="into another environment")
    installing.add_argument("--name", default="tidemill", help="name of the kernelspec")

    run.add_parser(commands.add_parser("run", help="run a PyFlink program", allow_abbrev=False))
    shell.add_parser(
        commands.add_parser(
            "shell", help="start a Python shell with environments", allow_abbrev=False
        )
    )
    sql_client.add_parser(
        commands.add_parser("sql", help="start an SQL shell, or run a script", allow_abbrev=False)
    )

    starting = commands.add_parser(
        "lab", help="start JupyterLab", description="Start JupyterLab with these arguments."
    )
    starting.add_argument("arguments", nargs=argparse.REMAINDER)
    return top


def install(arguments: argparse.Namespace) -> int:
    """Write the kernelspec where Jupyter looks for it."""
    if arguments.prefix is not None:
        kernels = Path(arguments.prefix) / "share" / "jupyter" / "kernels"
    elif arguments.sys_prefix:
        kernels = Path(sys.prefix) / "share" / "jupyter" / "kernels"
    else:
        kernels = user_data_folder() / "kernels"
    folder = kernels / arguments.name
    kernels.mkdir(parents=True, exist_ok=True)
    # Written beside and moved, so that a running Jupyter never sees half of it.
    with tempfile.TemporaryDirectory(dir=kernels, prefix=".tidemill-") as temporary:
        staged = Path(temporary) / "kernelspec"
        shutil.copytree(RESOURCES, staged)
        (staged / "kernel.json").write_text(json.dumps(kernelspec(), indent=2) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        staged.rename(folder)
    print(f"installed the kernel in {folder}")  # noqa: T201 (a command line)
    return 0


def kernelspec() -> dict[str, object]:
    """Return the kernelspec for this interpreter."""
    return {
        "argv": [sys.executable, "-m", "tidemill.kernel", "-f", "{connection_file}"],
        "display_name": DISPLAY_NAME,
        "language": "python",
        "interrupt_mode": "message",
        "kernel_protocol_version": "5.5",
        "metadata": {"debugger": False},
    }


def user_data_folder() -> Path:
    """Return Jupyter's data folder of this user.

    Notes
    -----
    Source: https://docs.jupyter.org/en/latest/use/jupyter-directories.html
    """
    if "JUPYTER_DATA_DIR" in os.environ:
        return Path(os.environ["JUPYTER_DATA_DIR"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Jupyter"
    data_home = os.environ.get("XDG_DATA_HOME")
    return (Path(data_home) if data_home else Path.home() / ".local" / "share") / "jupyter"


def lab(arguments: list[str]) -> int:
    """Become JupyterLab."""
    try:
        import jupyterlab  # noqa: F401, PLC0415 (an optional part)
    except ImportError:
        print("JupyterLab is not installed here: pip install 'tidemill[lab]'", file=sys.stderr)  # noqa: T201
        return 1
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *arguments])  # noqa: S606
    return 0


if __name__ == "__main__":
    sys.exit(main())
