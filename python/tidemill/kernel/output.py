"""To which cell an output belongs.

A cell's request is kept in a context variable: code that the cell calls sees it, a task that it
starts copies it, and a thread gets it from the cell that started it. So a late print appears
under the cell that caused it and not under the one that happens to run. Threads that no cell
started write to the cell that ran last.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill._native.kernel import Kernel, Parent

CELL: ContextVar[Parent] = ContextVar("tidemill_cell")


class Origin:
    """Knows which cell the running code belongs to.

    Parameters
    ----------
    native
        The running kernel.
    """

    def __init__(self, native: Kernel) -> None:
        self.native = native
        #: True in a process that was forked from the kernel: it must not touch its threads.
        self.forked = False
        os.register_at_fork(after_in_child=self._after_fork)

    def cell(self) -> Parent:
        """Return the request of the cell that the caller belongs to."""
        cell = CELL.get(None)
        return self.native.current_cell() if cell is None else cell

    def follow_threads(self) -> None:
        """Let threads inherit the cell of the code that starts them."""
        start = threading.Thread.start

        @wraps(start)
        def start_in_cell(thread: threading.Thread) -> None:
            cell = CELL.get(None)
            if cell is not None:
                run = thread.run

                def run_in_cell() -> None:
                    CELL.set(cell)
                    run()

                thread.run = run_in_cell  # type: ignore[method-assign]
            start(thread)

        threading.Thread.start = start_in_cell  # type: ignore[assignment,method-assign]

    def _after_fork(self) -> None:
        self.forked = True
