"""Python values as the rows of a table: their columns, and the values of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.types import Row
from tidemill.table.composite_types import RowType
from tidemill.table.logical_types import DataType
from tidemill.table.type_inference import infer_row_type
from tidemill.table.type_parser import parse_data_type
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["are_types", "row_type_of", "values_of"]


def are_types(schema: Any) -> bool:
    """Tell whether a schema declares types, so that values are checked against them."""
    if schema is None or isinstance(schema, DataType | str):
        return schema is not None
    return not all(isinstance(part, str) for part in schema)


def row_type_of(rows: list[Any], schema: Any) -> RowType:
    """Find the columns of rows.

    Parameters
    ----------
    rows
        What types are inferred from, if `schema` has none.
    schema
        A row type, its text, one type for a single column, a list of types, or one of names.

    Raises
    ------
    ValidationException
        If it is something else, or a name stands twice.
    """
    row_type = _row_type_of(rows, schema)
    names = row_type.field_names()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"field names must be unique, found twice: {', '.join(twice)}"
        raise ValidationException(msg)
    return row_type


def _row_type_of(rows: list[Any], schema: Any) -> RowType:
    if isinstance(schema, str):
        schema = parse_data_type(schema)
    if isinstance(schema, RowType):
        return schema
    if isinstance(schema, DataType):
        return RowType().add("f0", schema)
    if schema is None:
        return infer_row_type(rows)
    parts = list(schema)
    if all(isinstance(part, str) for part in parts):
        return infer_row_type(rows, parts)
    if all(isinstance(part, DataType) for part in parts):
        row_type = RowType()
        for index, part in enumerate(parts):
            row_type.add(f"f{index}", part)
        return row_type
    msg = "a schema is a DataTypes.ROW, a list of DataTypes, or a list of names"
    raise ValidationException(msg)


def values_of(row: Any, names: Sequence[str]) -> Sequence[Any]:
    """Give the values of one element by position.

    Raises
    ------
    ValueError
        If there are not as many as `names`.
    """
    if isinstance(row, Row):
        values: Sequence[Any] = row.get_fields_by_names(list(names))
    elif isinstance(row, dict):
        values = [row.get(name) for name in names]
    elif isinstance(row, tuple | list):
        values = row
    elif any(name in getattr(row, "__dict__", ()) for name in names):
        # An object whose attributes are its columns.
        values = [vars(row).get(name) for name in names]
    else:
        values = (row,)
    if len(values) != len(names):
        msg = f"the element {row!r} has {len(values)} values, the schema has {len(names)} columns"
        raise ValueError(msg)
    return values
