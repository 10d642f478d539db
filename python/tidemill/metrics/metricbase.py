"""Counters, gauges, meters and distributions, in named groups.

A function registers its metrics with the group of its `FunctionContext`. They count in this
process; `MetricGroup.values` reads them all, by their path in the hierarchy.

Changing a metric is not locked: each function is called by one thread at a time.
"""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Counter", "Distribution", "Meter", "Metric", "MetricGroup"]


M = TypeVar("M", bound="Metric")


class Metric:
    """Base of all metrics."""


class Counter(Metric):
    """A number that goes up and down."""

    def __init__(self) -> None:
        self._count = 0

    def inc(self, n: int = 1) -> None:
        """Add to the count."""
        self._count += n

    def dec(self, n: int = 1) -> None:
        """Take from the count."""
        self._count -= n

    def get_count(self) -> int:
        """Give the count."""
        return self._count


class Meter(Metric):
    """A count of events and their rate.

    Parameters
    ----------
    time_span_in_seconds
        Events of how many seconds make the rate.
    """

    def __init__(self, time_span_in_seconds: int = 60) -> None:
        self._span_s = max(1, time_span_in_seconds)
        self._count = 0
        # One entry a second at most, so its length is bounded by the span.
        self._seconds: collections.deque[tuple[int, int]] = collections.deque()

    def mark_event(self, value: int = 1) -> None:
        """Count events that happen now."""
        self._count += value
        now_s = int(time.monotonic())
        if self._seconds and self._seconds[-1][0] == now_s:
            value += self._seconds.pop()[1]
        self._seconds.append((now_s, value))
        while self._seconds[0][0] <= now_s - self._span_s:
            self._seconds.popleft()

    def get_count(self) -> int:
        """Give the count of all events."""
        return self._count

    def get_rate(self) -> float:
        """Give the events a second over the time span."""
        oldest_s = int(time.monotonic()) - self._span_s
        return sum(count for second, count in self._seconds if second > oldest_s) / self._span_s


class Distribution(Metric):
    """Whole numbers of which count, sum, smallest and largest are kept."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0
        self._min: int | None = None
        self._max: int | None = None

    def update(self, value: int) -> None:
        """Add a number."""
        self._count += 1
        self._sum += value
        self._min = value if self._min is None else min(self._min, value)
        self._max = value if self._max is None else max(self._max, value)

    def summary(self) -> dict[str, int | None]:
        """Give count, sum, smallest and largest."""
        return {"count": self._count, "sum": self._sum, "min": self._min, "max": self._max}


class MetricGroup:
    """A named container of metrics and further groups.

    Metrics and groups are registered once: asking again for a name gives the same object. A group
    of a key has groups of values, and names a variable.
    """

    def __init__(self) -> None:
        self._groups: dict[str, MetricGroup] = {}
        self._values: dict[tuple[str, str], MetricGroup] = {}
        self._metrics: dict[str, Metric] = {}
        self._gauges: dict[str, Callable[[], int]] = {}

    def add_group(self, name: str, extra: str | None = None) -> MetricGroup:
        """Give a group below this one; with `extra`, the group of that value of the key `name`."""
        if extra is None:
            return self._groups.setdefault(name, MetricGroup())
        return self._values.setdefault((name, extra), MetricGroup())

    def counter(self, name: str) -> Counter:
        """Register a counter."""
        return self._register(name, Counter)

    def gauge(self, name: str, obj: Callable[[], int]) -> None:
        """Register a function that is asked for a value whenever the metrics are read."""
        self._gauges[name] = obj

    def meter(self, name: str, time_span_in_seconds: int = 60) -> Meter:
        """Register a meter."""
        return self._register(name, lambda: Meter(time_span_in_seconds))

    def distribution(self, name: str) -> Distribution:
        """Register a distribution."""
        return self._register(name, Distribution)

    def values(self) -> dict[str, object]:
        """Read all metrics of this group and those below, by their path ``group.name``."""
        found: dict[str, object] = {}
        for metric in self.described():
            variables = metric["variables"]
            parts = []
            for group in metric["groups"]:
                parts += [group, variables[group]] if group in variables else [group]
            ((kind, value),) = metric["value"].items()
            del kind
            found[".".join([*parts, metric["name"]])] = value
        return found

    def described(self) -> list[dict[str, Any]]:
        """Read all metrics of this group and those below.

        Returns
        -------
        list of dict
            For each ``name``, the names of its ``groups``, the ``variables`` that they name, and
            its ``value`` under its kind: ``counter``, ``gauge``, ``meter`` or ``distribution``.
        """
        read: list[tuple[str, dict[str, object]]] = []
        for name, metric in self._metrics.items():
            if isinstance(metric, Distribution):
                read.append((name, {"distribution": metric.summary()}))
            elif isinstance(metric, Meter):
                value = {"count": metric.get_count(), "rate": metric.get_rate()}
                read.append((name, {"meter": value}))
            elif isinstance(metric, Counter):
                read.append((name, {"counter": metric.get_count()}))
        read += [(name, {"gauge": gauge()}) for name, gauge in self._gauges.items()]
        found: list[dict[str, Any]] = [
            {"name": name, "groups": [], "variables": {}, "value": value} for name, value in read
        ]
        for group_name, group in self._groups.items():
            for metric_below in group.described():
                metric_below["groups"].insert(0, group_name)
                found.append(metric_below)
        for (key, of_key), group in self._values.items():
            for metric_below in group.described():
                metric_below["groups"].insert(0, key)
                metric_below["variables"][key] = of_key
                found.append(metric_below)
        return found

    def _register(self, name: str, make: Callable[[], M]) -> M:
        made = make()
        metric = self._metrics.setdefault(name, made)
        if not isinstance(metric, type(made)):
            msg = f"the metric '{name}' is a {type(metric).__name__} already"
            raise TypeError(msg)
        return metric
