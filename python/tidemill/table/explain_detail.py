"""What EXPLAIN may add to a plan."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExplainDetail"]


class ExplainDetail(IntEnum):
    """A further detail of a plan."""

    ESTIMATED_COST = 0
    CHANGELOG_MODE = 1
    JSON_EXECUTION_PLAN = 2
    PLAN_ADVICE = 3
