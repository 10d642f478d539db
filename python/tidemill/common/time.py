"""Spans and points of time, with the constructors of ``pyflink.common.time``."""

from __future__ import annotations

import datetime as dt
import re

__all__ = [
    "Duration",
    "Instant",
    "Time",
    "duration_text",
    "milliseconds_of",
    "seconds_of",
]

_NANOS_PER_MILLI = 1_000_000
_MILLIS_PER_SECOND = 1000
_DURATION = re.compile(r"\s*(\d+)\s*([a-zµ]*)\s*", re.IGNORECASE)
# Flink's words for units, and how many nanoseconds each has.
_UNITS = {
    word: nanos
    for words, nanos in (
        ("d day days", 86_400_000_000_000),
        ("h hour hours", 3_600_000_000_000),
        ("m min minute minutes", 60_000_000_000),
        ("s sec secs second seconds", 1_000_000_000),
        ("ms milli millis millisecond milliseconds", 1_000_000),
        ("µs micro micros microsecond microseconds", 1000),
        ("ns nano nanos nanosecond nanoseconds", 1),
    )
    for word in words.split()
}
_TEXTS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))


def seconds_of(text: str) -> float:
    """Read an option that is a duration, such as ``100 ms`` or ``3 min``.

    Notes
    -----
    Source: ``TimeUtils.parseDuration``, Flink 2.3; a number alone counts milliseconds.

    Raises
    ------
    ValueError
        If the text is no number with a unit.
    """
    match = _DURATION.fullmatch(text)
    nanos = _UNITS.get((match[2] or "ms").lower()) if match else None
    if match is None or nanos is None:
        msg = f"'{text}' is not a duration like '100 ms' or '3 min'"
        raise ValueError(msg)
    return int(match[1]) * nanos / 1_000_000_000


def milliseconds_of(duration: dt.timedelta | Duration) -> int:
    """Give the whole milliseconds of either kind of duration."""
    if isinstance(duration, dt.timedelta):
        return duration // dt.timedelta(milliseconds=1)
    return duration.to_millis()


def duration_text(milliseconds: int) -> str:
    """Write an option that is a duration, in the largest unit that counts it in whole numbers."""
    for unit, length in _TEXTS:
        if milliseconds and milliseconds % length == 0:
            return f"{milliseconds // length} {unit}"
    return f"{milliseconds} ms"


class Duration:
    """A span of time.

    Parameters
    ----------
    nanos
        Length in nanoseconds. Use the ``of_…`` constructors.
    """

    def __init__(self, nanos: int) -> None:
        """Keep the length."""
        self._nanos = nanos

    @staticmethod
    def of_days(days: int) -> Duration:
        """Make a span of days."""
        return Duration.of_hours(24 * days)

    @staticmethod
    def of_hours(hours: int) -> Duration:
        """Make a span of hours."""
        return Duration.of_minutes(60 * hours)

    @staticmethod
    def of_minutes(minutes: int) -> Duration:
        """Make a span of minutes."""
        return Duration.of_seconds(60 * minutes)

    @staticmethod
    def of_seconds(seconds: int) -> Duration:
        """Make a span of seconds."""
        return Duration.of_millis(_MILLIS_PER_SECOND * seconds)

    @staticmethod
    def of_millis(millis: int) -> Duration:
        """Make a span of milliseconds."""
        return Duration(_NANOS_PER_MILLI * millis)

    @staticmethod
    def of_nanos(nanos: int) -> Duration:
        """Make a span of nanoseconds."""
        return Duration(nanos)

    def to_millis(self) -> int:
        """Give the whole milliseconds."""
        return self._nanos // _NANOS_PER_MILLI

    def __eq__(self, other: object) -> bool:
        """Compare the length."""
        return isinstance(other, Duration) and self._nanos == other._nanos

    def __hash__(self) -> int:
        """Hash the length."""
        return hash(self._nanos)

    def __repr__(self) -> str:
        """Show the length."""
        return f"Duration(nanos={self._nanos})"


class Instant:
    """A point of time.

    Parameters
    ----------
    seconds
        Seconds since 1970-01-01T00:00:00Z.
    nanos
        Nanoseconds of the second, 0 to 999,999,999.
    """

    def __init__(self, seconds: int, nanos: int) -> None:
        """Keep the point."""
        self.seconds = seconds
        self.nanos = nanos

    @staticmethod
    def of_epoch_milli(epoch_milli: int) -> Instant:
        """Make a point from milliseconds since the epoch."""
        seconds, millis = divmod(epoch_milli, _MILLIS_PER_SECOND)
        return Instant(seconds, millis * _NANOS_PER_MILLI)

    def to_epoch_milli(self) -> int:
        """Give the milliseconds since the epoch."""
        return self.seconds * _MILLIS_PER_SECOND + self.nanos // _NANOS_PER_MILLI

    def __eq__(self, other: object) -> bool:
        """Compare the point."""
        return isinstance(other, Instant) and (self.seconds, self.nanos) == (
            other.seconds,
            other.nanos,
        )

    def __hash__(self) -> int:
        """Hash the point."""
        return hash((self.seconds, self.nanos))

    def __repr__(self) -> str:
        """Show the point as PyFlink does."""
        return f"Instant<{self.seconds}, {self.nanos}>"


class Time:
    """A span of whole milliseconds, used by window functions.

    Parameters
    ----------
    milliseconds
        Length in milliseconds.
    """

    def __init__(self, milliseconds: int) -> None:
        """Keep the length."""
        self._milliseconds = milliseconds

    @staticmethod
    def milliseconds(milliseconds: int) -> Time:
        """Make a span of milliseconds."""
        return Time(milliseconds)

    @staticmethod
    def seconds(seconds: int) -> Time:
        """Make a span of seconds."""
        return Time(_MILLIS_PER_SECOND * seconds)

    @staticmethod
    def minutes(minutes: int) -> Time:
        """Make a span of minutes."""
        return Time.seconds(60 * minutes)

    @staticmethod
    def hours(hours: int) -> Time:
        """Make a span of hours."""
        return Time.minutes(60 * hours)

    @staticmethod
    def days(days: int) -> Time:
        """Make a span of days."""
        return Time.hours(24 * days)

    def to_milliseconds(self) -> int:
        """Give the length in milliseconds."""
        return self._milliseconds

    def __str__(self) -> str:
        """Show the number and its unit."""
        return f"{self._milliseconds} ms"

    def __eq__(self, other: object) -> bool:
        """Compare the length."""
        return isinstance(other, Time) and self._milliseconds == other._milliseconds

    def __hash__(self) -> int:
        """Hash the length."""
        return hash(self._milliseconds)
