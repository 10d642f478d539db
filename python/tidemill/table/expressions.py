"""The functions that expressions start from: ``col``, ``lit``, ``call`` and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.expression import Expression, to_node
from tidemill.table.expression_nodes import Call, Column, Keyword, Literal, SqlText
from tidemill.table.expression_units import JsonOnNull
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from tidemill.table.expression_units import TimePointUnit
    from tidemill.table.logical_types import DataType
    from tidemill.table.udf import UserDefinedFunctionWrapper

__all__ = [
    "CURRENT_RANGE",
    "CURRENT_ROW",
    "UNBOUNDED_RANGE",
    "UNBOUNDED_ROW",
    "and_",
    "array",
    "atan2",
    "call",
    "call_sql",
    "coalesce",
    "col",
    "concat",
    "concat_ws",
    "convert_tz",
    "current_database",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_watermark",
    "date_format",
    "descriptor",
    "e",
    "from_unixtime",
    "if_then_else",
    "json",
    "json_array",
    "json_array_agg",
    "json_object",
    "json_object_agg",
    "json_string",
    "lag",
    "lead",
    "lit",
    "local_time",
    "local_timestamp",
    "log",
    "map_",
    "map_from_arrays",
    "negative",
    "not_",
    "null_of",
    "object_of",
    "or_",
    "pi",
    "rand",
    "rand_integer",
    "range_",
    "row",
    "row_interval",
    "source_watermark",
    "temporal_overlaps",
    "timestamp_diff",
    "to_date",
    "to_timestamp",
    "to_timestamp_ltz",
    "unix_timestamp",
    "uuid",
    "with_all_columns",
    "with_columns",
    "without_columns",
]


def col(name: str) -> Expression:
    """Name a column.

    Examples
    --------
    >>> str((col("a") + 1).alias("b"))
    "as(plus(a, 1), 'b')"
    """
    return Expression(Column(name))


def lit(v: Any, data_type: DataType | None = None) -> Expression:
    """Make a constant.

    Parameters
    ----------
    v
        The value; None needs a type.
    data_type
        The type. Without it: int is INT or BIGINT, float is DOUBLE, Decimal is DECIMAL, str is
        CHAR, and dates and times are what they are.
    """
    return Expression(Literal(v, data_type))


def null_of(data_type: DataType) -> Expression:
    """Make a NULL of a type."""
    return Expression(Literal(None, data_type))


def call(f: str | UserDefinedFunctionWrapper, *args: Any) -> Expression:
    """Call a function: a registered or built-in one by name, or a Python function made by `udf`."""
    if isinstance(f, str):
        return Expression(Call(f, tuple(map(to_node, args)), registered=True))
    return f(*args)


def call_sql(sql_expression: str) -> Expression:
    """Take an expression as SQL text."""
    return Expression(SqlText(sql_expression))


def and_(predicate0: Any, predicate1: Any, *predicates: Any) -> Expression:
    """AND."""
    return _builtin("and", predicate0, predicate1, *predicates)


def or_(predicate0: Any, predicate1: Any, *predicates: Any) -> Expression:
    """OR."""
    return _builtin("or", predicate0, predicate1, *predicates)


def not_(expression: Expression) -> Expression:
    """NOT; of NULL it is NULL."""
    return _builtin("not", expression)


def if_then_else(condition: Any, if_true: Any, if_false: Any) -> Expression:
    """Choose by a condition."""
    return _builtin("ifThenElse", condition, if_true, if_false)


def coalesce(*args: Any) -> Expression:
    """COALESCE."""
    return _builtin("COALESCE", *args)


def negative(v: Any) -> Expression:
    """Negate a number."""
    return _builtin("minusPrefix", v)


def concat(first: Any, *others: Any) -> Expression:
    """CONCAT."""
    return _builtin("CONCAT", first, *others)


def concat_ws(separator: Any, first: Any, *others: Any) -> Expression:
    """CONCAT_WS."""
    return _builtin("CONCAT_WS", separator, first, *others)


def array(head: Any, *tail: Any) -> Expression:
    """Make an array."""
    return _bracketed("ARRAY", head, *tail)


def map_(key: Any, value: Any, *tail: Any) -> Expression:
    """Make a map of keys and values in turn."""
    return _bracketed("MAP", key, value, *tail)


def row(head: Any, *tail: Any) -> Expression:
    """Make a row."""
    return _builtin("ROW", head, *tail)


def current_date() -> Expression:
    """CURRENT_DATE."""
    return _builtin("CURRENT_DATE")


def current_time() -> Expression:
    """CURRENT_TIME."""
    return _builtin("CURRENT_TIME")


def current_timestamp() -> Expression:
    """CURRENT_TIMESTAMP."""
    return _builtin("CURRENT_TIMESTAMP")


def local_time() -> Expression:
    """LOCALTIME."""
    return _builtin("LOCALTIME")


def local_timestamp() -> Expression:
    """LOCALTIMESTAMP."""
    return _builtin("LOCALTIMESTAMP")


def current_database() -> Expression:
    """CURRENT_DATABASE()."""
    return _builtin("CURRENT_DATABASE")


def date_format(timestamp: Any, format: Any) -> Expression:  # noqa: A002 - PyFlink's signature
    """DATE_FORMAT."""
    return _builtin("DATE_FORMAT", timestamp, format)


def to_date(date_str: Any, format: Any = None) -> Expression:  # noqa: A002 - PyFlink's signature
    """TO_DATE."""
    return _builtin("TO_DATE", date_str, *_optional(format))


def to_timestamp(timestamp_str: Any, format: Any = None) -> Expression:  # noqa: A002 - PyFlink's signature
    """TO_TIMESTAMP."""
    return _builtin("TO_TIMESTAMP", timestamp_str, *_optional(format))


def to_timestamp_ltz(*args: Any) -> Expression:
    """TO_TIMESTAMP_LTZ."""
    return _builtin("TO_TIMESTAMP_LTZ", *args)


def from_unixtime(unixtime: Any, format: Any = None) -> Expression:  # noqa: A002 - PyFlink's signature
    """FROM_UNIXTIME."""
    return _builtin("FROM_UNIXTIME", unixtime, *_optional(format))


def unix_timestamp(date_str: Any = None, format: Any = None) -> Expression:  # noqa: A002 - PyFlink's signature
    """UNIX_TIMESTAMP."""
    return _builtin("UNIX_TIMESTAMP", *_optional(date_str), *_optional(format))


def timestamp_diff(
    time_point_unit: TimePointUnit, time_point1: Any, time_point2: Any
) -> Expression:
    """TIMESTAMPDIFF."""
    unit = Expression(Keyword(time_point_unit.name))
    return _builtin("TIMESTAMPDIFF", unit, time_point1, time_point2)


def pi() -> Expression:
    """PI()."""
    return _builtin("PI")


def e() -> Expression:
    """E()."""
    return _builtin("E")


def rand(seed: Any = None) -> Expression:
    """RAND."""
    return _builtin("RAND", *_optional(seed))


def rand_integer(bound: Any, seed: Any = None) -> Expression:
    """RAND_INTEGER."""
    return _builtin("RAND_INTEGER", *_optional(seed), bound)


def atan2(y: Any, x: Any) -> Expression:
    """ATAN2."""
    return _builtin("ATAN2", y, x)


def log(v: Any, base: Any = None) -> Expression:
    """Give the natural logarithm, or that to a base."""
    return Expression(to_node(v)).log(base)


def convert_tz(date_str: Any, tz_from: Any, tz_to: Any) -> Expression:
    """CONVERT_TZ."""
    return _builtin("CONVERT_TZ", date_str, tz_from, tz_to)


def map_from_arrays(key: Any, value: Any) -> Expression:
    """MAP_FROM_ARRAYS."""
    return _builtin("MAP_FROM_ARRAYS", key, value)


def json_string(value: Any) -> Expression:
    """JSON_STRING."""
    return _builtin("JSON_STRING", value)


def source_watermark() -> Expression:
    """SOURCE_WATERMARK()."""
    return _builtin("SOURCE_WATERMARK")


def current_watermark(rowtimeAttribute: Any) -> Expression:  # noqa: N803 - PyFlink's signature
    """CURRENT_WATERMARK."""
    return _builtin("CURRENT_WATERMARK", rowtimeAttribute)


def uuid() -> Expression:
    """UUID()."""
    return _builtin("UUID")


def json(value: Any) -> Expression:
    """JSON: take the text as it is inside of a JSON constructor."""
    return _builtin("JSON", value)


def json_object(on_null: JsonOnNull = JsonOnNull.NULL, *args: Any) -> Expression:
    """JSON_OBJECT of keys and values in turn."""
    if len(args) % 2:
        msg = "json_object takes keys and values in turn: the last key has no value"
        raise ValidationException(msg)
    return _builtin("jsonObject", _on_null(on_null), *args)


def json_array(on_null: JsonOnNull = JsonOnNull.ABSENT, *args: Any) -> Expression:
    """JSON_ARRAY."""
    return _builtin("jsonArray", _on_null(on_null), *args)


def json_object_agg(on_null: JsonOnNull, key_expr: Any, value_expr: Any) -> Expression:
    """JSON_OBJECTAGG: a JSON object of the keys and values of a group."""
    return _builtin("jsonObjectAgg", _on_null(on_null), key_expr, value_expr)


def json_array_agg(on_null: JsonOnNull, item_expr: Any) -> Expression:
    """JSON_ARRAYAGG: a JSON array of the values of a group."""
    return _builtin("jsonArrayAgg", _on_null(on_null), item_expr)


def lag(expr: Any, offset: Any = 1, default: Any = None) -> Expression:
    """LAG: the value some rows before, in an over window."""
    return _builtin("lag", expr, offset, *_optional(default))


def lead(expr: Any, offset: Any = 1, default: Any = None) -> Expression:
    """LEAD: the value some rows after, in an over window."""
    return _builtin("lead", expr, offset, *_optional(default))


def temporal_overlaps(
    left_time_point: Any, left_temporal: Any, right_time_point: Any, right_temporal: Any
) -> Expression:
    """OVERLAPS: whether two spans, each a start with an end or a length, meet."""
    return _builtin(
        "temporalOverlaps", left_time_point, left_temporal, right_time_point, right_temporal
    )


def object_of(class_name: str, *args: Any) -> Expression:
    """OBJECT_OF: a structured object of attribute names and values in turn."""
    return _builtin("OBJECT_OF", class_name, *args)


def descriptor(*column_names: str) -> Expression:
    """DESCRIPTOR: columns as the argument of a process table function."""
    return _builtin("DESCRIPTOR", *(Expression(Column(name)) for name in column_names))


def range_(start: str | int, end: str | int) -> Expression:
    """Name a range of columns, by names or by positions from 1, for `with_columns`."""
    return _builtin("rangeTo", start, end)


def with_all_columns() -> Expression:
    """Name all columns."""
    return col("*")


def with_columns(head: Any, *tails: Any) -> Expression:
    """Name columns: columns, positions from 1, and ranges."""
    return _builtin("withColumns", head, *tails)


def without_columns(head: Any, *tails: Any) -> Expression:
    """Name all columns but these; see `with_columns`."""
    return _builtin("withoutColumns", head, *tails)


def row_interval(rows: int) -> Expression:
    """Make a number of rows, as the size of a window."""
    return _builtin("rowInterval", rows)


def _on_null(on_null: JsonOnNull) -> Expression:
    return Expression(Keyword(f"{on_null.name} ON NULL"))


def _builtin(name: str, *arguments: Any) -> Expression:
    return Expression(Call(name, tuple(map(to_node, arguments))))


def _bracketed(name: str, *arguments: Any) -> Expression:
    return Expression(Call(f"{name}[]", tuple(map(to_node, arguments))))


def _optional(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


CURRENT_ROW = _builtin("currentRow")
"""Bound of an over window: the row itself."""
CURRENT_RANGE = _builtin("currentRange")
"""Bound of an over window: all rows of the same time or order key."""
UNBOUNDED_ROW = _builtin("unboundedRow")
"""Bound of an over window of rows: the first row."""
UNBOUNDED_RANGE = _builtin("unboundedRange")
"""Bound of an over window of times: the first time."""
