"""The factory of types that programs use: ``DataTypes.STRING()``, ``DataTypes.ROW([...])`` …."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from tidemill.table.composite_types import ArrayType, MapType, MultisetType, RowField, RowType
from tidemill.table.logical_types import (
    MAX_LENGTH,
    BigIntType,
    BinaryType,
    BooleanType,
    CharType,
    DataType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    FloatType,
    IntType,
    LocalZonedTimestampType,
    NullType,
    SmallIntType,
    TimestampType,
    TimeType,
    TinyIntType,
    VarBinaryType,
    VarCharType,
    YearMonthIntervalType,
)
from tidemill.table.special_types import ListViewType, MapViewType

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DataTypes", "Resolution"]


class Resolution:
    """A unit of an interval with its precision, made by ``DataTypes.DAY()`` and its like."""

    class IntervalUnit(Enum):
        """The units."""

        SECOND = 0
        MINUTE = 1
        HOUR = 2
        DAY = 3
        MONTH = 4
        YEAR = 5

    def __init__(self, unit: IntervalUnit | str, precision: int = -1) -> None:
        """Keep unit and precision; -1 means the default."""
        self._unit = unit if isinstance(unit, str) else unit.name
        self._precision = precision

    @property
    def unit(self) -> str:
        """The unit's name."""
        return self._unit

    @property
    def precision(self) -> int:
        """The precision, or -1 for the default."""
        return self._precision


class DataTypes:
    """Makes types, with the names of SQL.

    Every method takes ``nullable``, which is true if not given.

    Examples
    --------
    >>> DataTypes.DECIMAL(10, 2).not_null().as_serializable_string()
    'DECIMAL(10, 2) NOT NULL'
    """

    # ruff: noqa: N802, FBT001, FBT002 - the names and signatures are PyFlink's

    @staticmethod
    def NULL() -> DataType:
        """Make the type of a bare NULL."""
        return NullType()

    @staticmethod
    def CHAR(length: int, nullable: bool = True) -> CharType:
        """Make fixed-length text."""
        return CharType(length, nullable)

    @staticmethod
    def VARCHAR(length: int, nullable: bool = True) -> VarCharType:
        """Make text up to a length."""
        return VarCharType(length, nullable)

    @staticmethod
    def STRING(nullable: bool = True) -> VarCharType:
        """Make text of any length."""
        return VarCharType(MAX_LENGTH, nullable)

    @staticmethod
    def BOOLEAN(nullable: bool = True) -> BooleanType:
        """Make truth values."""
        return BooleanType(nullable)

    @staticmethod
    def BINARY(length: int, nullable: bool = True) -> BinaryType:
        """Make fixed-length bytes."""
        return BinaryType(length, nullable)

    @staticmethod
    def VARBINARY(length: int, nullable: bool = True) -> VarBinaryType:
        """Make bytes up to a length."""
        return VarBinaryType(length, nullable)

    @staticmethod
    def BYTES(nullable: bool = True) -> VarBinaryType:
        """Make bytes of any length."""
        return VarBinaryType(MAX_LENGTH, nullable)

    @staticmethod
    def DECIMAL(precision: int, scale: int, nullable: bool = True) -> DecimalType:
        """Make decimal fractions."""
        return DecimalType(precision, scale, nullable)

    @staticmethod
    def TINYINT(nullable: bool = True) -> TinyIntType:
        """Make 8-bit whole numbers."""
        return TinyIntType(nullable)

    @staticmethod
    def SMALLINT(nullable: bool = True) -> SmallIntType:
        """Make 16-bit whole numbers."""
        return SmallIntType(nullable)

    @staticmethod
    def INT(nullable: bool = True) -> IntType:
        """Make 32-bit whole numbers."""
        return IntType(nullable)

    @staticmethod
    def BIGINT(nullable: bool = True) -> BigIntType:
        """Make 64-bit whole numbers."""
        return BigIntType(nullable)

    @staticmethod
    def FLOAT(nullable: bool = True) -> FloatType:
        """Make 32-bit binary fractions."""
        return FloatType(nullable)

    @staticmethod
    def DOUBLE(nullable: bool = True) -> DoubleType:
        """Make 64-bit binary fractions."""
        return DoubleType(nullable)

    @staticmethod
    def DATE(nullable: bool = True) -> DateType:
        """Make days."""
        return DateType(nullable)

    @staticmethod
    def TIME(precision: int = 0, nullable: bool = True) -> TimeType:
        """Make times of day."""
        return TimeType(precision, nullable)

    @staticmethod
    def TIMESTAMP(precision: int = 6, nullable: bool = True) -> TimestampType:
        """Make dates with times, without a zone."""
        return TimestampType(precision, nullable)

    @staticmethod
    def TIMESTAMP_WITH_LOCAL_TIME_ZONE(
        precision: int = 6, nullable: bool = True
    ) -> LocalZonedTimestampType:
        """Make points of time."""
        return LocalZonedTimestampType(precision, nullable)

    @staticmethod
    def TIMESTAMP_LTZ(precision: int = 6, nullable: bool = True) -> LocalZonedTimestampType:
        """Make points of time."""
        return LocalZonedTimestampType(precision, nullable)

    @staticmethod
    def ARRAY(element_type: DataType, nullable: bool = True) -> ArrayType:
        """Make lists."""
        return ArrayType(element_type, nullable)

    @staticmethod
    def MULTISET(element_type: DataType, nullable: bool = True) -> MultisetType:
        """Make bags."""
        return MultisetType(element_type, nullable)

    @staticmethod
    def MAP(key_type: DataType, value_type: DataType, nullable: bool = True) -> MapType:
        """Make maps."""
        return MapType(key_type, value_type, nullable)

    @staticmethod
    def LIST_VIEW(element_type: DataType) -> ListViewType:
        """Make the type of a `ListView` in an accumulator."""
        return ListViewType(element_type)

    @staticmethod
    def MAP_VIEW(key_type: DataType, value_type: DataType) -> MapViewType:
        """Make the type of a `MapView` in an accumulator."""
        return MapViewType(key_type, value_type)

    @staticmethod
    def ROW(
        row_fields: Sequence[RowField | DataType] | None = None, nullable: bool = True
    ) -> RowType:
        """Make rows of fields; bare types get the names ``f0``, ``f1`` …."""
        fields = [
            RowField(f"f{index}", field) if isinstance(field, DataType) else field
            for index, field in enumerate(row_fields or ())
        ]
        return RowType(fields, nullable)

    @staticmethod
    def FIELD(name: str, data_type: DataType, description: str | None = None) -> RowField:
        """Make a field of a row."""
        return RowField(name, data_type, description)

    @staticmethod
    def SECOND(precision: int = DayTimeIntervalType.DEFAULT_FRACTIONAL_PRECISION) -> Resolution:
        """Make the unit of seconds."""
        return Resolution("SECOND", precision)

    @staticmethod
    def MINUTE() -> Resolution:
        """Make the unit of minutes."""
        return Resolution("MINUTE")

    @staticmethod
    def HOUR() -> Resolution:
        """Make the unit of hours."""
        return Resolution("HOUR")

    @staticmethod
    def DAY(precision: int = DayTimeIntervalType.DEFAULT_DAY_PRECISION) -> Resolution:
        """Make the unit of days."""
        return Resolution("DAY", precision)

    @staticmethod
    def MONTH() -> Resolution:
        """Make the unit of months."""
        return Resolution("MONTH")

    @staticmethod
    def YEAR(precision: int = YearMonthIntervalType.DEFAULT_PRECISION) -> Resolution:
        """Make the unit of years."""
        return Resolution("YEAR", precision)

    @staticmethod
    def INTERVAL(
        upper_resolution: Resolution, lower_resolution: Resolution | None = None
    ) -> YearMonthIntervalType | DayTimeIntervalType:
        """Make spans of time.

        Raises
        ------
        ValueError
            If the two units do not go together.
        """
        name = upper_resolution.unit
        if lower_resolution is not None and lower_resolution.unit != name:
            name += f"_TO_{lower_resolution.unit}"
        months = YearMonthIntervalType.YearMonthResolution
        if name in months.__members__:
            years = upper_resolution.precision
            return YearMonthIntervalType(
                months[name], years if years > 0 else YearMonthIntervalType.DEFAULT_PRECISION
            )
        times = DayTimeIntervalType.DayTimeResolution
        if name not in times.__members__:
            msg = f"an interval cannot be {name.replace('_', ' ')}"
            raise ValueError(msg)
        units = {part.unit: part.precision for part in (upper_resolution, lower_resolution) if part}
        return DayTimeIntervalType(
            times[name],
            units.get("DAY", DayTimeIntervalType.DEFAULT_DAY_PRECISION),
            units.get("SECOND", DayTimeIntervalType.DEFAULT_FRACTIONAL_PRECISION),
        )
