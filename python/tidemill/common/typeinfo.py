"""Types of the elements of streams, made by `Types`; each knows its type in SQL."""

from __future__ import annotations

import abc
import calendar
import datetime as dt
import time
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from tidemill.common.time import Instant
from tidemill.common.types import Row, RowKind
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TypeInformation", "Types"]


class TypeInformation(abc.ABC):
    """The type of a stream's elements."""

    def need_conversion(self) -> bool:
        """Tell whether values have an internal form of their own."""
        return False

    def to_internal_type(self, obj: Any) -> Any:
        """Give the internal form of a value."""
        return obj

    def from_internal_type(self, obj: Any) -> Any:
        """Give the value of an internal form."""
        return obj

    def get_java_type_info(self) -> NoReturn:
        """Refuse: there is no JVM."""
        refuse("a Java object (there is no JVM)")

    @abc.abstractmethod
    def sql_type(self) -> str:
        """Give the type in SQL."""

    def __eq__(self, other: object) -> bool:
        """Compare kind and parts."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(repr(self))


class BasicType(Enum):
    """The basic types by their names in Java."""

    STRING = "String"
    BYTE = "Byte"
    BOOLEAN = "Boolean"
    SHORT = "Short"
    INT = "Integer"
    LONG = "Long"
    FLOAT = "Float"
    DOUBLE = "Double"
    CHAR = "Char"
    BIG_INT = "BigInteger"
    BIG_DEC = "BigDecimal"
    INSTANT = "Instant"


_SQL_TYPES = {
    BasicType.STRING: "STRING",
    BasicType.BYTE: "TINYINT",
    BasicType.BOOLEAN: "BOOLEAN",
    BasicType.SHORT: "SMALLINT",
    BasicType.INT: "INT",
    BasicType.LONG: "BIGINT",
    BasicType.FLOAT: "FLOAT",
    BasicType.DOUBLE: "DOUBLE",
    BasicType.CHAR: "CHAR(1)",
    BasicType.BIG_INT: "DECIMAL(38, 0)",
    BasicType.BIG_DEC: "DECIMAL(38, 18)",
    BasicType.INSTANT: "TIMESTAMP_LTZ(9)",
}


class BasicTypeInfo(TypeInformation):
    """Numbers, texts and truth values."""

    def __init__(self, basic_type: BasicType) -> None:
        self._basic_type = basic_type

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return _SQL_TYPES[self._basic_type]

    def __repr__(self) -> str:
        """Show the name in Java."""
        return self._basic_type.value

    # ruff: noqa: N802 - the names are PyFlink's

    @staticmethod
    def STRING_TYPE_INFO() -> BasicTypeInfo:
        """Make texts."""
        return BasicTypeInfo(BasicType.STRING)

    @staticmethod
    def BOOLEAN_TYPE_INFO() -> BasicTypeInfo:
        """Make truth values."""
        return BasicTypeInfo(BasicType.BOOLEAN)

    @staticmethod
    def BYTE_TYPE_INFO() -> BasicTypeInfo:
        """Make 8-bit whole numbers."""
        return BasicTypeInfo(BasicType.BYTE)

    @staticmethod
    def SHORT_TYPE_INFO() -> BasicTypeInfo:
        """Make 16-bit whole numbers."""
        return BasicTypeInfo(BasicType.SHORT)

    @staticmethod
    def INT_TYPE_INFO() -> BasicTypeInfo:
        """Make 32-bit whole numbers."""
        return BasicTypeInfo(BasicType.INT)

    @staticmethod
    def LONG_TYPE_INFO() -> BasicTypeInfo:
        """Make 64-bit whole numbers."""
        return BasicTypeInfo(BasicType.LONG)

    @staticmethod
    def FLOAT_TYPE_INFO() -> BasicTypeInfo:
        """Make 32-bit binary fractions."""
        return BasicTypeInfo(BasicType.FLOAT)

    @staticmethod
    def DOUBLE_TYPE_INFO() -> BasicTypeInfo:
        """Make 64-bit binary fractions."""
        return BasicTypeInfo(BasicType.DOUBLE)

    @staticmethod
    def CHAR_TYPE_INFO() -> BasicTypeInfo:
        """Make single letters."""
        return BasicTypeInfo(BasicType.CHAR)

    @staticmethod
    def BIG_INT_TYPE_INFO() -> BasicTypeInfo:
        """Make whole numbers of any size."""
        return BasicTypeInfo(BasicType.BIG_INT)

    @staticmethod
    def BIG_DEC_TYPE_INFO() -> BasicTypeInfo:
        """Make decimal fractions."""
        return BasicTypeInfo(BasicType.BIG_DEC)

    @staticmethod
    def INSTANT_TYPE_INFO() -> BasicTypeInfo:
        """Make points of time."""
        return InstantTypeInfo(BasicType.INSTANT)


class InstantTypeInfo(BasicTypeInfo):
    """Points of time."""

    def need_conversion(self) -> bool:
        """Tell that values are kept as microseconds."""
        return True

    def to_internal_type(self, obj: Instant) -> int:
        """Give the microseconds since 1970."""
        return obj.seconds * 1_000_000 + obj.nanos // 1000

    def from_internal_type(self, obj: int) -> Instant:
        """Give the point of time of microseconds since 1970."""
        return Instant(obj // 1_000_000, obj % 1_000_000 * 1000)


class SqlTimeTypeInfo(TypeInformation):
    """Makes the types of dates and times."""

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return "TIMESTAMP(6)"

    @staticmethod
    def DATE() -> DateTypeInfo:
        """Make days."""
        return DateTypeInfo()

    @staticmethod
    def TIME() -> TimeTypeInfo:
        """Make times of day."""
        return TimeTypeInfo()

    @staticmethod
    def TIMESTAMP() -> TimestampTypeInfo:
        """Make dates with times."""
        return TimestampTypeInfo()


class DateTypeInfo(TypeInformation):
    """Days."""

    EPOCH_ORDINAL: ClassVar[int] = dt.date(1970, 1, 1).toordinal()

    def need_conversion(self) -> bool:
        """Tell that values are kept as a number of days."""
        return True

    def to_internal_type(self, d: dt.date | None) -> int | None:
        """Give the days since 1970."""
        return None if d is None else d.toordinal() - self.EPOCH_ORDINAL

    def from_internal_type(self, v: int | None) -> dt.date | None:
        """Give the day of a number of days since 1970."""
        return None if v is None else dt.date.fromordinal(v + self.EPOCH_ORDINAL)

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return "DATE"

    def __repr__(self) -> str:
        """Show the name."""
        return "DateTypeInfo"


class TimeTypeInfo(TypeInformation):
    """Times of day."""

    EPOCH_ORDINAL: ClassVar[int] = calendar.timegm(time.localtime(0)) * 10**6

    def need_conversion(self) -> bool:
        """Tell that values are kept as a number of microseconds."""
        return True

    def to_internal_type(self, t: dt.time | None) -> int | None:
        """Give the microseconds since midnight."""
        if t is None:
            return None
        return ((t.hour * 60 + t.minute) * 60 + t.second) * 1_000_000 + t.microsecond

    def from_internal_type(self, t: int | None) -> dt.time | None:
        """Give the time of microseconds since midnight."""
        if t is None:
            return None
        seconds, micros = divmod(t, 1_000_000)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return dt.time(hours, minutes, seconds, micros)

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return "TIME(3)"

    def __repr__(self) -> str:
        """Show the name."""
        return "TimeTypeInfo"


class TimestampTypeInfo(TypeInformation):
    """Dates with times."""

    def need_conversion(self) -> bool:
        """Tell that values are kept as a number of microseconds."""
        return True

    def to_internal_type(self, dt: dt.datetime | None) -> int | None:
        """Give the microseconds since 1970."""
        if dt is None:
            return None
        seconds = calendar.timegm(dt.utctimetuple())
        return seconds * 1_000_000 + dt.microsecond

    def from_internal_type(self, ts: int | None) -> dt.datetime | None:
        """Give the date and time of microseconds since 1970."""
        if ts is None:
            return None
        return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=ts)  # noqa: DTZ001 - without a zone

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return "TIMESTAMP(6)"

    def __repr__(self) -> str:
        """Show the name."""
        return "TimestampTypeInfo"


class PickledBytesTypeInfo(TypeInformation):
    """Any Python object."""

    def sql_type(self) -> str:
        """Refuse: any object has no type in SQL."""
        refuse("a table of pickled Python objects (declare a type_info)")

    def __repr__(self) -> str:
        """Show the name."""
        return "PickledByteArrayTypeInfo"


class _ArrayTypeInfo(TypeInformation):
    """Lists of one type."""

    def __init__(self, element_type: TypeInformation) -> None:
        self._element_type = element_type

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return f"ARRAY<{self._element_type.sql_type()}>"

    def __repr__(self) -> str:
        """Show name and element type."""
        return f"{type(self).__name__}<{self._element_type}>"


class PrimitiveArrayTypeInfo(_ArrayTypeInfo):
    """Lists of numbers without NULL; of bytes they are bytes."""

    def __init__(self, element_type: TypeInformation) -> None:
        super().__init__(element_type)

    def sql_type(self) -> str:
        """Give the type in SQL."""
        if self._element_type == Types.BYTE():
            return "BYTES"
        return f"ARRAY<{self._element_type.sql_type()} NOT NULL>"


class BasicArrayTypeInfo(_ArrayTypeInfo):
    """Lists of numbers or texts."""

    def __init__(self, element_type: TypeInformation) -> None:
        super().__init__(element_type)


class ObjectArrayTypeInfo(_ArrayTypeInfo):
    """Lists of any type."""

    def __init__(self, element_type: TypeInformation) -> None:
        super().__init__(element_type)


class ListTypeInfo(_ArrayTypeInfo):
    """Lists of any type."""

    def __init__(self, element_type: TypeInformation) -> None:
        super().__init__(element_type)


class MapTypeInfo(TypeInformation):
    """Values by key."""

    def __init__(self, key_type_info: TypeInformation, value_type_info: TypeInformation) -> None:
        self._key_type_info = key_type_info
        self._value_type_info = value_type_info

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return f"MAP<{self._key_type_info.sql_type()}, {self._value_type_info.sql_type()}>"

    def __repr__(self) -> str:
        """Show both types."""
        return f"MapTypeInfo<{self._key_type_info}, {self._value_type_info}>"


class RowTypeInfo(TypeInformation):
    """Rows."""

    def __init__(
        self, field_types: Sequence[TypeInformation], field_names: Sequence[str] | None = None
    ) -> None:
        self._field_types = list(field_types)
        self._field_names = None if field_names is None else list(field_names)

    def get_field_names(self) -> list[str]:
        """Give the names of the fields: ``f0``, ``f1`` … where none are given."""
        if self._field_names is None:
            return [f"f{index}" for index in range(len(self._field_types))]
        return list(self._field_names)

    def get_field_index(self, field_name: str) -> int:
        """Give the position of a field, or -1 if names are not given."""
        return -1 if self._field_names is None else self._field_names.index(field_name)

    def get_field_types(self) -> list[TypeInformation]:
        """Give the types of the fields."""
        return list(self._field_types)

    def need_conversion(self) -> bool:
        """Tell that rows are kept as tuples behind their kind."""
        return True

    def to_internal_type(self, obj: Any) -> tuple[Any, ...] | None:
        """Give the kind and the values of a row."""
        if obj is None:
            return None
        kind = obj.get_row_kind() if isinstance(obj, Row) else RowKind.INSERT
        if isinstance(obj, dict):
            values: list[Any] = [obj.get(name) for name in self.get_field_names()]
        elif isinstance(obj, Row | tuple | list):
            values = list(obj)
        else:
            values = [getattr(obj, name, None) for name in self.get_field_names()]
        pairs = zip(self._field_types, values, strict=True)
        return (kind.value, *(part.to_internal_type(value) for part, value in pairs))

    def from_internal_type(self, obj: Any) -> Row | None:
        """Give the row of a kind and values."""
        if obj is None:
            return None
        if isinstance(obj, Row):
            return obj
        kind, *values = obj
        pairs = zip(self._field_types, values, strict=True)
        row = Row.of_kind(RowKind(kind), *(part.from_internal_type(v) for part, v in pairs))
        row.set_field_names(self.get_field_names())
        return row

    def sql_type(self) -> str:
        """Give the type in SQL."""
        names = (name.replace("`", "``") for name in self.get_field_names())
        pairs = zip(names, self._field_types, strict=True)
        return f"ROW<{', '.join(f'`{name}` {part.sql_type()}' for name, part in pairs)}>"

    def __repr__(self) -> str:
        """Show names and types."""
        if self._field_names is None:
            return f"RowTypeInfo({', '.join(map(str, self._field_types))})"
        pairs = zip(self._field_names, self._field_types, strict=True)
        return f"RowTypeInfo({', '.join(f'{name}: {part}' for name, part in pairs)})"


class TupleTypeInfo(TypeInformation):
    """Tuples."""

    def __init__(self, field_types: Sequence[TypeInformation]) -> None:
        self._field_types = list(field_types)

    def get_field_types(self) -> list[TypeInformation]:
        """Give the types of the fields."""
        return list(self._field_types)

    def need_conversion(self) -> bool:
        """Tell that fields are converted one by one."""
        return True

    def to_internal_type(self, obj: Any) -> tuple[Any, ...] | None:
        """Give the internal forms of the values."""
        if obj is None:
            return None
        pairs = zip(self._field_types, obj, strict=True)
        return tuple(part.to_internal_type(value) for part, value in pairs)

    def from_internal_type(self, obj: Any) -> tuple[Any, ...] | None:
        """Give the values of internal forms."""
        if obj is None or isinstance(obj, Row):
            return obj  # type: ignore[return-value]
        pairs = zip(self._field_types, obj, strict=True)
        return tuple(part.from_internal_type(value) for part, value in pairs)

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return RowTypeInfo(self._field_types).sql_type()

    def __repr__(self) -> str:
        """Show the types."""
        return f"TupleTypeInfo({', '.join(map(str, self._field_types))})"


class LocalTimeTypeInfo(TypeInformation):
    """Dates and times of Java's newer classes."""

    class TimeType(Enum):
        """Which of them."""

        LOCAL_DATE = 0
        LOCAL_TIME = 1
        LOCAL_DATE_TIME = 2

    def __init__(self, time_type: TimeType) -> None:
        self._time_type = time_type

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return ("DATE", "TIME(3)", "TIMESTAMP(9)")[self._time_type.value]

    def __repr__(self) -> str:
        """Show which of them."""
        return f"LocalTimeTypeInfo<{self._time_type.name}>"


class ExternalTypeInfo(TypeInformation):
    """A type whose values are those of SQL."""

    def __init__(self, type_info: TypeInformation) -> None:
        self._type_info = type_info

    def sql_type(self) -> str:
        """Give the type in SQL."""
        return self._type_info.sql_type()

    def __repr__(self) -> str:
        """Show the type."""
        return f"ExternalTypeInfo<{self._type_info}>"


class Types:
    """Makes types."""

    STRING = BasicTypeInfo.STRING_TYPE_INFO
    BYTE = BasicTypeInfo.BYTE_TYPE_INFO
    BOOLEAN = BasicTypeInfo.BOOLEAN_TYPE_INFO
    SHORT = BasicTypeInfo.SHORT_TYPE_INFO
    INT = BasicTypeInfo.INT_TYPE_INFO
    LONG = BasicTypeInfo.LONG_TYPE_INFO
    FLOAT = BasicTypeInfo.FLOAT_TYPE_INFO
    DOUBLE = BasicTypeInfo.DOUBLE_TYPE_INFO
    CHAR = BasicTypeInfo.CHAR_TYPE_INFO
    BIG_INT = BasicTypeInfo.BIG_INT_TYPE_INFO
    BIG_DEC = BasicTypeInfo.BIG_DEC_TYPE_INFO
    INSTANT = BasicTypeInfo.INSTANT_TYPE_INFO
    SQL_DATE = SqlTimeTypeInfo.DATE
    SQL_TIME = SqlTimeTypeInfo.TIME
    SQL_TIMESTAMP = SqlTimeTypeInfo.TIMESTAMP

    @staticmethod
    def PICKLED_BYTE_ARRAY() -> TypeInformation:
        """Make any Python objects."""
        return PickledBytesTypeInfo()

    @staticmethod
    def ROW(field_types: Sequence[TypeInformation]) -> RowTypeInfo:
        """Make rows of fields ``f0``, ``f1`` …."""
        return RowTypeInfo(field_types)

    @staticmethod
    def ROW_NAMED(
        field_names: Sequence[str], field_types: Sequence[TypeInformation]
    ) -> RowTypeInfo:
        """Make rows of named fields."""
        return RowTypeInfo(field_types, field_names)

    @staticmethod
    def TUPLE(field_types: Sequence[TypeInformation]) -> TupleTypeInfo:
        """Make tuples."""
        return TupleTypeInfo(field_types)

    @staticmethod
    def PRIMITIVE_ARRAY(element_type: TypeInformation) -> TypeInformation:
        """Make lists of numbers without NULL."""
        return PrimitiveArrayTypeInfo(element_type)

    @staticmethod
    def BASIC_ARRAY(element_type: TypeInformation) -> TypeInformation:
        """Make lists of numbers or texts."""
        return BasicArrayTypeInfo(element_type)

    @staticmethod
    def OBJECT_ARRAY(element_type: TypeInformation) -> TypeInformation:
        """Make lists of any type."""
        return ObjectArrayTypeInfo(element_type)

    @staticmethod
    def MAP(key_type_info: TypeInformation, value_type_info: TypeInformation) -> TypeInformation:
        """Make maps."""
        return MapTypeInfo(key_type_info, value_type_info)

    @staticmethod
    def LIST(element_type_info: TypeInformation) -> TypeInformation:
        """Make lists."""
        return ListTypeInfo(element_type_info)
