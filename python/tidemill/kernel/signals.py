"""What an interrupt does.

.. code-block:: text

    SIGINT ─┬─ a cell computes              → KeyboardInterrupt where it is
            ├─ a cell is being taken up, or
            │  prepared by the shell        → KeyboardInterrupt where its own code begins
            ├─ a cell waits in an await     → its task is cancelled, shown as KeyboardInterrupt
            └─ nothing runs                 → nothing

An interrupt that is asked for by message arrives as SIGINT too: a thread of Rust sends it, after
it has marked a cell that was not begun yet, which then does not begin. Pure C code ends when it
ends; Python cannot interrupt it.

The shell's own preparations (hooks, history) catch a KeyboardInterrupt, report it, and go on to
run the cell: that is why it waits for the cell's code. A second interrupt does not wait.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from tidemill._native.kernel import Kernel


class Interrupts:
    """Routes SIGINT to whatever runs on the main thread.

    Parameters
    ----------
    loop
        The loop of the main thread.
    native
        The running kernel, which sends a signal again that was not noticed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, native: Kernel) -> None:
        self._loop = loop
        self._native = native
        #: True while code runs that may be interrupted by an exception.
        self.computing = False
        #: True while a task is being taken up.
        self.taking_up = False
        #: True from the beginning of a cell until its own code begins.
        self.preparing = False
        #: True if an interrupt came meanwhile.
        self.missed = False
        #: The cell that awaits, if one does.
        self.awaiting: asyncio.Task[Any] | None = None
        #: True from the interrupt of an awaiting cell until the next cell.
        self.cancelled = False

    def before_task(self) -> None:
        """Forget interrupts that came while nothing ran."""
        self.taking_up = True
        if self.awaiting is None:
            self.preparing = self.missed = False

    def before_cell(self) -> None:
        """Handle SIGINT from now on; a debugger that was left may have put its handler there."""
        self.cancelled = False
        self.preparing = True
        signal.signal(signal.SIGINT, self._on_interrupt)

    def begin_code(self) -> None:
        """Interrupt the cell if it was interrupted before its own code began.

        Raises
        ------
        KeyboardInterrupt
            If it was.
        """
        self.preparing = False
        if self.take_missed():
            raise KeyboardInterrupt

    def take_missed(self) -> bool:
        """Return whether the task that is being taken up was interrupted meanwhile."""
        missed, self.missed = self.missed, False
        return missed

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        self._native.interrupt_noticed()
        if self.preparing and not self.missed:
            self.missed = True
            return
        if self.computing:
            raise KeyboardInterrupt
        task = self.awaiting
        if task is None:
            self.missed = self.taking_up
            return
        running = asyncio.current_task(self._loop)
        if running is not task:
            self.cancelled = True
            # Not call_soon: that would not wake the loop from its waiting.
            self._loop.call_soon_threadsafe(task.cancel)
        if running is not None:
            # The cell, or a task that keeps it waiting, computes at this moment.
            raise KeyboardInterrupt
