"""Whether a statement's result says something beyond "it worked"."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ResultKind"]


class ResultKind(IntEnum):
    """The kind of a `TableResult`."""

    SUCCESS = 0
    SUCCESS_WITH_CONTENT = 1
