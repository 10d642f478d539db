"""A worker process: runs Python functions for another process.

Started by the engine, never by hand: ``python -c '…; main()' HOST:PORT`` with a token in the
environment. It ends when the process that started it closes its streams or is gone.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Work until the streams are closed."""
    token = os.environ.pop("TIDEMILL_WORKER_TOKEN")
    # Ctrl-C is for the process that started this one: it stops the job, which ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What functions print is passed on at once.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    from tidemill import _native  # noqa: PLC0415 (after the set-up)
    from tidemill.compat import pyflink_alias  # noqa: PLC0415
    from tidemill.deferred import defer  # noqa: PLC0415

    for package in ("tidemill.common", "tidemill.table"):
        defer(package)
    # A function may import what it needs by PyFlink's names, as the program around it does.
    pyflink_alias.install(hide_py4j=False)

    _native.engine.serve_worker(sys.argv[-1], token)
