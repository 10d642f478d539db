"""When a task with several inputs starts."""

from __future__ import annotations

from enum import Enum

__all__ = ["InputDependencyConstraint"]


class InputDependencyConstraint(Enum):
    """How many inputs must be there; the engine starts all parts of a job at once."""

    ANY = 0
    ALL = 1
