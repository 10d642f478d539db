"""Flink's logical types as Python objects, made by `DataTypes`.

Every type knows its SQL text (``as_serializable_string``), which is how types travel between
Python and the engine; `type_parser` reads the text back. Equality is structural and includes
nullability.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Any, ClassVar

from tidemill.util.exceptions import InvalidTypeException

__all__ = [
    "AtomicType",
    "BigIntType",
    "BinaryType",
    "BitmapType",
    "BooleanType",
    "CharType",
    "DataType",
    "DateType",
    "DayTimeIntervalType",
    "DecimalType",
    "DoubleType",
    "FloatType",
    "FractionalType",
    "IntType",
    "IntegralType",
    "LocalZonedTimestampType",
    "NullType",
    "NumericType",
    "SmallIntType",
    "TimeType",
    "TimestampType",
    "TinyIntType",
    "VarBinaryType",
    "VarCharType",
    "VariantType",
    "YearMonthIntervalType",
]

MAX_LENGTH = 0x7FFF_FFFF
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - without a zone


class DataType:
    """Base of all types.

    Parameters
    ----------
    nullable
        Whether NULL is a value of the type.
    """

    def __init__(self, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the nullability."""
        self._nullable = nullable

    def not_null(self) -> DataType:
        """Give the same type without NULL."""
        return self._with_nullable(nullable=False)

    def nullable(self) -> DataType:
        """Give the same type with NULL."""
        return self._with_nullable(nullable=True)

    def is_nullable(self) -> bool:
        """Tell whether NULL is a value of the type."""
        return self._nullable

    @classmethod
    def type_name(cls) -> str:
        """Give the name of the class in capitals, without ``Type``."""
        return cls.__name__.removesuffix("Type").upper()

    def need_conversion(self) -> bool:
        """Tell whether values have an internal form of their own."""
        return False

    def to_sql_type(self, obj: Any) -> Any:
        """Give the internal form of a Python value."""
        return obj

    def from_sql_type(self, obj: Any) -> Any:
        """Give the Python value of an internal form."""
        return obj

    def bridged_to(self, conversion_cls: str) -> DataType:
        """Give the type itself: values are never of a Java class."""
        del conversion_cls
        return self

    def as_serializable_string(self) -> str:
        """Give Flink's complete SQL text, e.g. ``VARCHAR(2147483647) NOT NULL``."""
        return self._text() + ("" if self._nullable else " NOT NULL")

    def as_summary_string(self) -> str:
        """Give Flink's short text, e.g. ``STRING NOT NULL``."""
        return self._summary() + ("" if self._nullable else " NOT NULL")

    def _text(self) -> str:
        raise NotImplementedError

    def _summary(self) -> str:
        return self._text()

    def _with_nullable(self, *, nullable: bool) -> DataType:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._nullable = nullable
        return copy

    def __eq__(self, other: object) -> bool:
        """Compare structure and nullability."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self.as_serializable_string())

    def __repr__(self) -> str:
        """Show PyFlink's text, e.g. ``VarCharType(10, true)``."""
        arguments = [*self._repr_arguments(), "true" if self._nullable else "false"]
        return f"{type(self).__name__}({', '.join(arguments)})"

    def __str__(self) -> str:
        """Show the name of the type alone, as PyFlink does; `as_summary_string` tells all of it."""
        return self.type_name()

    def _repr_arguments(self) -> list[str]:
        return []


class AtomicType(DataType):
    """A type without parts."""

    _NAME: ClassVar[str]

    def _text(self) -> str:
        return self._NAME


class NumericType(AtomicType):
    """Numbers."""


class IntegralType(NumericType):
    """Whole numbers."""


class FractionalType(NumericType):
    """Numbers with a fraction."""


class NullType(AtomicType):
    """The type of a bare NULL."""

    _NAME = "NULL"

    def __init__(self) -> None:
        """Make the type."""
        super().__init__(nullable=True)


class VariantType(AtomicType):
    """Values like those of JSON."""

    _NAME = "VARIANT"


class BitmapType(AtomicType):
    """Sets of 32-bit integers."""

    _NAME = "BITMAP"


class BooleanType(AtomicType):
    """TRUE and FALSE."""

    _NAME = "BOOLEAN"


class TinyIntType(IntegralType):
    """Whole numbers of 8 bits."""

    _NAME = "TINYINT"


class SmallIntType(IntegralType):
    """Whole numbers of 16 bits."""

    _NAME = "SMALLINT"


class IntType(IntegralType):
    """Whole numbers of 32 bits."""

    _NAME = "INT"


class BigIntType(IntegralType):
    """Whole numbers of 64 bits."""

    _NAME = "BIGINT"


class FloatType(FractionalType):
    """Binary fractions of 32 bits."""

    _NAME = "FLOAT"


class DoubleType(FractionalType):
    """Binary fractions of 64 bits."""

    _NAME = "DOUBLE"


class DecimalType(FractionalType):
    """Decimal fractions.

    Parameters
    ----------
    precision
        Number of digits, 1 to 38.
    scale
        How many of them stand behind the point.
    """

    def __init__(self, precision: int = 10, scale: int = 0, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep precision and scale."""
        super().__init__(nullable)
        require_range("precision of DECIMAL", precision, 1, 38)
        require_range("scale of DECIMAL", scale, 0, precision)
        self.precision = precision
        self.scale = scale
        self.has_precision_info = True

    def _text(self) -> str:
        return f"DECIMAL({self.precision}, {self.scale})"

    def _repr_arguments(self) -> list[str]:
        return [str(self.precision), str(self.scale)]


class _LengthType(AtomicType):
    """Text or bytes with a length."""

    _LONGEST: ClassVar[str]

    def __init__(self, length: int = 1, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        super().__init__(nullable)
        self.length = length

    def _text(self) -> str:
        return f"{self._NAME}({self.length})"

    def _summary(self) -> str:
        return self._LONGEST if self.length == MAX_LENGTH else self._text()

    def _repr_arguments(self) -> list[str]:
        return [str(self.length)]


class CharType(_LengthType):
    """Text of a fixed length."""

    _NAME = "CHAR"
    _LONGEST = "CHAR(2147483647)"


class VarCharType(_LengthType):
    """Text up to a length."""

    _NAME = "VARCHAR"
    _LONGEST = "STRING"

    def __init__(self, length: int = MAX_LENGTH, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the length."""
        super().__init__(length, nullable)


class BinaryType(_LengthType):
    """Bytes of a fixed length."""

    _NAME = "BINARY"
    _LONGEST = "BINARY(2147483647)"


class VarBinaryType(_LengthType):
    """Bytes up to a length."""

    _NAME = "VARBINARY"
    _LONGEST = "BYTES"

    def __init__(self, length: int = MAX_LENGTH, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the length."""
        super().__init__(length, nullable)


class DateType(AtomicType):
    """Days."""

    _NAME = "DATE"
    EPOCH_ORDINAL: ClassVar[int] = dt.date(1970, 1, 1).toordinal()

    def need_conversion(self) -> bool:
        """Tell that days are kept as numbers."""
        return True

    def to_sql_type(self, d: dt.date | None) -> int | None:
        """Give the days since 1970."""
        return None if d is None else d.toordinal() - self.EPOCH_ORDINAL

    def from_sql_type(self, v: int | None) -> dt.date | None:
        """Give the day of a number of days since 1970."""
        return None if v is None else dt.date.fromordinal(v + self.EPOCH_ORDINAL)


class _PrecisionType(AtomicType):
    """A time with some digits of a second's fraction."""

    def __init__(self, precision: int, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        super().__init__(nullable)
        require_range(f"precision of {self._NAME}", precision, 0, 9)
        self.precision = precision

    def _text(self) -> str:
        return f"{self._NAME}({self.precision})"

    def _repr_arguments(self) -> list[str]:
        return [str(self.precision)]


class TimeType(_PrecisionType):
    """Times of day."""

    _NAME = "TIME"
    EPOCH_ORDINAL: ClassVar[int] = 0

    def __init__(self, precision: int = 0, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the precision."""
        super().__init__(precision, nullable)

    def need_conversion(self) -> bool:
        """Tell that times are kept as numbers."""
        return True

    def to_sql_type(self, t: dt.time | None) -> int | None:
        """Give the microseconds since midnight."""
        if t is None:
            return None
        return ((t.hour * 60 + t.minute) * 60 + t.second) * 1_000_000 + t.microsecond

    def from_sql_type(self, t: int | None) -> dt.time | None:
        """Give the time of microseconds since midnight."""
        return None if t is None else (_EPOCH + dt.timedelta(microseconds=t)).time()


class TimestampType(_PrecisionType):
    """Dates with times, without a zone."""

    _NAME = "TIMESTAMP"

    def __init__(self, precision: int = 6, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the precision."""
        super().__init__(precision, nullable)

    def need_conversion(self) -> bool:
        """Tell that times are kept as numbers."""
        return True

    def to_sql_type(self, dt: dt.datetime | None) -> int | None:
        """Give the microseconds since 1970."""
        return None if dt is None else _micros(dt)

    def from_sql_type(self, ts: int | None) -> dt.datetime | None:
        """Give the date and time of microseconds since 1970."""
        return None if ts is None else _EPOCH + dt.timedelta(microseconds=ts)


class LocalZonedTimestampType(_PrecisionType):
    """Points of time, shown in the session's time zone."""

    _NAME = "TIMESTAMP_LTZ"
    EPOCH_ORDINAL: ClassVar[int] = 0

    def __init__(self, precision: int = 6, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the precision."""
        super().__init__(precision, nullable)

    def _text(self) -> str:
        return f"TIMESTAMP({self.precision}) WITH LOCAL TIME ZONE"

    def _summary(self) -> str:
        return f"TIMESTAMP_LTZ({self.precision})"

    def need_conversion(self) -> bool:
        """Tell that times are kept as numbers."""
        return True

    def to_sql_type(self, dt: dt.datetime | None) -> int | None:
        """Give the microseconds since 1970; a time without a zone is UTC."""
        return None if dt is None else _micros(dt)

    def from_sql_type(self, ts: int | None) -> dt.datetime | None:
        """Give the date and time in UTC of microseconds since 1970."""
        return None if ts is None else _EPOCH + dt.timedelta(microseconds=ts)


class YearMonthIntervalType(DataType):
    """Spans of months."""

    class YearMonthResolution(Enum):
        """The units of the interval."""

        YEAR = 1
        MONTH = 2
        YEAR_TO_MONTH = 3

    DEFAULT_PRECISION: ClassVar[int] = 2

    def __init__(
        self,
        resolution: YearMonthResolution = YearMonthResolution.YEAR_TO_MONTH,
        precision: int = DEFAULT_PRECISION,
        nullable: bool = True,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        """Keep the units."""
        super().__init__(nullable)
        require_range("precision of YEAR", precision, 1, 4)
        self._resolution = resolution
        self._precision = precision

    @property
    def resolution(self) -> YearMonthResolution:
        """The units."""
        return self._resolution

    @property
    def precision(self) -> int:
        """Digits of the years."""
        return self._precision

    def _text(self) -> str:
        units = self._resolution.name.replace("_TO_MONTH", f"({self._precision}) TO MONTH")
        if self._resolution is YearMonthIntervalType.YearMonthResolution.YEAR:
            units = f"YEAR({self._precision})"
        return f"INTERVAL {units}"


class DayTimeIntervalType(DataType):
    """Spans of milliseconds."""

    class DayTimeResolution(Enum):
        """The units of the interval."""

        DAY = 1
        DAY_TO_HOUR = 2
        DAY_TO_MINUTE = 3
        DAY_TO_SECOND = 4
        HOUR = 5
        HOUR_TO_MINUTE = 6
        HOUR_TO_SECOND = 7
        MINUTE = 8
        MINUTE_TO_SECOND = 9
        SECOND = 10

    DEFAULT_DAY_PRECISION: ClassVar[int] = 2
    DEFAULT_FRACTIONAL_PRECISION: ClassVar[int] = 6

    def __init__(
        self,
        resolution: DayTimeResolution = DayTimeResolution.DAY_TO_SECOND,
        day_precision: int = DEFAULT_DAY_PRECISION,
        fractional_precision: int = DEFAULT_FRACTIONAL_PRECISION,
        nullable: bool = True,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        """Keep the units."""
        super().__init__(nullable)
        require_range("precision of DAY", day_precision, 1, 6)
        require_range("precision of SECOND", fractional_precision, 0, 9)
        self._resolution = resolution
        self._day_precision = day_precision
        self._fractional_precision = fractional_precision

    @property
    def resolution(self) -> DayTimeResolution:
        """The units."""
        return self._resolution

    @property
    def day_precision(self) -> int:
        """Digits of the days."""
        return self._day_precision

    @property
    def fractional_precision(self) -> int:
        """Digits of a second's fraction."""
        return self._fractional_precision

    def _text(self) -> str:
        units = self._resolution.name.split("_TO_")
        texts = [
            f"{unit}({self._day_precision})"
            if unit == "DAY"
            else f"{unit}({self._fractional_precision})"
            if unit == "SECOND"
            else unit
            for unit in units
        ]
        return f"INTERVAL {' TO '.join(texts)}"

    def need_conversion(self) -> bool:
        """Tell that spans are kept as numbers."""
        return True

    def to_sql_type(self, timedelta: dt.timedelta | None) -> int | None:
        """Give the microseconds."""
        return None if timedelta is None else timedelta // dt.timedelta(microseconds=1)

    def from_sql_type(self, ts: int | None) -> dt.timedelta | None:
        """Give the span of microseconds."""
        return None if ts is None else dt.timedelta(microseconds=ts)


def require_range(what: str, value: int, least: int, most: int) -> None:
    """Check a number that a type is made with.

    Raises
    ------
    InvalidTypeException
        If it lies outside of the two bounds, which are both allowed.
    """
    if not least <= value <= most:
        msg = f"the {what} must be between {least} and {most} (both inclusive), not {value}"
        raise InvalidTypeException(msg)


def require_type(what: str, value: Any) -> None:
    """Check a part of a type.

    Raises
    ------
    InvalidTypeException
        If it is no type.
    """
    if not isinstance(value, DataType):
        msg = f"the {what} must be a DataType such as DataTypes.INT(), not {value!r}"
        raise InvalidTypeException(msg)


def _micros(value: dt.datetime) -> int:
    if value.tzinfo is not None:
        value = value.astimezone(dt.timezone.utc).replace(tzinfo=None)
    return (value - _EPOCH) // dt.timedelta(microseconds=1)
