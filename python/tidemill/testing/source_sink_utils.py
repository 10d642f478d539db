"""Results of test sinks that only a JVM has; read results with ``execute().collect()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["results", "retract_results", "upsert_results"]

_INSTEAD = "reading a test sink of a JVM (use table.execute().collect())"


def results() -> NoReturn:
    """Refuse: collect the results of a table instead."""
    refuse(_INSTEAD)


def retract_results() -> NoReturn:
    """Refuse: collect the results of a table instead."""
    refuse(_INSTEAD)


def upsert_results(keys: Sequence[int]) -> NoReturn:
    """Refuse: collect the results of a table instead."""
    del keys
    refuse(_INSTEAD)
