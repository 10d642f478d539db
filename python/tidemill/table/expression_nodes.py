"""The nodes that expressions are made of: immutable values without behavior.

`Expression` wraps a node and offers the operators; `sql_compiler` turns nodes into SQL text. The
name of a `Call` is Flink's own name of the function (``plus``, ``greaterThan``, ``isNull`` …), so
that ``str(expression)`` reads as in PyFlink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidemill.table.logical_types import DataType
    from tidemill.table.operations import Relation
    from tidemill.table.udf import UserDefinedFunctionWrapper

__all__ = [
    "Alias",
    "Call",
    "Column",
    "Field",
    "FunctionCall",
    "Keyword",
    "Literal",
    "Node",
    "OverCall",
    "SqlText",
    "SubQuery",
    "TypeLiteral",
    "transform",
    "walk",
]


@dataclass(frozen=True)
class Column:
    """A column by name; ``*`` stands for all."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Literal:
    """A constant; with a type, it is cast to it."""

    value: Any
    data_type: DataType | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "null"
        if isinstance(self.value, bool):
            return str(self.value).lower()
        if isinstance(self.value, str):
            return "'" + self.value.replace("'", "''") + "'"
        return str(self.value)


@dataclass(frozen=True)
class TypeLiteral:
    """A type as the argument of a call, as in CAST."""

    data_type: DataType

    def __str__(self) -> str:
        return self.data_type.as_summary_string()


@dataclass(frozen=True)
class Call:
    """A call of a built-in function, or of a registered one if `registered`."""

    name: str
    arguments: tuple[Node, ...]
    registered: bool = False

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, eq=False)
class FunctionCall:
    """A call of a Python function that has no name in the session yet."""

    function: UserDefinedFunctionWrapper
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.function.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class SqlText:
    """A piece of SQL as it was given."""

    text: str

    def __str__(self) -> str:
        return f"[{self.text}]"


@dataclass(frozen=True)
class Keyword:
    """A bare word inside of a call, such as DAY in ``FLOOR(x TO DAY)``."""

    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True)
class Field:
    """The name of a row's field."""

    name: str

    def __str__(self) -> str:
        return str(Literal(self.name))


@dataclass(frozen=True)
class Alias:
    """An expression with a name, or with several where it gives several columns."""

    expression: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(f"'{name}'" for name in self.names)
        return f"as({self.expression}, {names})"


@dataclass(frozen=True, eq=False)
class SubQuery:
    """A table inside of an expression, as in ``x IN (SELECT …)``."""

    relation: Relation

    def __str__(self) -> str:
        return "(subquery)"


@dataclass(frozen=True)
class OverCall:
    """An aggregate function over the rows around each row.

    Bounds are what `Over` was given: a number of rows, an interval, or one of the calls
    ``unboundedRange``, ``unboundedRow``, ``currentRange`` and ``currentRow``.
    """

    aggregate: Node
    partition_by: tuple[Node, ...]
    order_by: Node | None
    preceding: Node
    following: Node | None

    def __str__(self) -> str:
        return f"over({self.aggregate})"


Node: TypeAlias = (
    Column
    | Literal
    | TypeLiteral
    | Call
    | FunctionCall
    | SqlText
    | Keyword
    | Field
    | Alias
    | SubQuery
    | OverCall
)


def children(node: Node) -> tuple[Node, ...]:
    """Give the nodes right below."""
    if isinstance(node, Call | FunctionCall):
        return node.arguments
    if isinstance(node, Alias):
        return (node.expression,)
    if isinstance(node, OverCall):
        order = () if node.order_by is None else (node.order_by,)
        return (node.aggregate, *node.partition_by, *order)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Give the node and everything below it, from the top."""
    yield node
    for child in children(node):
        yield from walk(child)


def transform(node: Node, replace: Callable[[Node], Node | None]) -> Node:
    """Rebuild a node from the top; where `replace` gives a node, that one stands as it is."""
    replaced = replace(node)
    if replaced is not None:
        return replaced
    if isinstance(node, Call):
        arguments = tuple(transform(argument, replace) for argument in node.arguments)
        return Call(node.name, arguments, node.registered)
    if isinstance(node, FunctionCall):
        arguments = tuple(transform(argument, replace) for argument in node.arguments)
        return FunctionCall(node.function, arguments)
    if isinstance(node, Alias):
        return Alias(transform(node.expression, replace), node.names)
    if isinstance(node, OverCall):
        return OverCall(
            transform(node.aggregate, replace),
            tuple(transform(key, replace) for key in node.partition_by),
            None if node.order_by is None else transform(node.order_by, replace),
            node.preceding,
            node.following,
        )
    return node
