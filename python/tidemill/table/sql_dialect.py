"""SQL dialects."""

from __future__ import annotations

from enum import Enum

__all__ = ["SqlDialect"]


class SqlDialect(Enum):
    """A dialect of SQL; only Flink's own runs here."""

    DEFAULT = 0
    HIVE = 1
