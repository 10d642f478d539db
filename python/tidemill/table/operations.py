"""What a `Table` is: an immutable tree of relational operations.

`sql_compiler.compile_relation` turns a tree into SQL; nothing else reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from tidemill.table.expression_nodes import Node

__all__ = [
    "Aggregate",
    "Distinct",
    "Filter",
    "Join",
    "Lateral",
    "Limit",
    "OrderBy",
    "Project",
    "Query",
    "Relation",
    "Scan",
    "SetOperation",
]


@dataclass(frozen=True)
class Scan:
    """All rows of a registered table; `path` is quoted already.

    `owner` lives as long as some table reads these rows: a table of Python values has no other
    name, and is forgotten with its owner.
    """

    path: str
    owner: object = field(default=None, compare=False)


@dataclass(frozen=True)
class Query:
    """The rows of a query given as text."""

    sql: str


@dataclass(frozen=True)
class Project:
    """One row out for each row in."""

    input: Relation
    expressions: tuple[Node, ...]


@dataclass(frozen=True)
class Filter:
    """The rows for which the predicate is true."""

    input: Relation
    predicate: Node


@dataclass(frozen=True)
class Aggregate:
    """One row for each group, or one in all without keys.

    A window is one of the keys: a call of TUMBLE, HOP or SESSION.
    """

    input: Relation
    keys: tuple[Node, ...]
    expressions: tuple[Node, ...]


@dataclass(frozen=True)
class Distinct:
    """Each row once."""

    input: Relation


@dataclass(frozen=True)
class SetOperation:
    """Rows of two relations of the same shape."""

    left: Relation
    right: Relation
    operator: Literal["UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"]


@dataclass(frozen=True)
class Join:
    """Pairs of rows; without a predicate, all pairs."""

    left: Relation
    right: Relation
    kind: Literal["INNER", "LEFT", "RIGHT", "FULL"]
    predicate: Node | None


@dataclass(frozen=True)
class Lateral:
    """Each row with the rows that a table function gives for it.

    `names` are the names of the function's columns. A left join keeps rows without any; without a
    predicate all pairs stay.
    """

    input: Relation
    call: Node
    names: tuple[str, ...]
    kind: Literal["INNER", "LEFT"]
    predicate: Node | None


@dataclass(frozen=True)
class OrderBy:
    """The rows in an order."""

    input: Relation
    keys: tuple[Node, ...]


@dataclass(frozen=True)
class Limit:
    """Some rows; `fetch` None means all from `offset` on."""

    input: Relation
    offset: int
    fetch: int | None


Relation: TypeAlias = (
    Scan
    | Query
    | Project
    | Filter
    | Aggregate
    | Distinct
    | SetOperation
    | Join
    | Lateral
    | OrderBy
    | Limit
)
