"""How a `Table` shows itself in a notebook.

The kernel registers a function that shows live tables. Without one, a table shows its plain text.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.table.table import Table

    TableDisplay: TypeAlias = Callable[[Table], None]

__all__ = ["register_display", "show"]

_display: list[TableDisplay] = []


def register_display(display: TableDisplay | None) -> None:
    """Let `display` show tables from now on; None takes it away."""
    _display[:] = [] if display is None else [display]


def show(table: Table) -> bool:
    """Show a table if a display is registered, or this process is a kernel; tell whether it is."""
    if _display:
        _display[0](table)
        return True
    if "tidemill.kernel.live" not in sys.modules:
        return False
    from tidemill.kernel.live import show_table  # noqa: PLC0415 - only kernels have it

    show_table(table)
    return True
