"""Tables between two steps: grouped, windowed, or aggregated, waiting for ``select``.

```text
  Table.group_by(keys)   ─▶ GroupedTable         ─.select─▶ Table
                                                 ─.aggregate(f)─▶ AggregatedTable ─.select─▶ Table
  Table.window(w)        ─▶ GroupWindowedTable   ─.group_by(keys, w)─▶ WindowGroupedTable ─.select─▶
  Table.over_window(w)   ─▶ OverWindowedTable    ─.select─▶ Table
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.table.composite_types import RowType
from tidemill.table.expression_nodes import (
    Alias,
    Call,
    Column,
    Field,
    FunctionCall,
    Node,
    transform,
)
from tidemill.table.operations import Aggregate, Lateral, Project
from tidemill.table.resolution import (
    named,
    named_with_aggregates,
    resolve_over,
    window_key,
    window_properties,
)
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.table.expression import Expression
    from tidemill.table.table import Table
    from tidemill.table.table_environment import TableEnvironment
    from tidemill.table.udf_wrappers import UserDefinedFunctionWrapper
    from tidemill.table.window import GroupWindowSpec, OverWindowSpec

__all__ = [
    "AggregatedTable",
    "FlatAggregateTable",
    "GroupWindowedTable",
    "GroupedTable",
    "OverWindowedTable",
    "WindowGroupedTable",
]

_RESULT = "$result"


@dataclass(frozen=True)
class Grouping:
    """A table with what it is grouped by; keys can have an alias."""

    table: Table
    keys: tuple[Node, ...] = ()
    window: GroupWindowSpec | None = None
    overs: tuple[OverWindowSpec, ...] = ()
    aggregate: Node | None = None

    def rows(self, expressions: Sequence[Node]) -> Table:
        """Make the table of the groups."""
        aliases = {key.names[0]: key.expression for key in self.keys if isinstance(key, Alias)}

        def replace(part: Node) -> Node | None:
            return aliases.get(part.name) if isinstance(part, Column) else None

        keys = [key.expression if isinstance(key, Alias) else key for key in self.keys]
        if self.window is not None:
            keys.append(window_key(self.window))
        written: list[Node] = []
        for node in named_with_aggregates(expressions):
            replaced = transform(node, replace)
            if isinstance(node, Column) and replaced is not node:
                replaced = Alias(replaced, (node.name,))
            if self.window is not None:
                replaced = window_properties(replaced, self.window)
            written.append(replaced)
        return self.table.with_relation(Aggregate(self.table.relation, tuple(keys), tuple(written)))


class _Waiting:
    """A table that waits for ``select``, with the parameters that PyFlink's have."""

    def __init__(self, java_table: Grouping, t_env: TableEnvironment) -> None:
        """Keep both."""
        self._grouping = java_table
        self._t_env = t_env


class GroupedTable(_Waiting):
    """A table with grouping keys.

    Parameters
    ----------
    java_table
        The table and its keys; the name is PyFlink's.
    t_env
        The environment.
    """

    def select(self, *fields: Expression | str) -> Table:
        """Compute columns: keys, aggregate functions, and ``w.start`` and its like of a window."""
        return self._grouping.rows(self._grouping.table.resolve(fields))

    def aggregate(self, func: Expression | UserDefinedFunctionWrapper | str) -> AggregatedTable:
        """Apply one aggregate function; `AggregatedTable.select` says what is kept."""
        return AggregatedTable(_aggregated(self._grouping, func), self._t_env)

    def flat_aggregate(
        self, func: Expression | UserDefinedFunctionWrapper | str
    ) -> FlatAggregateTable:
        """Apply one table aggregate function; `FlatAggregateTable.select` says what is kept."""
        return FlatAggregateTable(_aggregated(self._grouping, func), self._t_env)


class GroupWindowedTable(_Waiting):
    """A table with a window that must be grouped by it.

    Parameters
    ----------
    java_group_windowed_table
        The table and its window; the name is PyFlink's.
    t_env
        The environment.
    """

    def __init__(self, java_group_windowed_table: Grouping, t_env: TableEnvironment) -> None:
        """Keep both."""
        super().__init__(java_group_windowed_table, t_env)

    def group_by(self, *fields: Expression | str) -> WindowGroupedTable:
        """Group by the window's alias, and by further keys."""
        window = self._grouping.window
        alias = Column("" if window is None else window.alias)
        keys = self._grouping.table.resolve(fields)
        if alias not in keys:
            msg = f"group_by must have the window's alias '{alias}' among its keys"
            raise ValidationException(msg)
        rest = tuple(key for key in keys if key != alias)
        return WindowGroupedTable(Grouping(self._grouping.table, rest, window), self._t_env)


class WindowGroupedTable(GroupedTable):
    """A table grouped by a window and keys.

    Parameters
    ----------
    java_window_grouped_table
        The table, its keys and its window; the name is PyFlink's.
    t_env
        The environment.
    """

    def __init__(self, java_window_grouped_table: Grouping, t_env: TableEnvironment) -> None:
        """Keep both."""
        super().__init__(java_window_grouped_table, t_env)


class OverWindowedTable(_Waiting):
    """A table with windows over the rows around each row.

    Parameters
    ----------
    java_over_windowed_table
        The table and its windows; the name is PyFlink's.
    t_env
        The environment.
    """

    def __init__(self, java_over_windowed_table: Grouping, t_env: TableEnvironment) -> None:
        """Keep both."""
        super().__init__(java_over_windowed_table, t_env)

    def select(self, *fields: Expression | str) -> Table:
        """Compute columns for each row, some by ``aggregate.over(col("w"))``."""
        table = self._grouping.table
        nodes = [resolve_over(node, self._grouping.overs) for node in table.resolve(fields)]
        return table.with_relation(Project(table.relation, named(nodes)))


class AggregatedTable(_Waiting):
    """A table with one aggregate function applied.

    Parameters
    ----------
    java_table
        The table, its keys and the function; the name is PyFlink's.
    t_env
        The environment.
    """

    def select(self, *fields: Expression | str) -> Table:
        """Choose among the keys, the window, and the columns that the function gives."""
        return _chosen(self._grouping, fields, spread=False)


class FlatAggregateTable(_Waiting):
    """A table with one table aggregate function applied.

    Parameters
    ----------
    java_table
        The table, its keys and the function; the name is PyFlink's.
    t_env
        The environment.
    """

    def select(self, *fields: Expression | str) -> Table:
        """Choose among the keys, the window, and the columns that the function gives."""
        return _chosen(self._grouping, fields, spread=True)


def _chosen(grouping: Grouping, fields: Sequence[Expression | str], *, spread: bool) -> Table:
    """Apply the function of `grouping` and choose among what there is then.

    With `spread` the function gives an array of rows for a group, and each makes a row.
    """
    function = grouping.aggregate
    alias: tuple[str, ...] = ()
    if isinstance(function, Alias):
        alias, function = function.names, function.expression
    if function is None:
        msg = "an aggregate function is needed"
        raise ValidationException(msg)
    result = function.function.result_type if isinstance(function, FunctionCall) else None
    keys: list[Node] = [Column(_key_name(key)) for key in grouping.keys]
    nodes = list(grouping.table.parse(fields))
    if grouping.window is not None:
        # Properties of the window are computed with the function and chosen by name.
        for index, node in enumerate(nodes):
            bare = node.expression if isinstance(node, Alias) else node
            if isinstance(bare, Call) and bare.arguments == (Column(grouping.window.alias),):
                keys.append(Alias(bare, (f"$window{index}",)))
                name = node.names if isinstance(node, Alias) else (f"EXPR${index}",)
                nodes[index] = Alias(Column(f"$window{index}"), name)
    grouped = grouping.rows([*keys, Alias(function, (_RESULT,))])
    own: list[Node] = [Column(_key_name(key)) for key in keys]
    if spread:
        names = result.field_names() if isinstance(result, RowType) else ["f0"]
        names = [*alias, *names[len(alias) :]]
        rows = Lateral(grouped.relation, Column(_RESULT), tuple(names), "INNER", None)
        flat = grouped.with_relation(Project(rows, (*own, *map(Column, names))))
    elif isinstance(result, RowType):
        for index, field_name in enumerate(result.field_names()):
            field = Call("get", (Column(_RESULT), Field(field_name)))
            own.append(Alias(field, alias[index : index + 1] or (field_name,)))
        flat = grouped.with_relation(Project(grouped.relation, tuple(own)))
    else:
        own.append(Alias(Column(_RESULT), alias or ("EXPR$0",)))
        flat = grouped.with_relation(Project(grouped.relation, tuple(own)))
    return flat.with_relation(Project(flat.relation, named(flat.resolve_nodes(nodes))))


def _aggregated(grouping: Grouping, func: Any) -> Grouping:
    """Add the function; one that is not called yet takes all columns as one row."""
    table = grouping.table
    if hasattr(func, "for_row"):
        names = table.column_names()
        call: Node = func.for_row(names)(*map(table.column, names)).node
        if func.alias_names:
            call = Alias(call, func.alias_names)
    else:
        (call,) = table.resolve([func])
    return Grouping(table, grouping.keys, grouping.window, aggregate=call)


def _key_name(key: Node) -> str:
    if isinstance(key, Alias):
        return key.names[0]
    if isinstance(key, Column):
        return key.name
    msg = f"the grouping key {key} needs an alias"
    raise ValidationException(msg)
