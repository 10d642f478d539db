"""Rows and row kinds, with the semantics of ``pyflink.common.types``.

A `Row` is a tuple of values that may have field names and always has a `RowKind`. Three ways to
make one:

* ``Row(1, "x")``: values by position;
* ``Row(id=1, name="x")``: values by name, in the order given;
* ``Person = Row("id", "name"); Person(1, "x")``: a row of names called with values.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Row", "RowKind"]


class RowKind(Enum):
    """What a row of a changelog says about the table that it changes."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3

    def __str__(self) -> str:
        """Give Flink's two letters: ``+I``, ``-U``, ``+U``, ``-D``."""
        return ("+I", "-U", "+U", "-D")[self.value]

    def to_j_row_kind(self) -> NoReturn:
        """Refuse: there is no JVM."""
        from tidemill.util.exceptions import refuse  # noqa: PLC0415 - only to refuse

        refuse("a Java object (there is no JVM)")


class Row:
    """One row of a table.

    Parameters
    ----------
    *args
        The values by position. Cannot be mixed with named values.
    **kwargs
        The values by name.

    Raises
    ------
    ValueError
        If both kinds of arguments are given.

    Examples
    --------
    >>> row = Row(id=1, name="x")
    >>> row.name, row[0], row["id"]
    ('x', 1, 1)
    """

    __slots__ = ("_fields", "_row_kind", "_values")

    _fields: list[str] | None
    _row_kind: RowKind
    _values: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the values either by position or by name."""
        if args and kwargs:
            msg = "Can not use both args and kwargs to create Row"
            raise ValueError(msg)
        _set_kind(self, RowKind.INSERT)
        _set_fields(self, list(kwargs) if kwargs else None)
        _set_values(self, list(kwargs.values() if kwargs else args))

    @staticmethod
    def of_kind(row_kind: RowKind, *args: Any, **kwargs: Any) -> Row:
        """Make a row with a kind."""
        row = Row(*args, **kwargs)
        row._row_kind = row_kind
        return row

    def as_dict(self, recursive: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Give the values by name.

        Parameters
        ----------
        recursive
            Whether rows inside the row become dictionaries too.

        Raises
        ------
        TypeError
            If the row has no field names.
        """
        if self._fields is None:
            msg = "Cannot convert a Row without field names into a dict"
            raise TypeError(msg)
        if not recursive:
            return dict(zip(self._fields, self._values, strict=True))
        return {
            name: _to_plain(value) for name, value in zip(self._fields, self._values, strict=True)
        }

    def get_row_kind(self) -> RowKind:
        """Give the kind."""
        return self._row_kind

    def set_row_kind(self, row_kind: RowKind) -> None:
        """Replace the kind."""
        self._row_kind = row_kind

    def set_field_names(self, field_names: list[str]) -> None:
        """Name the fields.

        Raises
        ------
        ValueError
            If there are not as many names as values.
        """
        if len(field_names) != len(self._values):
            msg = f"{len(field_names)} field names for a row of {len(self._values)} values"
            raise ValueError(msg)
        self._fields = list(field_names)

    def get_fields_by_names(self, names: list[str]) -> list[Any]:
        """Give the values of the named fields; without field names, all values in order."""
        if self._fields is None:
            return list(self._values)
        if list(names) == self._fields:
            return list(self._values)
        return [self._values[self._index_of(name)] for name in names]

    def _index_of(self, name: str) -> int:
        if self._fields is None or name not in self._fields:
            known = ", ".join(self._fields or ())
            msg = f"the row has no field '{name}', its fields are [{known}]"
            raise AttributeError(msg)
        return self._fields.index(name)

    def __call__(self, *args: Any) -> Row:
        """Make a row whose names are the values of this one."""
        if len(args) > len(self._values):
            n_fields = len(self._values)
            msg = (
                f"Can not create Row with fields {self._values}: {len(args)} values for {n_fields}"
            )
            raise ValueError(msg)
        row = Row(*args)
        row._fields = [str(name) for name in self._values[: len(args)]]
        return row

    def __getattr__(self, name: str) -> Any:
        """Give the value of a field."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self._values[self._index_of(name)]

    def __setattr__(self, name: str, value: Any) -> None:
        """Replace the value of a field."""
        if name in Row.__slots__:
            object.__setattr__(self, name, value)
        else:
            self._values[self._index_of(name)] = value

    def __contains__(self, item: object) -> bool:
        """Tell whether a value stands in the row."""
        return item in self._values

    def __getitem__(self, item: int | str | slice) -> Any:
        """Give a value by position or by name."""
        if isinstance(item, str):
            return self._values[self._index_of(item)]
        return self._values[item]

    def __setitem__(self, key: int | str, value: Any) -> None:
        """Replace a value by position or by name."""
        index = self._index_of(key) if isinstance(key, str) else key
        self._values[index] = value

    def __iter__(self) -> Iterator[Any]:
        """Give the values in order."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the values."""
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        """Compare kind, names and values; rows compare with rows only."""
        if not isinstance(other, Row):
            return NotImplemented
        if self._row_kind != other._row_kind or self._values != other._values:
            return False
        return self._fields is None or other._fields is None or self._fields == other._fields

    def __hash__(self) -> int:
        """Hash the values, which must be hashable."""
        return hash(tuple(self._values))

    def __repr__(self) -> str:
        """Show the row as the expression that makes it, without its kind."""
        if self._fields is None:
            return f"<Row({', '.join(map(repr, self._values))})>"
        pairs = zip(self._fields, self._values, strict=True)
        return f"Row({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def __str__(self) -> str:
        """Show the row as `repr` does."""
        return repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as kind, values and names."""
        return (_restore, (self._row_kind, self._values, self._fields))


# The slots by themselves: setting an attribute goes through `Row.__setattr__`, which is slow.
_set_kind: Callable[[Row, RowKind], None] = Row.__dict__["_row_kind"].__set__
_set_fields: Callable[[Row, list[str] | None], None] = Row.__dict__["_fields"].__set__
_set_values: Callable[[Row, list[Any]], None] = Row.__dict__["_values"].__set__


def new_row(values: list[Any], fields: list[str], row_kind: RowKind = RowKind.INSERT) -> Row:
    """Make a row of lists that nobody else changes; the engine's way to make rows."""
    row: Row = object.__new__(Row)
    _set_kind(row, row_kind)
    _set_fields(row, fields)
    _set_values(row, values)
    return row


def _restore(row_kind: RowKind, values: list[Any], fields: list[str] | None) -> Row:
    row = Row.of_kind(row_kind, *values)
    row._fields = fields
    return row


def _to_plain(value: Any) -> Any:
    if isinstance(value, Row):
        return value.as_dict(recursive=True)
    if isinstance(value, list):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    return value
