"""`Table`: a query in the making.

A table is a tree of operations and an environment. Each operation makes a new table and is
checked by the engine at once, so that an unknown column is reported where it was written; nothing
runs before `execute`, `execute_insert`, `to_pandas` or a display.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from tidemill.table import display_hook
from tidemill.table.catalog import ResolvedSchema
from tidemill.table.expression import Expression
from tidemill.table.expression_nodes import Alias, Call, Column, FunctionCall, Node
from tidemill.table.operations import (
    Aggregate,
    Distinct,
    Filter,
    Join,
    Limit,
    OrderBy,
    Project,
    Relation,
    SetOperation,
)
from tidemill.table.sql_compiler import AGGREGATES, contains_aggregate
from tidemill.table.table_pipeline import TablePipeline
from tidemill.table.table_schema import TableSchema
from tidemill.table.type_parser import parse_data_type
from tidemill.util.exceptions import ValidationException, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill._native.engine import Query
    from tidemill.table.explain_detail import ExplainDetail
    from tidemill.table.table_descriptor import TableDescriptor
    from tidemill.table.table_environment import TableEnvironment
    from tidemill.table.table_result import TableResult

__all__ = ["GroupedTable", "Table"]


class Table:
    """The result of a query that can be refined further.

    Parameters
    ----------
    relation
        The operations.
    t_env
        The environment that it belongs to.

    Raises
    ------
    ValidationException
        If the operations make no sense, e.g. name an unknown column.
    """

    def __init__(self, relation: Relation, t_env: TableEnvironment) -> None:
        """Let the engine check the operations."""
        self._relation = relation
        self._t_env = t_env
        self._sql = t_env.compile(relation)
        self._fields = self.query().schema()

    # ---- what other modules need ----

    @property
    def sql(self) -> str:
        """The query as SQL text."""
        return self._sql

    @property
    def relation(self) -> Relation:
        """The operations."""
        return self._relation

    def query(self) -> Query:
        """Plan the query anew."""
        return self._t_env.session.query(self._sql)

    # ---- columns ----

    def __getattr__(self, name: str) -> Expression:
        """Give a column as an expression."""
        if name.startswith("_"):
            raise AttributeError(name)
        names = self._names()
        if name not in names:
            known = ", ".join(names)
            msg = f"The current table has no column named '{name}', available columns: [{known}]"
            raise AttributeError(msg)
        return Expression(Column(name))

    def select(self, *fields: Expression) -> Table:
        """Compute columns; aggregate functions make one row of all.

        Examples
        --------
        ``table.select(col("word"), col("n") + 1)``
        """
        nodes = _nodes(fields)
        if any(map(contains_aggregate, nodes)):
            return self._with(Aggregate(self._relation, (), _named(nodes)))
        return self._with(Project(self._relation, _named(nodes)))

    def alias(self, field: str, *fields: str) -> Table:
        """Rename the first columns, in order."""
        names = (field, *fields)
        own = self._names()
        if len(names) > len(own):
            msg = f"{len(names)} names for a table of {len(own)} columns"
            raise ValidationException(msg)
        nodes: list[Node] = [
            Alias(Column(old), (new,)) for old, new in zip(own, names, strict=False)
        ]
        nodes.extend(Column(name) for name in own[len(names) :])
        return self._with(Project(self._relation, tuple(nodes)))

    def add_columns(self, *fields: Expression) -> Table:
        """Append columns."""
        own = [Column(name) for name in self._names()]
        added = _named(_nodes(fields))
        existing = set(self._names())
        for node in added:
            if (name := _name_of(node)) in existing:
                msg = f"column '{name}' exists already: use add_or_replace_columns"
                raise ValidationException(msg)
        return self._with(Project(self._relation, (*own, *added)))

    def add_or_replace_columns(self, *fields: Expression) -> Table:
        """Append columns, or put them where a column of the same name is."""
        added = {_name_of(node): node for node in _named(_nodes(fields))}
        nodes = [added.pop(name, Column(name)) for name in self._names()]
        return self._with(Project(self._relation, (*nodes, *added.values())))

    def rename_columns(self, *fields: Expression) -> Table:
        """Rename columns, given as ``col("old").alias("new")``."""
        renamed: dict[str, str] = {}
        for node in _nodes(fields):
            if not (isinstance(node, Alias) and isinstance(node.expression, Column)):
                msg = f"rename_columns takes columns with an alias, got {node}"
                raise ValidationException(msg)
            renamed[node.expression.name] = node.names[0]
        self._require(renamed)
        nodes = tuple(
            Alias(Column(name), (renamed[name],)) if name in renamed else Column(name)
            for name in self._names()
        )
        return self._with(Project(self._relation, nodes))

    def drop_columns(self, *fields: Expression) -> Table:
        """Leave columns out."""
        dropped = [_name_of(node) for node in _nodes(fields)]
        self._require(dropped)
        nodes = tuple(Column(name) for name in self._names() if name not in dropped)
        return self._with(Project(self._relation, nodes))

    # ---- rows ----

    def filter(self, predicate: Expression) -> Table:
        """Keep the rows for which the predicate is true."""
        return self._with(Filter(self._relation, _nodes([predicate])[0]))

    def where(self, predicate: Expression) -> Table:
        """Keep the rows for which the predicate is true."""
        return self.filter(predicate)

    def group_by(self, *fields: Expression) -> GroupedTable:
        """Group by expressions; `GroupedTable.select` says what is computed."""
        return GroupedTable(self, _nodes(fields))

    def distinct(self) -> Table:
        """Give each row once."""
        return self._with(Distinct(self._relation))

    def union_all(self, right: Table) -> Table:
        """Give the rows of both."""
        return self._combine(right, "UNION ALL")

    def union(self, right: Table) -> Table:
        """Give the rows of both, each once."""
        return self._combine(right, "UNION")

    def intersect(self, right: Table) -> Table:
        """Give the rows that are in both, each once."""
        return self._combine(right, "INTERSECT")

    def intersect_all(self, right: Table) -> Table:
        """Give the rows that are in both, as often as in both."""
        return self._combine(right, "INTERSECT ALL")

    def minus(self, right: Table) -> Table:
        """Give the rows that are not in the other, each once."""
        return self._combine(right, "EXCEPT")

    def minus_all(self, right: Table) -> Table:
        """Give the rows that are not in the other, as often as there are more."""
        return self._combine(right, "EXCEPT ALL")

    def join(self, right: Table, join_predicate: Expression | None = None) -> Table:
        """Give pairs of rows for which the predicate is true."""
        return self._join(right, "INNER", join_predicate)

    def left_outer_join(self, right: Table, join_predicate: Expression | None = None) -> Table:
        """Give pairs of rows, and left rows without a partner."""
        return self._join(right, "LEFT", join_predicate)

    def right_outer_join(self, right: Table, join_predicate: Expression) -> Table:
        """Give pairs of rows, and right rows without a partner."""
        return self._join(right, "RIGHT", join_predicate)

    def full_outer_join(self, right: Table, join_predicate: Expression) -> Table:
        """Give pairs of rows, and rows without a partner of both sides."""
        return self._join(right, "FULL", join_predicate)

    def order_by(self, *fields: Expression) -> Table:
        """Give the rows in an order."""
        return self._with(OrderBy(self._relation, _nodes(fields)))

    def offset(self, offset: int) -> Table:
        """Leave out the first rows of an order."""
        return self._with(Limit(self._relation, offset, None))

    def fetch(self, fetch: int) -> Table:
        """Give the first rows; after `offset`, the first of the rest."""
        if isinstance(self._relation, Limit) and self._relation.fetch is None:
            limit = Limit(self._relation.input, self._relation.offset, fetch)
            return self._with(limit)
        return self._with(Limit(self._relation, 0, fetch))

    def limit(self, fetch: int, offset: int = 0) -> Table:
        """Give some rows from an offset on."""
        return self._with(Limit(self._relation, offset, fetch))

    # ---- running ----

    def execute(self) -> TableResult:
        """Run the query and give its changelog."""
        return self._t_env.result_of(self.query().collect())

    def insert_into(
        self,
        table_path_or_descriptor: str | TableDescriptor,
        overwrite: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> TablePipeline:
        """Name a sink; the result does nothing until it is executed."""
        path = self._t_env.sink_path(table_path_or_descriptor)
        words = "INSERT OVERWRITE" if overwrite else "INSERT INTO"
        return TablePipeline(self._t_env, f"{words} {path} {self._sql}", path, self)

    def execute_insert(
        self,
        table_path_or_descriptor: str | TableDescriptor,
        overwrite: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> TableResult:
        """Start a job that writes the rows into a table."""
        return self.insert_into(table_path_or_descriptor, overwrite).execute()

    def to_arrow(self) -> Any:
        """Run the query to its end and give the resulting table as a ``pyarrow.Table``.

        Raises
        ------
        ValidationException
            If the query never ends: its input does not, and no LIMIT stops reading it.
        """
        import pyarrow as pa  # noqa: PLC0415 - only who asks for Arrow needs the package

        query = self.query()
        if not query.ends():
            msg = "this table never ends: limit it, or use execute().collect() and stop reading"
            raise ValidationException(msg)
        return pa.table(query.to_arrow())

    def to_pandas(self) -> Any:
        """Run the query to its end and give the resulting table as a ``pandas.DataFrame``.

        Raises
        ------
        ValidationException
            If the query never ends: its input does not, and no LIMIT stops reading it.
        """
        return self.to_arrow().to_pandas(date_as_object=True)

    # ---- looking ----

    def explain(self, *extra_details: ExplainDetail) -> str:
        """Give the plan."""
        return self._t_env.explain_sql(self._sql, *extra_details)

    def print_explain(self, *extra_details: ExplainDetail) -> None:
        """Print the plan."""
        print(self.explain(*extra_details))  # noqa: T201 - printing is its purpose

    def get_schema(self) -> TableSchema:
        """Give names and types of the columns."""
        return TableSchema(self._names(), [parse_data_type(text) for _, text in self._fields])

    def get_resolved_schema(self) -> ResolvedSchema:
        """Give names and types of the columns."""
        types = [parse_data_type(text) for _, text in self._fields]
        return ResolvedSchema.physical(self._names(), types)

    def print_schema(self) -> None:
        """Print names and types of the columns."""
        print(self.get_resolved_schema())  # noqa: T201 - printing is its purpose

    def __str__(self) -> str:
        """Register the table under a new name and give it, so that SQL text can name the table."""
        return self._t_env.name_of(self)

    def __repr__(self) -> str:
        """Show names and types of the columns."""
        columns = ", ".join(
            f"{name} {parse_data_type(text).as_summary_string()}" for name, text in self._fields
        )
        return f"Table({columns})"

    def _ipython_display_(self) -> None:
        if not display_hook.show(self):
            print(repr(self))  # noqa: T201 - the plain form of a display

    def _with(self, relation: Relation) -> Table:
        return Table(relation, self._t_env)

    def _combine(self, right: Table, operator: Any) -> Table:
        self._require_same_environment(right)
        return self._with(SetOperation(self._relation, right.relation, operator))

    def _join(self, right: Table, kind: Any, predicate: Expression | None) -> Table:
        self._require_same_environment(right)
        common = set(self._names()) & set(right.get_schema().get_field_names())
        if common:
            msg = f"join relations with ambiguous names: [{', '.join(sorted(common))}]"
            raise ValidationException(msg)
        node = None if predicate is None else predicate.node
        return self._with(Join(self._relation, right.relation, kind, node))

    def _require_same_environment(self, other: Table) -> None:
        if other._t_env is not self._t_env:
            msg = "both tables must belong to the same TableEnvironment"
            raise ValidationException(msg)

    def _require(self, names: Any) -> None:
        own = self._names()
        for name in names:
            if name not in own:
                msg = f"Cannot resolve field [{name}], input field list:[{', '.join(own)}]."
                raise ValidationException(msg)

    def _names(self) -> list[str]:
        return [name for name, _ in self._fields]

    # ---- not there yet ----

    def window(self, window: Any) -> NoReturn:
        """Refuse: windows are not there yet."""
        del window
        refuse("Table.window")

    def over_window(self, *over_windows: Any) -> NoReturn:
        """Refuse: OVER windows are not there yet."""
        del over_windows
        refuse("Table.over_window")

    def map(self, func: Any) -> NoReturn:
        """Refuse: row-based operations are not there yet."""
        del func
        refuse("Table.map")

    def flat_map(self, func: Any) -> NoReturn:
        """Refuse: table functions are not there yet."""
        del func
        refuse("Table.flat_map")

    def aggregate(self, func: Any) -> NoReturn:
        """Refuse: aggregate functions in Python are not there yet."""
        del func
        refuse("Table.aggregate")

    def join_lateral(self, table_function_call: Any, join_predicate: Any = None) -> NoReturn:
        """Refuse: table functions are not there yet."""
        del table_function_call, join_predicate
        refuse("Table.join_lateral")


class GroupedTable:
    """A table with grouping keys.

    Parameters
    ----------
    table
        The table.
    keys
        What to group by.
    """

    def __init__(self, table: Table, keys: Sequence[Node]) -> None:
        """Keep both; keys that are not plain columns are computed first, under a name."""
        self._table = table
        names = table.get_schema().get_field_names()
        added: list[Node] = []
        columns: list[Node] = []
        for key in keys:
            if isinstance(key, Column):
                columns.append(key)
                continue
            name = key.names[0] if isinstance(key, Alias) else f"_key{len(added)}"
            if name in names:
                msg = f"the grouping key '{name}' has the name of a column: use another alias"
                raise ValidationException(msg)
            added.append(key if isinstance(key, Alias) else Alias(key, (name,)))
            columns.append(Column(name))
        self._keys = tuple(columns)
        self._input = table.relation
        if added:
            own = [Column(name) for name in names]
            self._input = Project(self._input, (*own, *added))

    def select(self, *fields: Expression) -> Table:
        """Compute columns of the groups: keys and aggregate functions."""
        expressions = _named(_nodes(fields))
        return self._table._with(Aggregate(self._input, self._keys, expressions))  # noqa: SLF001 - the same module


def _nodes(fields: Sequence[Expression]) -> tuple[Node, ...]:
    for field in fields:
        if not isinstance(field, Expression):
            msg = f"an expression is needed, not {field!r}: use col('name') or call_sql('text')"
            raise TypeError(msg)
    return tuple(field.node for field in fields)


def _named(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Name what has no name: ``EXPR$0`` for bare aggregates, ``_c0`` for the rest."""
    named: list[Node] = []
    n_aggregates = 0
    for index, node in enumerate(nodes):
        if not isinstance(node, Call | FunctionCall):
            named.append(_alias_literal(node, index))
        elif isinstance(node, Call) and _is_aggregate(node):
            named.append(Alias(node, (f"EXPR${n_aggregates}",)))
            n_aggregates += 1
        else:
            named.append(Alias(node, (_default_name(node, index),)))
    return tuple(named)


def _alias_literal(node: Node, index: int) -> Node:
    return node if isinstance(node, Column | Alias) else Alias(node, (f"_c{index}",))


def _default_name(node: Node, index: int) -> str:
    # Flink names a bare cast of a column after both.
    if isinstance(node, Call) and node.name == "cast" and isinstance(node.arguments[0], Column):
        return f"{node.arguments[0]}-{node.arguments[1]}"
    return f"_c{index}"


def _is_aggregate(node: Call) -> bool:
    if node.name == "distinct":
        inner = node.arguments[0]
        return isinstance(inner, Call) and inner.name in AGGREGATES
    return node.name in AGGREGATES


def _name_of(node: Node) -> str:
    if isinstance(node, Alias):
        return node.names[0]
    if isinstance(node, Column):
        return node.name
    msg = f"{node} has no name: give it an alias"
    raise ValidationException(msg)
