"""The kernel process from start to exit.

The order matters: the sockets are bound and the kernel answers before IPython is imported, which
takes most of the start; requests that need it wait in Rust. At the end everything that was
published must have left the process before it exits.
"""

from __future__ import annotations

import argparse
import atexit
import faulthandler
import os
import platform
import sys

from tidemill import __version__
from tidemill._native.kernel import Kernel


def main(argv: list[str] | None = None) -> None:
    """Run a kernel until it is told to leave; does not return."""
    connection_file = parse_arguments(argv)
    keep_crash_reports()
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    try:
        native = Kernel.start(connection_file, language_info(), banner())
    except OSError as error:
        sys.exit(f"tidemill: {error}")

    from tidemill.kernel.loop import KernelLoop  # noqa: PLC0415 (loads IPython, see above)

    KernelLoop(native).run()
    # Not sys.exit: threads of the user that never end must not keep the process.
    atexit._run_exitfuncs()  # noqa: SLF001 (the only way to run them before os._exit)
    native.finish()
    os._exit(0)


def parse_arguments(argv: list[str] | None) -> str:
    """Return the path of the connection file."""
    parser = argparse.ArgumentParser(prog="python -m tidemill.kernel")
    parser.add_argument("-f", metavar="CONNECTION_FILE", required=True, dest="connection_file")
    # Jupyter's provisioners may add options of other kernels.
    arguments, _ = parser.parse_known_args(argv)
    return str(arguments.connection_file)


def language_info() -> dict[str, object]:
    """Return what a frontend must know about the language of the cells."""
    return {
        "name": "python",
        "version": platform.python_version(),
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }


def banner() -> str:
    """Return what a console shows first."""
    return f"Tidemill {__version__} on Python {platform.python_version()}: Python and Flink SQL"


def keep_crash_reports() -> None:
    """Let a crash of C code report to the terminal: descriptor 2 will be captured."""
    faulthandler.enable(os.fdopen(os.dup(2), "w"))
