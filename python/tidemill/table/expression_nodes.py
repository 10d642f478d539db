"""The nodes that expressions are made of: immutable values without behavior.

`Expression` wraps a node and offers the operators; `sql_compiler` turns nodes into SQL text. The
name of a `Call` is Flink's own name of the function (``plus``, ``greaterThan``, ``isNull`` …), so
that ``str(expression)`` reads as in PyFlink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.table.logical_types import DataType
    from tidemill.table.udf import UserDefinedScalarFunctionWrapper

__all__ = [
    "Alias",
    "Call",
    "Column",
    "Field",
    "FunctionCall",
    "Keyword",
    "Literal",
    "Node",
    "SqlText",
    "TypeLiteral",
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

    function: UserDefinedScalarFunctionWrapper
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


Node: TypeAlias = (
    Column | Literal | TypeLiteral | Call | FunctionCall | SqlText | Keyword | Field | Alias
)


def walk(node: Node) -> Iterator[Node]:
    """Give the node and everything below it, from the top."""
    yield node
    if isinstance(node, Call | FunctionCall):
        for argument in node.arguments:
            yield from walk(argument)
    elif isinstance(node, Alias):
        yield from walk(node.expression)
