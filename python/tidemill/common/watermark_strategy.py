"""How event time advances in a stream."""

from __future__ import annotations

import abc
import copy
from typing import TYPE_CHECKING, Any

from tidemill.common.time import Duration

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AssignerWithPeriodicWatermarksWrapper", "TimestampAssigner", "WatermarkStrategy"]


class TimestampAssigner(abc.ABC):
    """Gives the time of an element."""

    @abc.abstractmethod
    def extract_timestamp(self, value: Any, record_timestamp: int) -> int:
        """Give the time of an element in milliseconds since 1970."""


class WatermarkStrategy:
    """How far behind the latest element an element may come, and where its time is from.

    Parameters
    ----------
    max_out_of_orderness
        How late an element may come; None for a stream without event time.
    """

    def __init__(self, max_out_of_orderness: Duration | None) -> None:
        """Keep the bound."""
        self.max_out_of_orderness = max_out_of_orderness
        self.timestamp_assigner: TimestampAssigner | None = None
        self.idle_timeout: Duration | None = None
        self.alignment: tuple[str, Duration, Duration | None] | None = None

    @staticmethod
    def for_monotonous_timestamps() -> WatermarkStrategy:
        """Expect elements in the order of their times."""
        return WatermarkStrategy(Duration.of_millis(0))

    @staticmethod
    def for_bounded_out_of_orderness(max_out_of_orderness: Duration) -> WatermarkStrategy:
        """Expect elements to come late by some time at most."""
        return WatermarkStrategy(max_out_of_orderness)

    @staticmethod
    def no_watermarks() -> WatermarkStrategy:
        """Have no event time."""
        return WatermarkStrategy(None)

    def with_timestamp_assigner(self, timestamp_assigner: TimestampAssigner) -> WatermarkStrategy:
        """Take times of elements from a function."""
        return self._with("timestamp_assigner", timestamp_assigner)

    def with_idleness(self, idle_timeout: Duration) -> WatermarkStrategy:
        """Let an input that gives nothing for some time not hold back the others."""
        return self._with("idle_timeout", idle_timeout)

    def with_watermark_alignment(
        self,
        watermark_group: str,
        max_allowed_watermark_drift: Duration,
        update_interval: Duration | None = None,
    ) -> WatermarkStrategy:
        """Keep inputs of a group from running ahead of each other by more than some time."""
        return self._with(
            "alignment", (watermark_group, max_allowed_watermark_drift, update_interval)
        )

    def _with(self, attribute: str, value: Any) -> Self:
        changed = copy.copy(self)
        setattr(changed, attribute, value)
        return changed


class AssignerWithPeriodicWatermarksWrapper:
    """An assigner of a JVM; use a `WatermarkStrategy`."""

    def __init__(self, j_assigner_with_periodic_watermarks: object) -> None:
        self._assigner = j_assigner_with_periodic_watermarks
