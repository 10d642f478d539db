"""To which cell an output belongs.

A cell's request is kept in a context variable: code that the cell calls sees it, a task that it
starts copies it, and a thread gets it from the cell that started it. So a late print appears
under the cell that caused it and not under the one that happens to run. Threads that no cell
started write to the cell that ran last.

The engine's threads call functions for jobs: a `FunctionOutput` takes what they print to the cell
that started the job, and no more of it than a page can show.
"""

from __future__ import annotations

import os
import threading
import time
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill._native.kernel import Kernel, Parent

CELL: ContextVar[Parent] = ContextVar("tidemill_cell")
#: Set while the engine calls a function.
FUNCTION: ContextVar[FunctionOutput] = ContextVar("tidemill_function")
#: What a function may print: a page full of it, again and again.
MAX_CHARS_A_SECOND = 32_768


class FunctionOutput:
    """What a function prints, for the cell that started its job.

    Parameters
    ----------
    name
        The function, for the note about what was left out.
    cell
        The request of the cell.
    """

    def __init__(self, name: str, cell: Parent) -> None:
        self._name = name
        self._cell = cell
        self._second = 0
        self._n_chars = 0
        self._n_left_out = 0
        self._lock = threading.Lock()  # several workers may print

    def __call__(self) -> None:
        """Say that what this thread prints from now on is the function's."""
        CELL.set(self._cell)
        FUNCTION.set(self)

    def admitted(self, text: str) -> str:
        """Give what may be shown of a text, behind a note if something was left out before."""
        now = int(time.monotonic())
        with self._lock:
            note = ""
            if now != self._second:
                note = self._note()
                self._second, self._n_chars = now, 0
            self._n_chars += len(text)
            if self._n_chars <= MAX_CHARS_A_SECOND:
                return note + text
            self._n_left_out += len(text)
            return note

    def finish(self, write: Callable[[str], object]) -> None:
        """Tell what was left out at last."""
        with self._lock:
            note = self._note()
            self._n_chars = 0  # the note itself is always shown
        if note:
            write(note)

    def _note(self) -> str:
        n_left_out, self._n_left_out = self._n_left_out, 0
        if not n_left_out:
            return ""
        return f"\n[{n_left_out:,} more characters that '{self._name}' printed are not shown]\n"


def function_output(name: str) -> FunctionOutput | None:
    """Take what a function prints to the cell that runs now; None if none does."""
    cell = CELL.get(None)
    return None if cell is None else FunctionOutput(name, cell)


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
