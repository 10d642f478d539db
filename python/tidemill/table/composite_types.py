"""Types with parts: arrays, multisets, maps and rows; see `logical_types`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tidemill.table.logical_types import DataType, require_type
from tidemill.util.exceptions import InvalidTypeException

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ArrayType", "MapType", "MultisetType", "RowField", "RowType", "StructuredType"]


class ArrayType(DataType):
    """Lists of one type."""

    _NAME: ClassVar[str] = "ARRAY"

    def __init__(self, element_type: DataType, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the type of the elements."""
        super().__init__(nullable)
        require_type(f"type of the elements of {self._NAME}", element_type)
        self.element_type = element_type

    def need_conversion(self) -> bool:
        """Tell whether elements have an internal form of their own."""
        return self.element_type.need_conversion()

    def to_sql_type(self, obj: Any) -> Any:
        """Give the internal forms of the elements."""
        return None if obj is None else [self.element_type.to_sql_type(item) for item in obj]

    def from_sql_type(self, obj: Any) -> Any:
        """Give the elements of internal forms."""
        return None if obj is None else [self.element_type.from_sql_type(item) for item in obj]

    def _text(self) -> str:
        return f"{self._NAME}<{self.element_type.as_serializable_string()}>"

    def _summary(self) -> str:
        return f"{self._NAME}<{self.element_type.as_summary_string()}>"

    def _repr_arguments(self) -> list[str]:
        return [repr(self.element_type)]


class MultisetType(ArrayType):
    """Bags of one type: each value with how often it is in."""

    _NAME = "MULTISET"


class MapType(DataType):
    """Values by key."""

    def __init__(self, key_type: DataType, value_type: DataType, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the types of keys and values."""
        super().__init__(nullable)
        require_type("type of the keys of MAP", key_type)
        require_type("type of the values of MAP", value_type)
        self.key_type = key_type
        self.value_type = value_type

    def need_conversion(self) -> bool:
        """Tell whether keys or values have an internal form of their own."""
        return self.key_type.need_conversion() or self.value_type.need_conversion()

    def to_sql_type(self, obj: Any) -> Any:
        """Give the internal forms of keys and values."""
        key, value = self.key_type, self.value_type
        return None if obj is None else {key.to_sql_type(k): value.to_sql_type(obj[k]) for k in obj}

    def from_sql_type(self, obj: Any) -> Any:
        """Give the keys and values of internal forms."""
        key, value = self.key_type, self.value_type
        if obj is None:
            return None
        return {key.from_sql_type(k): value.from_sql_type(obj[k]) for k in obj}

    def _text(self) -> str:
        key, value = self.key_type, self.value_type
        return f"MAP<{key.as_serializable_string()}, {value.as_serializable_string()}>"

    def _summary(self) -> str:
        return f"MAP<{self.key_type.as_summary_string()}, {self.value_type.as_summary_string()}>"

    def _repr_arguments(self) -> list[str]:
        return [repr(self.key_type), repr(self.value_type)]


class RowField:
    """A named part of a row.

    Parameters
    ----------
    name
        The name.
    data_type
        The type.
    description
        A comment.
    """

    def __init__(self, name: str, data_type: DataType, description: str | None = None) -> None:
        """Keep name, type and comment."""
        if not isinstance(name, str):
            msg = f"the name of a field must be text, not {name!r}"
            raise InvalidTypeException(msg)
        require_type(f"type of the field '{name}'", data_type)
        self.name = name
        self.data_type = data_type
        self.description = description

    def __eq__(self, other: object) -> bool:
        """Compare name and type."""
        return isinstance(other, RowField) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash name and type."""
        return hash((self.name, self.data_type))

    def __repr__(self) -> str:
        """Show name, type and comment."""
        return f"RowField({self.name}, {self.data_type!r}, {self.description or '...'})"

    def __str__(self) -> str:
        """Show the name of the field and of its type."""
        return f"RowField({self.name}, {self.data_type})"

    def need_conversion(self) -> bool:
        """Tell whether values have an internal form of their own."""
        return self.data_type.need_conversion()

    def to_sql_type(self, obj: Any) -> Any:
        """Give the internal form of a value."""
        return self.data_type.to_sql_type(obj)

    def from_sql_type(self, obj: Any) -> Any:
        """Give the value of an internal form."""
        return self.data_type.from_sql_type(obj)

    def _text(self, type_text: str) -> str:
        name = self.name.replace("`", "``")
        comment = ""
        if self.description:
            comment = " '" + self.description.replace("'", "''") + "'"
        return f"`{name}` {type_text}{comment}"


class RowType(DataType):
    """Rows inside a column, or the type of a whole table.

    Parameters
    ----------
    fields
        The parts, in order.
    """

    def __init__(self, fields: Sequence[RowField] | None = None, nullable: bool = True) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Keep the fields."""
        super().__init__(nullable)
        self.fields = list(fields or ())
        for field in self.fields:
            if not isinstance(field, RowField):
                msg = f"a row is made of fields, DataTypes.FIELD(name, type), not of {field!r}"
                raise InvalidTypeException(msg)

    @property
    def names(self) -> list[str]:
        """The names of the fields."""
        return [field.name for field in self.fields]

    def add(self, field: str | RowField, data_type: DataType | None = None) -> RowType:
        """Append a field, in place."""
        if isinstance(field, RowField):
            self.fields.append(field)
        elif data_type is None:
            msg = f"the field '{field}' needs a data type"
            raise ValueError(msg)
        else:
            self.fields.append(RowField(field, data_type))
        return self

    def field_names(self) -> list[str]:
        """Give the names of the fields."""
        return self.names

    def field_types(self) -> list[DataType]:
        """Give the types of the fields."""
        return [field.data_type for field in self.fields]

    def need_conversion(self) -> bool:
        """Tell that rows are kept as tuples."""
        return True

    def to_sql_type(self, obj: Any) -> Any:
        """Give the internal forms of a row's values, of a row, tuple, list or dictionary."""
        if obj is None:
            return None
        if isinstance(obj, dict):
            values = [obj.get(name) for name in self.names]
        elif isinstance(obj, tuple | list) or hasattr(obj, "_values"):
            values = list(obj)
        else:
            values = [getattr(obj, name, None) for name in self.names]
        return tuple(f.to_sql_type(v) for f, v in zip(self.fields, values, strict=True))

    def from_sql_type(self, obj: Any) -> Any:
        """Give the row of internal forms."""
        from tidemill.common.types import Row  # noqa: PLC0415 - only conversions need rows

        if obj is None or isinstance(obj, Row):
            return obj
        pairs = zip(self.fields, obj, strict=True)
        row = Row(*(field.from_sql_type(value) for field, value in pairs))
        row.set_field_names(self.names)
        return row

    def _text(self) -> str:
        fields = (field._text(field.data_type.as_serializable_string()) for field in self.fields)  # noqa: SLF001 - the same family
        return f"ROW<{', '.join(fields)}>"

    def _summary(self) -> str:
        fields = (field._text(field.data_type.as_summary_string()) for field in self.fields)  # noqa: SLF001 - the same family
        return f"ROW<{', '.join(fields)}>"

    def __repr__(self) -> str:
        """Show the fields, as PyFlink does."""
        return f"{type(self).__name__}({','.join(map(repr, self.fields))})"

    def __iter__(self) -> Iterator[RowField]:
        """Give the fields."""
        return iter(self.fields)

    def __len__(self) -> int:
        """Count the fields."""
        return len(self.fields)

    def __getitem__(self, key: str | int | slice) -> Any:
        """Give a field by name or position."""
        if isinstance(key, str):
            for field in self.fields:
                if field.name == key:
                    return field
            msg = f"No RowField named {key}"
            raise KeyError(msg)
        if isinstance(key, slice):
            return RowType(self.fields[key])
        if not isinstance(key, int):
            msg = f"fields are found by name, position or slice, not by {key!r}"
            raise TypeError(msg)
        if not -len(self.fields) <= key < len(self.fields):
            msg = f"there is no field {key} among {len(self.fields)}"
            raise IndexError(msg)
        return self.fields[key]


class StructuredType(RowType):
    """Objects of a class, as OBJECT_OF makes them.

    Parameters
    ----------
    class_name
        The name of the class.
    fields
        Its attributes, in order.
    """

    def __init__(
        self,
        class_name: str,
        fields: Sequence[RowField] | None = None,
        nullable: bool = True,  # noqa: FBT001, FBT002 - as in the other types
    ) -> None:
        """Keep the name and the attributes."""
        super().__init__(fields, nullable)
        self.class_name = class_name

    def _text(self) -> str:
        return self._structured(super()._text())

    def _summary(self) -> str:
        return self._structured(super()._summary())

    def _structured(self, row_text: str) -> str:
        name = self.class_name.replace("'", "''")
        return f"STRUCTURED<'{name}', {row_text.removeprefix('ROW<')}"

    def __str__(self) -> str:
        """Give Flink's SQL text."""
        return self.as_serializable_string()
