"""What the expressions of a table's operation mean: lists of columns, windows and names.

Some calls stand for something only an operation knows: ``with_columns``, ``flatten`` and ``get`` by
position need the table's columns, ``over(w)`` and ``w.start`` need the window. They are replaced
here, before the compiler sees them. Then every column gets the name that Flink gives it.

Source of the names: ``ProjectionOperationFactory`` and ``OperationExpressionsUtils``, Flink 2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.composite_types import RowType
from tidemill.table.expression_nodes import (
    Alias,
    Call,
    Column,
    Field,
    FunctionCall,
    Literal,
    Node,
    OverCall,
    SqlText,
    children,
    transform,
)
from tidemill.table.sql_compiler import is_aggregate
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.table.logical_types import DataType
    from tidemill.table.window import GroupWindowSpec, OverWindowSpec

    TypeOf = Callable[[Node], DataType]

__all__ = [
    "name_of",
    "named",
    "named_with_aggregates",
    "resolve_columns",
    "resolve_over",
    "window_key",
    "window_properties",
]

_PROPERTIES = {
    "windowStart": "START",
    "windowEnd": "END",
    "rowtime": "ROWTIME",
    "proctime": "PROCTIME",
}


def resolve_columns(
    nodes: Sequence[Node], names: Sequence[str], type_of: TypeOf
) -> tuple[Node, ...]:
    """Replace what stands for columns of the table.

    Parameters
    ----------
    nodes
        The expressions.
    names
        The columns of the table.
    type_of
        Gives the type of an expression over the table.
    """
    return tuple(column for node in nodes for column in _expanded(node, names, type_of))


def _expanded(node: Node, names: Sequence[str], type_of: TypeOf) -> list[Node]:
    if node == Column("*"):
        return [Column(name) for name in names]
    if isinstance(node, Call) and node.name in ("withColumns", "withoutColumns"):
        chosen = [name for part in node.arguments for name in _range(part, names)]
        if node.name == "withColumns":
            return [Column(name) for name in chosen]
        return [Column(name) for name in names if name not in chosen]
    if isinstance(node, Call) and node.name == "flatten":
        return _flattened(_rebuilt(node.arguments[0], names, type_of), type_of)
    if isinstance(node, Call) and node.name == "getAt":
        name = _default_name(node, 0)
        return [
            Alias(_rebuilt(node, names, type_of), (name,))
            if "$" in name
            else _rebuilt(node, names, type_of)
        ]
    return [_rebuilt(node, names, type_of)]


def _rebuilt(node: Node, names: Sequence[str], type_of: TypeOf) -> Node:
    """Expand the arguments of a node."""
    if isinstance(node, Call) and node.name == "getAt":
        operand = _rebuilt(node.arguments[0], names, type_of)
        return Call("get", (operand, Field(_field_name(operand, node.arguments[1], type_of))))
    if isinstance(node, Call):
        if node.name == "count" and node.arguments == (Column("*"),):
            return node
        arguments = [part for child in node.arguments for part in _expanded(child, names, type_of)]
        return Call(node.name, tuple(arguments), node.registered)
    if isinstance(node, FunctionCall):
        arguments = [part for child in node.arguments for part in _expanded(child, names, type_of)]
        return FunctionCall(node.function, tuple(arguments))
    if isinstance(node, Alias):
        return Alias(_rebuilt(node.expression, names, type_of), node.names)
    return node


def _range(part: Node, names: Sequence[str]) -> list[str]:
    """Give the names of columns that one argument of ``with_columns`` stands for."""
    if part == Column("*"):
        return list(names)
    if isinstance(part, Column):
        return [part.name]
    if isinstance(part, Literal):
        return [names[_position(part, names)]]
    if isinstance(part, Call) and part.name == "rangeTo":
        first, last = (_position(bound, names) for bound in part.arguments)
        if first > last:
            msg = f"the range {part} is empty"
            raise ValidationException(msg)
        return list(names[first : last + 1])
    msg = f"columns are chosen by name, position or range, not by {part}"
    raise ValidationException(msg)


def _position(bound: Node, names: Sequence[str]) -> int:
    value = bound.name if isinstance(bound, Column) else getattr(bound, "value", None)
    if isinstance(value, str) and value in names:
        return list(names).index(value)
    if isinstance(value, int) and 1 <= value <= len(names):
        return value - 1
    msg = f"there is no column {bound} among [{', '.join(names)}]"
    raise ValidationException(msg)


def _flattened(operand: Node, type_of: TypeOf) -> list[Node]:
    data_type = type_of(operand)
    if not isinstance(data_type, RowType):
        return [operand]
    prefix = f"{operand.name}$" if isinstance(operand, Column) else ""
    return [
        Alias(Call("get", (operand, Field(name))), (prefix + name,))
        for name in data_type.field_names()
    ]


def _field_name(operand: Node, position: Node, type_of: TypeOf) -> str:
    data_type = type_of(operand)
    index = position.value if isinstance(position, Literal) else None
    if not isinstance(data_type, RowType):
        msg = f"{operand} is {data_type.as_summary_string()} and has no fields"
        raise ValidationException(msg)
    if not isinstance(index, int) or not 0 <= index < len(data_type):
        msg = f"{operand} has fields 0 to {len(data_type) - 1}, not {position}"
        raise ValidationException(msg)
    return data_type.field_names()[index]


# ---- windows ----


def resolve_over(node: Node, windows: Sequence[OverWindowSpec]) -> Node:
    """Put the windows in the place of their aliases."""
    by_alias = {window.alias: window for window in windows}

    def replace(part: Node) -> Node | None:
        if not (isinstance(part, Call) and part.name == "over"):
            return None
        aggregate, alias = part.arguments
        window = by_alias.get(alias.name) if isinstance(alias, Column) else None
        if window is None:
            msg = f"Could not resolve over call: there is no window {alias}"
            raise ValidationException(msg)
        return OverCall(
            aggregate, window.partition_by, window.order_by, window.preceding, window.following
        )

    return transform(node, replace)


def window_key(window: GroupWindowSpec) -> Node:
    """Give what GROUP BY has for a window."""
    if _counts_rows(window):
        return Call("__COUNT_WINDOW", _window_arguments(window))
    return Call(window.kind, _window_arguments(window))


def window_properties(node: Node, window: GroupWindowSpec) -> Node:
    """Put what a window gives, such as ``w.start``, in the place of the calls."""

    def replace(part: Node) -> Node | None:
        if not (isinstance(part, Call) and part.name in _PROPERTIES):
            return None
        if part.arguments != (Column(window.alias),):
            msg = f"{part}: only the window '{window.alias}' is there"
            raise ValidationException(msg)
        if _counts_rows(window):
            msg = f"{part}: a window over a number of rows has no start, end or time"
            raise ValidationException(msg)
        return Call(f"{window.kind}_{_PROPERTIES[part.name]}", _window_arguments(window))

    return transform(node, replace)


def _counts_rows(window: GroupWindowSpec) -> bool:
    return isinstance(window.size, Call) and window.size.name == "rowInterval"


def _window_arguments(window: GroupWindowSpec) -> tuple[Node, ...]:
    sizes = [window.size] if window.slide is None else [window.slide, window.size]
    rows = [size for size in sizes if isinstance(size, Call) and size.name == "rowInterval"]
    if rows and len(rows) < len(sizes):
        msg = "a sliding window expects the same type of size and slide"
        raise ValidationException(msg)
    if rows and window.kind == "SESSION":
        msg = "the gap of a session window is an interval such as lit(10).minutes"
        raise ValidationException(msg)
    if rows:
        # Slide and size; windows that tumble begin where the last one ended.
        sizes = [rows[0].arguments[0], rows[-1].arguments[0]]
    for size in sizes:
        if not isinstance(size, Literal | SqlText):
            msg = f"the size of a window is an interval such as lit(10).minutes, not {size}"
            raise ValidationException(msg)
    if window.time_field is None:
        msg = f"the window '{window.alias}' has no time attribute"
        raise ValidationException(msg)
    return (window.time_field, *sizes)


# ---- names ----


def named(nodes: Sequence[Node], n_before: int = 0) -> tuple[Node, ...]:
    """Name what has no name: after a cast or a field, else ``_c0``, ``_c1`` ….

    `n_before` columns stand in front of the first one and count.
    """
    numbered = enumerate(nodes, start=n_before)
    return _unique([_with_name(node, _default_name(node, index)) for index, node in numbered])


def named_with_aggregates(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Name as `named`, aggregate functions and window properties ``EXPR$0``, ``EXPR$1`` …."""
    numbered: list[Node] = []
    for node in nodes:
        _number(node, numbered)

    def as_column(part: Node) -> Node | None:
        return Column(f"EXPR${numbered.index(part)}") if part in numbered else None

    return _unique(
        [
            _with_name(node, _default_name(transform(node, as_column), index))
            for index, node in enumerate(nodes)
        ]
    )


def name_of(node: Node) -> str:
    """Give the name of a named node.

    Raises
    ------
    ValidationException
        If it has none.
    """
    if isinstance(node, Alias):
        return node.names[0]
    if isinstance(node, Column):
        return node.name
    msg = f"{node} has no name: give it an alias"
    raise ValidationException(msg)


def _number(node: Node, numbered: list[Node]) -> None:
    if is_aggregate(node) or (isinstance(node, Call) and node.name in _PROPERTIES):
        if node not in numbered:
            numbered.append(node)
        return
    if not isinstance(node, OverCall):
        for child in children(node):
            _number(child, numbered)


def _with_name(node: Node, name: str) -> Node:
    return node if isinstance(node, Column | Alias) else Alias(node, (name,))


def _default_name(node: Node, index: int) -> str:
    if isinstance(node, Column):
        return node.name
    if isinstance(node, Call) and node.name == "cast":
        operand = _path(node.arguments[0])
        if operand is not None:
            return f"{operand}-{node.arguments[1]}"
    return _path(node) or f"_c{index}"


def _path(node: Node) -> str | None:
    """Give the name of a column or, after it, of a field: ``a$b``."""
    if isinstance(node, Column):
        return node.name
    if isinstance(node, Alias):
        return node.names[0]
    if not (isinstance(node, Call) and node.name in ("get", "getAt")):
        return None
    operand, field = _path(node.arguments[0]), node.arguments[1]
    if operand is None:
        return None
    if isinstance(field, Field):
        return f"{operand}${field.name}"
    return f"{operand}$_{getattr(field, 'value', field)}"


def _unique(nodes: list[Node]) -> tuple[Node, ...]:
    names: set[str] = set()
    for node in nodes:
        name = name_of(node)
        if name in names:
            msg = f"Ambiguous column name: {name}"
            raise ValidationException(msg)
        names.add(name)
    return tuple(nodes)
