"""Types with a special use: accumulators, zones, and types made by users; see `logical_types`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.composite_types import ArrayType, MapType
from tidemill.table.data_view import ListView, MapView
from tidemill.table.logical_types import DataType, _PrecisionType
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["ListViewType", "MapViewType", "RawType", "UserDefinedType", "ZonedTimestampType"]


class ListViewType(ArrayType):
    """A `ListView` inside of an accumulator; kept as a list."""

    def __init__(self, element_type: DataType) -> None:
        """Keep the type of the elements."""
        super().__init__(element_type)

    def __repr__(self) -> str:
        """Show the type of the elements."""
        return f"ListViewType({self.element_type!r})"

    def need_conversion(self) -> bool:
        """Tell that views are kept as lists."""
        return True

    def to_sql_type(self, obj: Any) -> Any:
        """Give the list of a view."""
        return list(obj)

    def from_sql_type(self, obj: Any) -> Any:
        """Give a view of a list."""
        view: ListView[Any] = ListView()
        view.add_all(obj)
        return view


class MapViewType(MapType):
    """A `MapView` inside of an accumulator; kept as a map."""

    def __init__(self, key_type: DataType, value_type: DataType) -> None:
        """Keep the types of keys and values."""
        super().__init__(key_type, value_type)

    def __repr__(self) -> str:
        """Show the types of keys and values."""
        return f"MapViewType({self.key_type!r}, {self.value_type!r})"

    def need_conversion(self) -> bool:
        """Tell that views are kept as maps."""
        return True

    def to_sql_type(self, obj: Any) -> Any:
        """Give the map of a view."""
        return dict(obj.items())

    def from_sql_type(self, obj: Any) -> Any:
        """Give a view of a map."""
        view: MapView[Any, Any] = MapView()
        view.put_all(obj)
        return view


class ZonedTimestampType(_PrecisionType):
    """Dates with times and a zone; SQL has the name and no values of it."""

    _NAME = "TIMESTAMP"

    def __init__(self, precision: int = 6, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the precision."""
        super().__init__(precision, nullable)

    def _text(self) -> str:
        return f"TIMESTAMP({self.precision}) WITH TIME ZONE"

    def to_sql_type(self, dt: dt.datetime | None) -> Any:
        """Refuse: there are no values of this type."""
        del dt
        refuse("TIMESTAMP WITH TIME ZONE (use TIMESTAMP_LTZ)")

    def from_sql_type(self, zoned_ts: Any) -> Any:
        """Refuse: there are no values of this type."""
        del zoned_ts
        refuse("TIMESTAMP WITH TIME ZONE (use TIMESTAMP_LTZ)")


class RawType(DataType):
    """Any object, kept as it is."""

    def __init__(self) -> None:
        """Make the type."""
        super().__init__(nullable=True)

    def _text(self) -> str:
        return "RAW"

    def from_sql_type(self, obj: Any) -> Any:
        """Give the object."""
        return obj


class UserDefinedType(DataType):
    """A type that users make of another one; values are converted on their way in and out."""

    @classmethod
    def sql_type(cls) -> DataType:
        """Give the type that values are kept as."""
        raise NotImplementedError

    @classmethod
    def module(cls) -> str:
        """Give the module that has the class."""
        return cls.__module__

    @classmethod
    def java_udt(cls) -> str:
        """Give the class of a JVM: none."""
        return ""

    def serialize(self, obj: Any) -> Any:
        """Give the form in which a value is kept."""
        raise NotImplementedError

    def deserialize(self, datum: Any) -> Any:
        """Give the value of its kept form."""
        raise NotImplementedError

    def need_conversion(self) -> bool:
        """Tell that values are converted."""
        return True

    def to_sql_type(self, obj: Any) -> Any:
        """Give the form in which a value is kept."""
        return None if obj is None else self.sql_type().to_sql_type(self.serialize(obj))

    def from_sql_type(self, obj: Any) -> Any:
        """Give the value of its kept form."""
        return None if obj is None else self.deserialize(self.sql_type().from_sql_type(obj))

    def _text(self) -> str:
        return self.sql_type().as_serializable_string().removesuffix(" NOT NULL")
