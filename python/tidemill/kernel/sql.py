"""SQL cells: their statements run in the session of the environment that was created last.

Parsing, running and showing are Rust's; here the cell meets Python: which session, which cell,
and how an error of a statement looks like an error of a cell.
"""

from __future__ import annotations

from tidemill._native import display
from tidemill.kernel.output import CELL


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

    from tidemill.table.environment import current_environment  # noqa: PLC0415 (as above)

    session = current_environment().session
    try:
        display.run_sql_cell(session, code, CELL.get())
    except ValueError as error:
        raise UsageError(str(error)) from None
