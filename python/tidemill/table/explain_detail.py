"""What EXPLAIN may add to a plan."""

from __future__ import annotations

from enum import IntEnum

from tidemill.util.exceptions import ValidationException

__all__ = ["ExplainDetail", "name_of_detail"]


class ExplainDetail(IntEnum):
    """A further detail of a plan."""

    ESTIMATED_COST = 0
    CHANGELOG_MODE = 1
    JSON_EXECUTION_PLAN = 2
    PLAN_ADVICE = 3


def name_of_detail(detail: ExplainDetail | str) -> str:
    """Give the word that SQL has for a detail, which may be given by that word.

    Raises
    ------
    ValidationException
        If there is no such detail.
    """
    if isinstance(detail, str) and detail.upper() in ExplainDetail.__members__:
        return detail.upper()
    if not isinstance(detail, ExplainDetail):
        known = ", ".join(ExplainDetail.__members__)
        msg = f"{detail!r} is no detail of a plan: it is one of ExplainDetail.{{{known}}}"
        raise ValidationException(msg)
    return detail.name
