"""Live results in a notebook: tables that a cell displays, and what a new run does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill._native import display
from tidemill.kernel.output import CELL
from tidemill.kernel.sql import QueryStopped

if TYPE_CHECKING:
    from tidemill.kernel.shell import ZMQInteractiveShell
    from tidemill.table import Table


def show_table(table: Table) -> None:
    """Show the rows of a table below the running cell.

    A table over unbounded input goes on changing after the cell; one over bounded input is shown
    when it is complete.

    Parameters
    ----------
    table
        The table; its query is planned and started anew.
    """
    try:
        display.show_query(table.query(), CELL.get())
    except KeyboardInterrupt:
        raise QueryStopped from None


def live(line: str) -> str:
    r"""Say how results are shown: ``%live [on | off | auto | resume] [--hz F] [--rows N]``.

    ``on`` shows results while they change; ``off`` waits until they have settled and shows each
    once; ``auto``, the default, is ``on`` where somebody looks and ``off`` in a test of the
    notebook. ``--hz`` is how many times a second a live table is drawn (0.1 to 10, default 4),
    ``--rows`` how many rows a table shows (default 50). ``resume`` shows all live results once
    more below this cell: when a page was reloaded, the old ones stand still.

    Parameters
    ----------
    line
        The arguments; without any, nothing changes.

    Returns
    -------
    str
        The settings then; empty if live results were shown again.
    """
    from IPython.core.error import UsageError  # noqa: PLC0415 (keeps the kernel's start short)

    if line.strip() == "resume":
        n_shown = display.show_again(CELL.get())
        return "" if n_shown else "nothing is live"
    try:
        mode, hz, rows = display.change_settings(line)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return f"live {mode}, {hz:g} times a second, {rows} rows"


class Report(str):
    """A text that a cell shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def install(shell: ZMQInteractiveShell) -> None:
    """Connect a shell with the engine: magics, prints of jobs, and cells that are run again."""
    display.install()
    shell.events.register("pre_run_cell", _replace_earlier_run)
    shell.register_magic_function(_live_magic, "line", "live")


def _live_magic(line: str) -> Report | None:
    answer = live(line)
    return Report(answer) if answer else None


_live_magic.__doc__ = live.__doc__


def _replace_earlier_run(_info: object) -> None:
    cell = CELL.get(None)
    if cell is not None:
        display.cell_starts(cell)
