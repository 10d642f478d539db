"""Which time a program of the older API reckons with."""

from __future__ import annotations

from enum import Enum

__all__ = ["TimeCharacteristic"]


class TimeCharacteristic(Enum):
    """The kinds of time; tables say by their columns which they use."""

    ProcessingTime = 0
    IngestionTime = 1
    EventTime = 2
