"""Checks the rows of `from_elements` against their declared types, as PyFlink does.

The native builder refuses values of another kind (text for INT) by itself; it also makes columns of
what functions return, where a whole number may come as a float. This module adds what is stricter
here, with PyFlink's classes of errors: ``ValueError`` for NULLs, ranges, lengths and the number of
values, ``TypeError`` for a ``bool`` or a ``float`` where a whole number is declared. An ``int`` for
DOUBLE or DECIMAL stays welcome, which PyFlink refuses.

A type that has nothing to check has no check, so that wide tables of such columns cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.types import Row
from tidemill.table.composite_types import ArrayType, MapType, MultisetType, RowType
from tidemill.table.logical_types import (
    MAX_LENGTH,
    BigIntType,
    BinaryType,
    BooleanType,
    CharType,
    DataType,
    IntType,
    SmallIntType,
    TinyIntType,
    VarBinaryType,
    VarCharType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["check_rows", "texts_of_values"]

_BITS: dict[type[DataType], int] = {TinyIntType: 8, SmallIntType: 16, IntType: 32, BigIntType: 64}
_MAX_VALUE_CHARS = 60


def check_rows(rows: Sequence[Sequence[Any]], row_type: RowType) -> None:
    """Check rows, given as values by position.

    Raises
    ------
    ValueError
        If a value is NULL, out of range or of a length that its type does not allow.
    TypeError
        If a ``bool`` or a ``float`` stands for a whole number, or a number for a ``bool``.
    """
    for column_idx, field in enumerate(row_type):
        check = _check_of(field.data_type)
        if check is None:
            continue
        row_idx = 0
        try:
            for row_idx, row in enumerate(rows):  # noqa: B007 - the error names it
                check(row[column_idx])
        except (TypeError, ValueError) as error:
            msg = f"column '{field.name}', row {row_idx}: {error}"
            raise type(error)(msg) from None


def texts_of_values(rows: Sequence[Sequence[Any]], row_type: RowType) -> list[Sequence[Any]]:
    """Give the rows with texts where text is declared: what ``verify_schema=False`` allows."""
    texts = [
        column_idx
        for column_idx, field in enumerate(row_type)
        if isinstance(field.data_type, CharType | VarCharType)
    ]
    converted: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for column_idx in texts:
            value = values[column_idx]
            values[column_idx] = None if value is None else str(value)
        converted.append(values)
    return converted


def _check_of(data_type: DataType) -> Callable[[Any], None] | None:
    """Find what is to be checked of values of a type; None if nothing is."""
    inner = _check_of_value(data_type)
    if inner is None and data_type.is_nullable():
        return None
    text = data_type.as_summary_string()
    is_nullable = data_type.is_nullable()

    def check(value: Any) -> None:
        if value is None:
            if not is_nullable:
                msg = f"None does not fit the type {text}"
                raise ValueError(msg)
        elif inner is not None:
            inner(value)

    return check


def _check_of_value(data_type: DataType) -> Callable[[Any], None] | None:
    check: Callable[[Any], None] | None = None
    if isinstance(data_type, BooleanType):
        check = _truth
    elif type(data_type) in _BITS:
        check = _whole_number(data_type, _BITS[type(data_type)])
    elif isinstance(data_type, CharType | BinaryType | VarCharType | VarBinaryType):
        check = _length(data_type)
    elif isinstance(data_type, RowType):
        check = _fields(data_type)
    elif isinstance(data_type, MapType):
        check = _entries(data_type)
    elif isinstance(data_type, ArrayType) and not isinstance(data_type, MultisetType):
        check = _items(data_type)
    return check


def _truth(value: Any) -> None:
    # numpy's own truth values are welcome.
    if type(value).__name__ not in ("bool", "bool_"):
        raise _mismatch(value, BooleanType())


def _mismatch(value: Any, data_type: DataType) -> TypeError:
    kind = type(value).__name__
    return TypeError(
        f"{_shown(value)} of type {kind} does not fit the type {data_type.as_summary_string()}"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"


def _whole_number(data_type: DataType, bits: int) -> Callable[[Any], None]:
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def check(value: Any) -> None:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise _mismatch(value, data_type)
        if isinstance(value, int) and not least <= value <= most:
            msg = f"{value} is out of the range of {data_type.as_summary_string()}"
            raise ValueError(msg)

    return check


def _length(
    data_type: CharType | BinaryType | VarCharType | VarBinaryType,
) -> Callable[[Any], None] | None:
    length = data_type.length
    is_fixed = isinstance(data_type, CharType | BinaryType)
    if not is_fixed and length == MAX_LENGTH:
        return None

    def check(value: Any) -> None:
        if not isinstance(value, str | bytes | bytearray):
            return
        if len(value) > length or (is_fixed and len(value) != length):
            text = data_type.as_summary_string()
            msg = f"the length {len(value)} of {_shown(value)} does not fit {text}"
            raise ValueError(msg)

    return check


def _items(data_type: ArrayType) -> Callable[[Any], None] | None:
    element = _check_of(data_type.element_type)
    if element is None:
        return None

    def check(value: Any) -> None:
        if isinstance(value, list | tuple):
            for item in value:
                element(item)

    return check


def _entries(data_type: MapType) -> Callable[[Any], None] | None:
    key_check, value_check = _check_of(data_type.key_type), _check_of(data_type.value_type)
    if key_check is None and value_check is None:
        return None

    def check(value: Any) -> None:
        if isinstance(value, dict):
            for key, entry in value.items():
                if key_check is not None:
                    key_check(key)
                if value_check is not None:
                    value_check(entry)

    return check


def _fields(data_type: RowType) -> Callable[[Any], None]:
    names = data_type.field_names()
    checks = [_check_of(field.data_type) for field in data_type]

    def check(value: Any) -> None:
        if isinstance(value, dict):
            values: Sequence[Any] = [value.get(name) for name in names]
        elif isinstance(value, Row):
            values = value.get_fields_by_names(names)
        elif isinstance(value, tuple | list):
            values = value
        else:
            return
        if len(values) != len(names):
            msg = f"{value!r} has {len(values)} values, its type has {len(names)} fields"
            raise ValueError(msg)
        for name, part, part_check in zip(names, values, checks, strict=True):
            if part_check is not None:
                try:
                    part_check(part)
                except (TypeError, ValueError) as error:
                    msg = f"field '{name}': {error}"
                    raise type(error)(msg) from None

    return check
