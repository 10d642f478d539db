"""Types from Python: of values (``from_elements``) and of annotations (`udf`).

As in PyFlink, ``int`` is BIGINT, ``float`` DOUBLE and ``Decimal`` DECIMAL(38, 18). Other than in
PyFlink, a ``datetime`` without a zone is TIMESTAMP(6), which is what it says; with a zone it is
TIMESTAMP_LTZ(6).
"""

from __future__ import annotations

import array
import datetime as dt
import decimal
import types
import typing
from typing import TYPE_CHECKING, Any

from tidemill.common.types import Row
from tidemill.table.composite_types import ArrayType, MapType, RowField, RowType
from tidemill.table.logical_types import (
    BigIntType,
    BooleanType,
    DataType,
    DateType,
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
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["infer_row_type", "infer_type", "type_of_hint"]

# In this order: bool is an int, and datetime is a date.
_SIMPLE: tuple[tuple[type, Callable[[], DataType]], ...] = (
    (bool, BooleanType),
    (int, BigIntType),
    (float, DoubleType),
    (str, VarCharType),
    (bytes, VarBinaryType),
    (bytearray, VarBinaryType),
    (decimal.Decimal, lambda: DecimalType(38, 18)),
    (dt.datetime, TimestampType),
    (dt.date, DateType),
    (dt.time, TimeType),
)

# The numbers that each kind of `array.array` holds, unsigned ones in the next larger type.
_ARRAY_ELEMENTS: dict[str, Callable[[], DataType]] = {
    "b": TinyIntType,
    "B": SmallIntType,
    "h": SmallIntType,
    "H": IntType,
    "i": IntType,
    "I": BigIntType,
    "l": BigIntType,
    "q": BigIntType,
    "f": FloatType,
    "d": DoubleType,
}


def infer_row_type(rows: Iterable[Any], names: Sequence[str] | None = None) -> RowType:
    """Find the type that all rows have in common.

    Parameters
    ----------
    rows
        Tuples, lists, rows, dictionaries, or single values.
    names
        Column names; without them those of the rows, or ``_1``, ``_2`` ….

    Raises
    ------
    ValueError
        If there are no rows, or not as many names as columns.
    TypeError
        If values of a column have types that do not go together, or no type at all.
    """
    merged: RowType | None = None
    for row in rows:
        row_type = _row_type(row, names)
        merged = (
            row_type if merged is None else typing.cast("RowType", _merge(merged, row_type, "row"))
        )
    if merged is None:
        msg = "cannot infer types without elements: give a schema of DataTypes"
        raise ValueError(msg)
    return merged


def infer_type(value: Any) -> DataType:
    """Find the type of one value; see `infer_row_type`."""
    simple = _infer_simple(value)
    if simple is not None:
        return simple
    if isinstance(value, dict):
        # As PyFlink has it: NULL is no key.
        return MapType(_common(value.keys()).not_null(), _common(value.values()))
    if isinstance(value, list):
        return ArrayType(_common(value))
    if isinstance(value, array.array) and value.typecode in _ARRAY_ELEMENTS:
        return ArrayType(_ARRAY_ELEMENTS[value.typecode]().not_null())
    if isinstance(value, Row | tuple) or getattr(value, "__dict__", None):
        return _row_type(value)
    msg = f"{value!r} of type {type(value).__name__} has no type in SQL"
    raise TypeError(msg)


def _infer_simple(value: Any) -> DataType | None:
    """Find the type of a value that has no parts."""
    if value is None:
        return NullType()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return LocalZonedTimestampType()
    return next((make() for python_type, make in _SIMPLE if isinstance(value, python_type)), None)


def type_of_hint(function: Any, name: str) -> DataType:
    """Find the result type of an annotated function.

    Raises
    ------
    TypeError
        If the function has no return annotation that is a type in SQL.
    """
    try:
        hint = typing.get_type_hints(function).get("return")
    except (NameError, TypeError):
        hint = None
    data_type = None if hint is None else _from_hint(hint)
    if data_type is None:
        msg = (
            f"function '{name}' needs a result_type, e.g. udf(..., result_type=DataTypes.STRING())"
        )
        raise TypeError(msg)
    return data_type


def _from_hint(hint: Any) -> DataType | None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        members = [argument for argument in arguments if argument is not type(None)]
        return _from_hint(members[0]) if len(members) == 1 else None
    if origin is list and arguments:
        element = _from_hint(arguments[0])
        return None if element is None else ArrayType(element)
    if origin is dict and arguments:
        key, value = map(_from_hint, arguments)
        return None if key is None or value is None else MapType(key, value)
    for python_type, make in _SIMPLE:
        if hint is python_type:
            return make()
    return None


def _row_type(row: Any, names: Sequence[str] | None = None) -> RowType:
    """Find the type of one row.

    Values that `names` has no name for are ``_2``, ``_3`` …; names without a value name nothing.
    """
    if isinstance(row, dict):
        # Sorted, so that dictionaries of any order agree.
        found = [(name, row[name]) for name in sorted(row)]
    elif isinstance(row, Row | tuple | list):
        own = getattr(row, "_fields", None) or []
        given = own if names is None else names
        numbered = [f"_{index}" for index in range(len(given) + 1, len(row) + 1)]
        found = list(zip([*given, *numbered], row, strict=False))
    elif _infer_simple(row) is None and getattr(row, "__dict__", None):
        found = sorted(vars(row).items())
    else:
        found = [("_1" if names is None else names[0], row)]
    return RowType([RowField(name, infer_type(value)) for name, value in found])


def _common(values: Iterable[Any]) -> DataType:
    common: DataType = NullType()
    for value in values:
        common = _merge(common, infer_type(value), "element")
    return common


def _merge(left: DataType, right: DataType, place: str) -> DataType:
    if left == right or isinstance(right, NullType):
        return left
    if isinstance(left, NullType):
        return right
    if isinstance(left, RowType) and isinstance(right, RowType):
        return _merge_rows(left, right, place)
    if isinstance(left, ArrayType) and isinstance(right, ArrayType):
        return ArrayType(_merge(left.element_type, right.element_type, place))
    if isinstance(left, MapType) and isinstance(right, MapType):
        return MapType(
            _merge(left.key_type, right.key_type, place),
            _merge(left.value_type, right.value_type, place),
        )
    msg = f"{place}: cannot merge types {left.as_summary_string()} and {right.as_summary_string()}"
    raise TypeError(msg)


def _merge_rows(left: RowType, right: RowType, place: str) -> RowType:
    if left.field_names() != right.field_names():
        msg = f"{place}: fields {left.field_names()} and {right.field_names()} differ"
        raise TypeError(msg)
    return RowType(
        [
            RowField(a.name, _merge(a.data_type, b.data_type, f"column '{a.name}'"))
            for a, b in zip(left, right, strict=True)
        ]
    )
