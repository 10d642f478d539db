"""SQL dialects."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["SqlDialect"]


class SqlDialect(IntEnum):
    """A dialect of SQL; only Flink's own runs here."""

    DEFAULT = 0
    HIVE = 1
