"""SQL cells."""

from __future__ import annotations

from typing import Any


def run_cell(code: str) -> Any:
    """Run the statements of a SQL cell.

    Parameters
    ----------
    code
        The text of the cell.

    Returns
    -------
    Any
        The value of the cell, or None if it has shown its results itself.

    Raises
    ------
    NotImplementedError
        At present always.
    """
    msg = f"SQL cells are not supported yet ({len(code)} characters)"
    raise NotImplementedError(msg)
