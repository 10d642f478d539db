"""Whether a statement's result says something beyond "it worked"."""

from __future__ import annotations

from enum import Enum

__all__ = ["ResultKind"]


class ResultKind(Enum):
    """The kind of a `TableResult`."""

    SUCCESS = 0
    SUCCESS_WITH_CONTENT = 1
