"""SQL cells: their statements run in the session of the environment that was created last.

Parsing, running and showing are Rust's; here the cell meets Python: which session, which cell,
and how an error of a statement looks like an error of a cell.
"""

from __future__ import annotations

import inspect as introspection
from typing import TYPE_CHECKING, Any

from tidemill._native import display
from tidemill.kernel.output import CELL

if TYPE_CHECKING:
    from tidemill._native.engine import Session
    from tidemill.kernel.shell import ZMQInteractiveShell


class QueryStopped(KeyboardInterrupt):
    """The user interrupted a cell that waited for a query; the query is stopped.

    Shown as a KeyboardInterrupt without the frames of this package.
    """

    def __init__(self) -> None:
        super().__init__("query stopped")

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31m{type(self).__name__}\x1b[0m: {self}"]


# Frontends and tests know an interrupt by this name.
QueryStopped.__name__ = KeyboardInterrupt.__name__


def run_cell(code: str) -> None:
    """Run the statements of a SQL cell and show their results in the running cell.

    Parameters
    ----------
    code
        The text of the cell, with its ``%%sql`` line if it has one.

    Raises
    ------
    SqlParserException
        If the text is no script of statements; nothing has run then.
    TidemillError
        If a statement cannot be planned or its job fails; the statements before it keep their
        effects.
    UsageError
        If an option of ``%%sql`` does not exist or cannot be read.
    KeyboardInterrupt
        If the cell was interrupted while it waited; its query is stopped.
    """
    from IPython.core.error import UsageError  # noqa: PLC0415 (keeps the kernel's start short)

    words = code.strip().partition("\n")[0].split()
    if words[:1] == ["%%sql"] and not {"--help", "-h"}.isdisjoint(words):
        print(introspection.getdoc(sql))  # noqa: T201 (help is text)
        return
    try:
        display.run_sql_cell(_session(), code, CELL.get())
    except ValueError as error:
        raise UsageError(str(error)) from None
    except KeyboardInterrupt:
        raise QueryStopped from None


def sql(line: str, cell: str | None = None) -> None:
    r"""Run SQL: ``%sql STATEMENT``, or a cell of statements below ``%%sql [options]``.

    A cell of SQL needs no magic; it takes options, and says that the text is SQL for sure.

    ``--rows N``
        Rows that a table shows (default 50).
    ``--hz F``
        How many times a second a live table is drawn (default 4, at most 10).
    ``--until rows=N | records=N | seconds=F``
        When an unbounded query is stopped: at N rows of its result, after N records of its
        input, or after F seconds.
    ``--name NAME``
        What status lines call the jobs of this cell.
    ``--settled``, ``--live``
        Whether the cell waits until its results have settled and shows each once.

    Parameters
    ----------
    line
        The statement, or the options of the cell.
    cell
        The statements.
    """
    run_cell(line if cell is None else f"%%sql {line}\n{cell}")


def install(shell: ZMQInteractiveShell) -> None:
    """Give a shell the magic, for its help and for code that calls magics."""
    shell.register_magic_function(sql, "line_cell", "sql")


def complete(code: str, cursor: int) -> dict[str, Any] | None:
    """Say what could be written at the cursor of a SQL cell.

    Parameters
    ----------
    code
        The text of the cell.
    cursor
        Position in characters.

    Returns
    -------
    dict or None
        The content of a ``complete_reply``; None if the cell is Python.
    """
    if not display.is_sql(code):
        return None
    found = display.complete(_session(), code, cursor)
    if found is None:
        return None
    start, end, items = found
    types = [
        {"start": start, "end": end, "text": text, "type": kind, "signature": ""}
        for text, kind in items
    ]
    return {
        "status": "ok",
        "matches": [text for text, _ in items],
        "cursor_start": start,
        "cursor_end": end,
        "metadata": {"_jupyter_types_experimental": types},
    }


def inspect(code: str, cursor: int) -> dict[str, Any] | None:
    """Tell the columns of the table at the cursor of a SQL cell.

    Parameters
    ----------
    code
        The text of the cell.
    cursor
        Position in characters.

    Returns
    -------
    dict or None
        The content of an ``inspect_reply``; None if the cell is Python.
    """
    if not display.is_sql(code):
        return None
    found = display.inspect(_session(), code, cursor)
    reply: dict[str, Any] = {"status": "ok", "found": False, "data": {}, "metadata": {}}
    if found is not None:
        plain, html = found
        reply.update(found=True, data={"text/plain": plain, "text/html": html})
    return reply


def is_complete(code: str) -> dict[str, str] | None:
    """Tell a console whether a SQL text can be run: if it ends with ``;`` or an empty line.

    Returns
    -------
    dict or None
        The content of an ``is_complete_reply``; None if the text is Python.
    """
    if not display.is_sql(code):
        return None
    ended = code.rstrip().endswith(";") or code.endswith("\n")
    return {"status": "complete"} if ended else {"status": "incomplete", "indent": ""}


def _session() -> Session:
    from tidemill.table.environment import current_environment  # noqa: PLC0415 (a short start)

    return current_environment().session
