"""How a `Table` shows itself in a notebook.

The kernel registers a function that shows live tables. Without one, a table shows its plain text.
"""

from __future__ import annotations

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
    """Show a table if a display is registered; tell whether there is one."""
    if not _display:
        return False
    _display[0](table)
    return True
