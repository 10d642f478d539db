"""What the names in string expressions mean.

Names are looked up without regard to case. A function of the string API is the method of
`Expression` or the function of `tidemill.table.expressions` of the same name, written in camel
case there and with underscores here; the tables below list those that differ. A name that is not
known is taken for a registered function, which the engine resolves.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from tidemill.table import expressions
from tidemill.table.composite_types import ArrayType, MapType
from tidemill.table.expression import Expression, to_node
from tidemill.table.expression_nodes import Call, Column, Keyword, Literal
from tidemill.table.expression_units import TimeIntervalUnit, TimePointUnit
from tidemill.table.logical_types import (
    BigIntType,
    BooleanType,
    DataType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    FloatType,
    IntType,
    SmallIntType,
    TimestampType,
    TimeType,
    TinyIntType,
    VarCharType,
    YearMonthIntervalType,
)
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NESTED_TYPES", "TYPES", "WORDS", "NotThatMany", "call", "nested_type"]

TYPES: dict[str, Callable[[], DataType]] = {
    "BYTE": TinyIntType,
    "SHORT": SmallIntType,
    "INT": IntType,
    "LONG": BigIntType,
    "FLOAT": FloatType,
    "DOUBLE": DoubleType,
    "BOOLEAN": BooleanType,
    "STRING": VarCharType,
    "SQL_DATE": DateType,
    "SQL_TIMESTAMP": lambda: TimestampType(3),
    "SQL_TIME": TimeType,
    "DECIMAL": lambda: DecimalType(38, 18),
    "INTERVAL_MONTHS": YearMonthIntervalType,
    "INTERVAL_MILLIS": lambda: DayTimeIntervalType(fractional_precision=3),
}
NESTED_TYPES = ("PRIMITIVE_ARRAY", "OBJECT_ARRAY", "MAP")
# Bare words among arguments.
WORDS = frozenset(
    {"LEADING", "TRAILING", "BOTH"}
    | {unit.name for unit in TimeIntervalUnit}
    | {unit.name for unit in TimePointUnit}
)

# Functions whose node is named like the function of the string API.
_NODES = [
    "plus",
    "minus",
    "times",
    "divide",
    "mod",
    "minusPrefix",
    "equals",
    "notEquals",
    "greaterThan",
    "greaterThanOrEqual",
    "lessThan",
    "lessThanOrEqual",
    "and",
    "or",
    "not",
    "ifThenElse",
    "like",
    "similar",
]
# Functions that are plain calls of SQL.
_SQL = {
    "lower": "LOWER",
    "upper": "UPPER",
    "power": "POWER",
    "concat": "CONCAT",
    "datetimeplus": "plus",
    "times": "times",
}
# Functions with another name here.
_RENAMED = {"?": "then", "in": "in_", "lowercase": "lower_case", "uppercase": "upper_case"}


class NotThatMany(Exception):  # noqa: N818 - never leaves the parser
    """A function was called with arguments that it does not take."""


def nested_type(name: str, parts: list[DataType]) -> DataType:
    """Make an array of its element type or a map of key and value types."""
    if name == "MAP":
        if len(parts) != 2:  # noqa: PLR2004 - key and value
            msg = f"MAP takes two types, not {len(parts)}"
            raise ValidationException(msg)
        return MapType(parts[0], parts[1])
    element = parts[0]
    return ArrayType(element.not_null() if name == "PRIMITIVE_ARRAY" else element)


def call(name: str, arguments: list[Any]) -> Expression:
    """Call a function by its name in the string API, the operand first.

    Arguments are expressions, types and `Keyword` words.

    Raises
    ------
    NotThatMany
        If the function exists and does not take these arguments.
    """
    lowered = name.lower().replace("_", "")
    special = _SPECIAL.get(lowered)
    if special is not None:
        return _checked(name, special, arguments)
    if lowered in _SQL:
        return Expression(Call(_SQL[lowered], tuple(map(to_node, arguments))))
    for node_name in _NODES:
        if node_name.lower() == lowered:
            return Expression(Call(node_name, tuple(map(to_node, arguments))))
    found = _names().get(_RENAMED.get(lowered, lowered).replace("_", ""))
    if found is None:
        return Expression(Call(name, tuple(map(to_node, arguments)), registered=True))
    return _checked(name, found, arguments)


def _checked(name: str, function: Callable[..., Any], arguments: list[Any]) -> Expression:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        msg = f"function '{name}' does not take {len(arguments)} argument(s)"
        raise NotThatMany(msg) from error
    result: Expression = function(*(_plain(name, argument) for argument in arguments))
    return result


def _plain(name: str, argument: Any) -> Any:
    """Give units as the enum that methods take, and whole literals where Python needs them."""
    if not isinstance(argument, Keyword) or name.lower() == "trim":
        return argument
    units = TimePointUnit if name.lower() == "timestampdiff" else TimeIntervalUnit
    if argument.word not in units.__members__:
        msg = f"'{argument.word}' is no unit of function '{name}'"
        raise NotThatMany(msg)
    return units[argument.word]


@functools.cache
def _names() -> dict[str, Callable[..., Any]]:
    """All functions by their name without underscores; methods of expressions come first."""
    known: dict[str, Callable[..., Any]] = {}
    for name in expressions.__all__:
        value = getattr(expressions, name)
        if callable(value):
            known[name.rstrip("_").replace("_", "")] = value
    for name in dir(Expression):
        if name.startswith("_") or name in ("node", "over"):
            continue
        raw = inspect.getattr_static(Expression, name)
        if isinstance(raw, property):
            known[name.replace("_", "")] = functools.partial(_property, name)
        elif inspect.isfunction(raw):
            known.setdefault(name.rstrip("_").replace("_", ""), raw)
    return known


def _property(name: str, operand: Expression) -> Expression:
    value: Expression = getattr(operand, name)
    return value


def _alias(operand: Expression, *names: Expression) -> Expression:
    texts = [node.name for node in map(to_node, names) if isinstance(node, Column)]
    return operand.alias(*texts)


def _cast(operand: Expression, data_type: DataType) -> Expression:
    if not isinstance(data_type, DataType):
        msg = f"cast takes a type, one of {', '.join(TYPES)}, not '{data_type}'"
        raise NotThatMany(msg)
    return operand.cast(data_type)


def _trim(operand: Expression, mode: Any = None, character: Any = None) -> Expression:
    if mode is None:
        return operand.trim()
    if character is None:
        return operand.trim(mode)
    if mode == Keyword("LEADING"):
        return operand.trim_leading(character)
    if mode == Keyword("TRAILING"):
        return operand.trim_trailing(character)
    return operand.trim(character)


def _get(operand: Expression, key: Expression) -> Expression:
    node = key.node
    if not (isinstance(node, Literal) and isinstance(node.value, str | int)):
        msg = f"get takes the name or the position of a field, not {node}"
        raise NotThatMany(msg)
    return operand.get(node.value)


def _date_format(operand: Expression, format_: Expression) -> Expression:
    return expressions.date_format(operand, format_)


def _rows(operand: Expression) -> Expression:
    node = operand.node
    if not (isinstance(node, Literal) and isinstance(node.value, int)):
        msg = f"a number of rows is needed, not {node}"
        raise NotThatMany(msg)
    return expressions.row_interval(node.value)


def _log(operand: Expression, base: Any = None) -> Expression:
    return operand.log(base)


def _rand_integer(first: Expression, second: Expression | None = None) -> Expression:
    # The seed comes first.
    if second is None:
        return expressions.rand_integer(first)
    return expressions.rand_integer(second, first)


_SPECIAL: dict[str, Callable[..., Any]] = {
    "as": _alias,
    "trim": _trim,
    "cast": _cast,
    "get": _get,
    "dateformat": _date_format,
    "rows": _rows,
    "row": expressions.row,
    "log": _log,
    "randinteger": _rand_integer,
}
