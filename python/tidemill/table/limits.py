"""The numbers of rows that `Table.limit`, ``fetch`` and ``offset`` take."""

from __future__ import annotations

from typing import Any

from tidemill.util.exceptions import ValidationException

__all__ = ["require_count"]


def require_count(what: str, count: Any) -> None:
    """Check a number of rows; `what` names it.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValidationException
        If it is negative.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        msg = f"{what} is a number of rows, not {count!r}"
        raise TypeError(msg)
    if count < 0:
        msg = f"{what.capitalize()} should be greater or equal 0, not {count}"
        raise ValidationException(msg)
