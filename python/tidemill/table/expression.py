"""Expressions over columns, as `pyflink.table.expression` has them.

An expression is built by operators and methods and does nothing by itself: ``col("a") + 1``. It
means something only in a table's operation, where the engine resolves and checks it. Note that
``==`` makes an expression, and that ``&``, ``|`` and ``~`` stand for AND, OR and NOT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.expression_collections import (
    CodeFunctions,
    CollectionFunctions,
    MoreStringFunctions,
)
from tidemill.table.expression_functions import (
    MathFunctions,
    StringFunctions,
    TimeFunctions,
)
from tidemill.table.expression_json import BitmapFunctions, JsonFunctions
from tidemill.table.expression_nodes import (
    Alias,
    Call,
    Field,
    Literal,
    Node,
    SubQuery,
    TypeLiteral,
)
from tidemill.table.expression_units import (
    JsonExistsOnError,
    JsonOnNull,
    JsonQueryOnEmptyOrError,
    JsonQueryWrapper,
    JsonType,
    JsonValueOnEmptyOrError,
    TimeIntervalUnit,
    TimePointUnit,
)
from tidemill.table.type_parser import parse_data_type

if TYPE_CHECKING:
    from tidemill.table.logical_types import DataType

__all__ = [
    "Expression",
    "JsonExistsOnError",
    "JsonOnNull",
    "JsonQueryOnEmptyOrError",
    "JsonQueryWrapper",
    "JsonType",
    "JsonValueOnEmptyOrError",
    "TimeIntervalUnit",
    "TimePointUnit",
]


class Expression(
    StringFunctions,
    MathFunctions,
    TimeFunctions,
    CollectionFunctions,
    CodeFunctions,
    MoreStringFunctions,
    JsonFunctions,
    BitmapFunctions,
):
    """A value that is computed for each row or group.

    Parameters
    ----------
    node
        What to compute. Programs use `col`, `lit` and `call` instead.
    """

    def __init__(self, node: Node) -> None:
        """Keep the node."""
        self._node = node

    @property
    def node(self) -> Node:
        """What to compute."""
        return self._node

    def _call(self, name: str, *arguments: Any) -> Expression:
        return Expression(Call(name, (self._node, *map(to_node, arguments))))

    def _reversed(self, name: str, left: Any) -> Expression:
        return Expression(Call(name, (to_node(left), self._node)))

    # ---- operators ----

    def __abs__(self) -> Expression:
        """Give the absolute value."""
        return self.abs

    def __lt__(self, other: Any) -> Expression:
        """Compare."""
        return self._call("lessThan", other)

    def __gt__(self, other: Any) -> Expression:
        """Compare."""
        return self._call("greaterThan", other)

    def __le__(self, other: Any) -> Expression:
        """Compare."""
        return self._call("lessThanOrEqual", other)

    def __ge__(self, other: Any) -> Expression:
        """Compare."""
        return self._call("greaterThanOrEqual", other)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        """Compare."""
        return self._call("equals", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        """Compare."""
        return self._call("notEquals", other)

    def __hash__(self) -> int:
        """Hash by identity, because ``==`` makes an expression."""
        return id(self)

    def __and__(self, other: Any) -> Expression:
        """AND."""
        return self._call("and", other)

    def __rand__(self, other: Any) -> Expression:
        """AND."""
        return self._reversed("and", other)

    def __or__(self, other: Any) -> Expression:
        """OR."""
        return self._call("or", other)

    def __ror__(self, other: Any) -> Expression:
        """OR."""
        return self._reversed("or", other)

    def __invert__(self) -> Expression:
        """NOT, with NULL taken for false."""
        return self._call("isNotTrue")

    def __add__(self, other: Any) -> Expression:
        """Add."""
        return self._call("plus", other)

    def __radd__(self, other: Any) -> Expression:
        """Add."""
        return self._reversed("plus", other)

    def __sub__(self, other: Any) -> Expression:
        """Subtract."""
        return self._call("minus", other)

    def __rsub__(self, other: Any) -> Expression:
        """Subtract."""
        return self._reversed("minus", other)

    def __mul__(self, other: Any) -> Expression:
        """Multiply."""
        return self._call("times", other)

    def __rmul__(self, other: Any) -> Expression:
        """Multiply."""
        return self._reversed("times", other)

    def __truediv__(self, other: Any) -> Expression:
        """Divide; integers by integers stay integers, as in SQL."""
        return self._call("divide", other)

    def __rtruediv__(self, other: Any) -> Expression:
        """Divide."""
        return self._reversed("divide", other)

    def __mod__(self, other: Any) -> Expression:
        """Give the remainder."""
        return self._call("mod", other)

    def __rmod__(self, other: Any) -> Expression:
        """Give the remainder."""
        return self._reversed("mod", other)

    def __pow__(self, other: Any) -> Expression:
        """Raise to a power."""
        return self._call("POWER", other)

    def __rpow__(self, other: Any) -> Expression:
        """Raise to a power."""
        return self._reversed("POWER", other)

    def __neg__(self, *args: Any) -> Expression:
        """Negate."""
        del args  # PyFlink's signature
        return self._call("minusPrefix")

    def __getitem__(self, index: Any) -> Expression:
        """Give an element of an array (from 1) or of a map."""
        return self.at(index)

    def __bool__(self) -> bool:
        """Refuse: an expression has no truth value before it runs.

        Raises
        ------
        TypeError
            Always; ``and``, ``or``, ``not`` and chained comparisons end up here.
        """
        msg = "an expression has no truth value: use '&', '|', '~' instead of 'and', 'or', 'not'"
        raise TypeError(msg)

    def __iter__(self) -> Any:
        """Refuse: ``__getitem__`` would make an endless loop of it."""
        msg = "an expression is not iterable"
        raise TypeError(msg)

    def __str__(self) -> str:
        """Show the expression as Flink does: ``plus(a, 1)``."""
        return str(self._node)

    def __repr__(self) -> str:
        """Show the expression as Flink does."""
        return str(self._node)

    # ---- names, types, conditions ----

    def alias(self, name: str, *extra_names: str) -> Expression:
        """Name the result."""
        return Expression(Alias(self._node, (name, *extra_names)))

    def cast(self, data_type: DataType | str) -> Expression:
        """Convert; what cannot be converted is an error."""
        return Expression(Call("cast", (self._node, _type_literal(data_type))))

    def try_cast(self, data_type: DataType | str) -> Expression:
        """Convert; what cannot be converted becomes NULL."""
        return Expression(Call("tryCast", (self._node, _type_literal(data_type))))

    @property
    def is_null(self) -> Expression:
        """Tell whether the value is NULL."""
        return self._call("isNull")

    @property
    def is_not_null(self) -> Expression:
        """Tell whether the value is not NULL."""
        return self._call("isNotNull")

    @property
    def is_true(self) -> Expression:
        """Tell whether the value is true, NULL counting as false."""
        return self._call("isTrue")

    @property
    def is_false(self) -> Expression:
        """Tell whether the value is false, NULL counting as no."""
        return self._call("isFalse")

    @property
    def is_not_true(self) -> Expression:
        """Tell whether the value is false or NULL."""
        return self._call("isNotTrue")

    @property
    def is_not_false(self) -> Expression:
        """Tell whether the value is true or NULL."""
        return self._call("isNotFalse")

    def between(self, lower_bound: Any, upper_bound: Any) -> Expression:
        """Tell whether the value lies in a closed range."""
        return self._call("between", lower_bound, upper_bound)

    def not_between(self, lower_bound: Any, upper_bound: Any) -> Expression:
        """Tell whether the value lies outside of a closed range."""
        return self._call("notBetween", lower_bound, upper_bound)

    def in_(self, first_element_or_table: Any, *remaining_elements: Any) -> Expression:
        """Tell whether the value is one of the given ones."""
        return self._call("in", first_element_or_table, *remaining_elements)

    def then(self, if_true: Any, if_false: Any) -> Expression:
        """Choose by the truth of this expression."""
        return self._call("ifThenElse", if_true, if_false)

    def if_null(self, null_replacement: Any) -> Expression:
        """Replace NULL."""
        return self._call("IFNULL", null_replacement)

    def get(self, name_or_index: str | int) -> Expression:
        """Give a field of a row by its name, or by its position, counting from 0."""
        if isinstance(name_or_index, int):
            return self._call("getAt", name_or_index)
        return self._call("get", Expression(Field(name_or_index)))

    @property
    def flatten(self) -> Expression:
        """Give the fields of a row as columns; what is no row stays as it is."""
        return self._call("flatten")

    def at(self, index: Any) -> Expression:
        """Give an element of an array (from 1) or of a map."""
        return self._call("at", index)

    @property
    def cardinality(self) -> Expression:
        """Count the elements of an array or a map."""
        return self._call("CARDINALITY")

    @property
    def asc(self) -> Expression:
        """Order ascending."""
        return self._call("asc")

    @property
    def desc(self) -> Expression:
        """Order descending."""
        return self._call("desc")

    # ---- windows ----

    def over(self, alias: Any) -> Expression:
        """Compute the aggregate function over the window of `Table.over_window` with the alias."""
        return self._call("over", alias)

    @property
    def start(self) -> Expression:
        """Give the inclusive lower bound of a window."""
        return self._call("windowStart")

    @property
    def end(self) -> Expression:
        """Give the exclusive upper bound of a window."""
        return self._call("windowEnd")

    @property
    def rowtime(self) -> Expression:
        """Give the window's time as a time attribute: one millisecond before its end."""
        return self._call("rowtime")

    @property
    def proctime(self) -> Expression:
        """Give a processing-time attribute of a window."""
        return self._call("proctime")

    # ---- arguments of table functions ----

    def as_argument(self, name: str) -> Expression:
        """Pass the value as the named argument of a process table function."""
        return self._call("asArgument", Expression(Field(name)))

    def object_update(self, *kv: Any) -> Expression:
        """OBJECT_UPDATE: the structured object with some attributes replaced."""
        return self._call("OBJECT_UPDATE", *kv)

    # ---- aggregate functions ----

    @property
    def count(self) -> Expression:
        """Count the values that are not NULL."""
        return self._call("count")

    @property
    def sum(self) -> Expression:
        """Add up; NULL if there is nothing to add."""
        return self._call("sum")

    @property
    def sum0(self) -> Expression:
        """Add up; 0 if there is nothing to add."""
        return self._call("sum0")

    @property
    def avg(self) -> Expression:
        """Give the mean; of integers it is an integer."""
        return self._call("avg")

    @property
    def min(self) -> Expression:
        """Give the smallest value."""
        return self._call("min")

    @property
    def max(self) -> Expression:
        """Give the largest value."""
        return self._call("max")

    @property
    def stddev_pop(self) -> Expression:
        """Give the standard deviation of the population."""
        return self._call("stddevPop")

    @property
    def stddev_samp(self) -> Expression:
        """Give the standard deviation of the sample."""
        return self._call("stddevSamp")

    @property
    def var_pop(self) -> Expression:
        """Give the variance of the population."""
        return self._call("varPop")

    @property
    def var_samp(self) -> Expression:
        """Give the variance of the sample."""
        return self._call("varSamp")

    @property
    def collect(self) -> Expression:
        """Collect the values into a multiset."""
        return self._call("collect")

    @property
    def first_value(self) -> Expression:
        """Give the first value."""
        return self._call("firstValue")

    @property
    def last_value(self) -> Expression:
        """Give the last value."""
        return self._call("lastValue")

    @property
    def array_agg(self) -> Expression:
        """Collect the values into an array."""
        return self._call("arrayAgg")

    def list_agg(self, separator: str | None = None) -> Expression:
        """Join the texts, by a comma if nothing else is given."""
        return self._call("listAgg", *(() if separator is None else (separator,)))

    def percentile(self, percentage: Any, frequency: Any = None) -> Expression:
        """Give the exact percentile of the values, each counted as often as `frequency` says."""
        return self._call("percentile", percentage, *(() if frequency is None else (frequency,)))

    @property
    def distinct(self) -> Expression:
        """Let the aggregate function see each value once."""
        return self._call("distinct")


def to_node(value: Any) -> Node:
    """Give the node of an expression; a table becomes a subquery, anything else a literal."""
    if isinstance(value, Expression):
        return value.node
    relation = getattr(value, "relation", None)
    return Literal(value) if relation is None else SubQuery(relation)


def _type_literal(data_type: DataType | str) -> TypeLiteral:
    return TypeLiteral(parse_data_type(data_type) if isinstance(data_type, str) else data_type)
