"""What an interrupt does.

.. code-block:: text

    SIGINT ─┬─ a cell computes              → KeyboardInterrupt where it is
            ├─ a cell waits in an await     → its task is cancelled, shown as KeyboardInterrupt
            └─ nothing runs                 → nothing

An interrupt that is asked for by message arrives as SIGINT too: a thread of Rust sends it. Pure C
code ends when it ends; Python cannot interrupt it.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType


class Interrupts:
    """Routes SIGINT to whatever runs on the main thread.

    Parameters
    ----------
    loop
        The loop of the main thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: True while code runs that may be interrupted by an exception.
        self.computing = False
        #: The cell that awaits, if one does.
        self.awaiting: asyncio.Task[Any] | None = None
        #: True from the interrupt of an awaiting cell until the next cell.
        self.cancelled = False

    def before_cell(self) -> None:
        """Handle SIGINT from now on; a debugger that was left may have put its handler there."""
        self.cancelled = False
        signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self.computing:
            raise KeyboardInterrupt
        task = self.awaiting
        if task is None:
            return
        running = asyncio.current_task(self._loop)
        if running is not task:
            self.cancelled = True
            # Not call_soon: that would not wake the loop from its waiting.
            self._loop.call_soon_threadsafe(task.cancel)
        if running is not None:
            # The cell, or a task that keeps it waiting, computes at this moment.
            raise KeyboardInterrupt
