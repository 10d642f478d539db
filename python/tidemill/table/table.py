"""`Table`: a query in the making.

A table is a tree of operations and an environment. Each operation makes a new table and is
checked by the engine at once, so that an unknown column is reported where it was written; nothing
runs before `execute`, `execute_insert`, `to_pandas` or a display.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tidemill.table import display_hook
from tidemill.table.catalog_schema import Column as SchemaColumn
from tidemill.table.catalog_schema import ResolvedSchema
from tidemill.table.composite_types import RowType
from tidemill.table.described_table import resolved_schema
from tidemill.table.expression import Expression, to_node
from tidemill.table.expression_nodes import Alias, Call, Column, Field, FunctionCall, Node
from tidemill.table.grouped_tables import (
    AggregatedTable,
    FlatAggregateTable,
    GroupedTable,
    Grouping,
    GroupWindowedTable,
    OverWindowedTable,
    WindowGroupedTable,
)
from tidemill.table.limits import require_count
from tidemill.table.operations import (
    Distinct,
    Filter,
    Join,
    Lateral,
    Limit,
    OrderBy,
    Project,
    Relation,
    Scan,
    SetOperation,
)
from tidemill.table.resolution import name_of, named, resolve_columns
from tidemill.table.sql_compiler import contains_aggregate
from tidemill.table.sql_text import quote_identifier
from tidemill.table.string_expressions import parse_expressions, to_expressions
from tidemill.table.table_output import TableOutput
from tidemill.table.table_pipeline import TablePipeline
from tidemill.table.table_schema import TableSchema
from tidemill.table.type_parser import parse_data_type
from tidemill.table.udf_wrappers import UserDefinedFunctionWrapper
from tidemill.table.window import GroupWindow
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidemill._native.engine import Query
    from tidemill.table.explain_detail import ExplainDetail
    from tidemill.table.logical_types import DataType
    from tidemill.table.table_descriptor import TableDescriptor
    from tidemill.table.table_environment import TableEnvironment
    from tidemill.table.table_result import TableResult
    from tidemill.table.window import OverWindow

__all__ = [
    "AggregatedTable",
    "FlatAggregateTable",
    "GroupWindowedTable",
    "GroupedTable",
    "OverWindowedTable",
    "Table",
    "WindowGroupedTable",
]


# What results have and tables have not.
_OF_RESULTS = ("collect", "get_job_client", "print", "wait")
# What the engine says of a connector that cannot be read.
_SINK_ONLY = "can only be used as a sink"


class Table(TableOutput):
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
        checked = self._sql
        if isinstance(relation, Limit) and relation.fetch is None:
            # An offset alone is not planned before it runs: a fetch may follow.
            checked = t_env.compile(relation.input)
        self._fields, self._times = self._described(checked)

    def _described(self, sql: str) -> tuple[list[tuple[str, str]], list[str | None]]:
        """Give names and types of the columns, and which of them are a time attribute."""
        session = self._t_env.session
        try:
            query = session.query(sql)
        except ValidationException as error:
            if not isinstance(self._relation, Scan) or _SINK_ONLY not in str(error):
                raise
            # It can be looked at, as in Flink; a query of it fails when it is planned.
            described = resolved_schema(self._t_env.describe(self._relation.path))
            types = described.get_column_data_types()
            texts = (data_type.as_serializable_string() for data_type in types)
            fields = list(zip(described.get_column_names(), texts, strict=True))
            return fields, [None] * len(fields)
        return query.schema(), query.time_attributes()

    # ---- what other modules need ----

    @property
    def sql(self) -> str:
        """The query as SQL text."""
        return self._sql

    @property
    def relation(self) -> Relation:
        """The operations."""
        return self._relation

    def to_sql(self) -> str:
        """Give the query as Flink SQL text."""
        return self._sql

    def query(self) -> Query:
        """Plan the query anew."""
        return self._t_env.session.query(self._sql)

    def with_relation(self, relation: Relation) -> Table:
        """Make a table of other operations in the same environment."""
        return Table(relation, self._t_env)

    def column_names(self) -> list[str]:
        """Give the names of the columns."""
        return [name for name, _ in self._fields]

    def column(self, name: str) -> Expression:
        """Give a column as an expression, whatever its name."""
        return Expression(Column(name))

    def parse(self, fields: Iterable[Any]) -> list[Node]:
        """Take expressions and texts of the older API."""
        functions = self._t_env.list_user_defined_functions()
        return [expression.node for expression in to_expressions(fields, functions)]

    def resolve(self, fields: Iterable[Any]) -> tuple[Node, ...]:
        """Take expressions and texts, and replace what stands for columns of this table."""
        return self.resolve_nodes(self.parse(fields))

    def resolve_nodes(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Replace what stands for columns of this table."""
        return resolve_columns(nodes, self.column_names(), self._type_of)

    def _type_of(self, node: Node) -> DataType:
        text = self._t_env.compile(Project(self._relation, (Alias(node, ("$type",)),)))
        return parse_data_type(self._t_env.session.query(text).schema()[0][1])

    # ---- columns ----

    def __getattr__(self, name: str) -> Expression:
        """Give a column as an expression."""
        if name.startswith("_"):
            raise AttributeError(name)
        names = self.column_names()
        if name not in names:
            known = ", ".join(names)
            msg = f"The current table has no column named '{name}', available columns: [{known}]"
            if name in _OF_RESULTS:
                msg += f"; a query is run before that: table.execute().{name}()"
            raise AttributeError(msg)
        return Expression(Column(name))

    def select(self, *fields: Expression | str) -> Table:
        """Compute columns; aggregate functions make one row of all.

        Examples
        --------
        ``table.select(col("word"), col("n") + 1)``, or as text ``table.select("word, n + 1")``.
        """
        nodes = self.resolve(fields)
        if any(map(contains_aggregate, nodes)):
            return Grouping(self).rows(nodes)
        return self._project(nodes)

    def alias(self, field: str, *fields: str) -> Table:
        """Rename the first columns, in order; also by one text, ``"a, b"``."""
        names = (field, *fields)
        if not fields and "," in field:
            names = tuple(name_of(part.node) for part in parse_expressions(field))
        own = self.column_names()
        if len(names) > len(own):
            msg = f"{len(names)} names for a table of {len(own)} columns"
            raise ValidationException(msg)
        nodes: list[Node] = [
            Alias(Column(old), (new,)) for old, new in zip(own, names, strict=False)
        ]
        nodes.extend(Column(name) for name in own[len(names) :])
        return self._project(nodes)

    def add_columns(self, *fields: Expression | str) -> Table:
        """Append columns."""
        own = [Column(name) for name in self.column_names()]
        added = named(self.resolve(fields), len(own))
        existing = set(self.column_names())
        for node in added:
            if (name := name_of(node)) in existing:
                msg = f"column '{name}' exists already: use add_or_replace_columns"
                raise ValidationException(msg)
        return self._project((*own, *added))

    def add_or_replace_columns(self, *fields: Expression | str) -> Table:
        """Append columns, or put them where a column of the same name is."""
        n_own = len(self.column_names())
        added = {name_of(node): node for node in named(self.resolve(fields), n_own)}
        nodes = [added.pop(name, Column(name)) for name in self.column_names()]
        return self._project((*nodes, *added.values()))

    def rename_columns(self, *fields: Expression | str) -> Table:
        """Rename columns, given as ``col("old").alias("new")`` or ``"old as new"``."""
        renamed: dict[str, str] = {}
        for node in self.resolve(fields):
            if not (isinstance(node, Alias) and isinstance(node.expression, Column)):
                msg = f"rename_columns takes columns with an alias, got {node}"
                raise ValidationException(msg)
            renamed[node.expression.name] = node.names[0]
        self._require(renamed)
        return self._project(
            [
                Alias(Column(name), (renamed[name],)) if name in renamed else Column(name)
                for name in self.column_names()
            ]
        )

    def drop_columns(self, *fields: Expression | str) -> Table:
        """Leave columns out."""
        dropped = [name_of(node) for node in self.resolve(fields)]
        self._require(dropped)
        return self._project([Column(name) for name in self.column_names() if name not in dropped])

    # ---- rows ----

    def filter(self, predicate: Expression | str) -> Table:
        """Keep the rows for which the predicate is true."""
        return self.with_relation(Filter(self._relation, self._one(predicate)))

    def where(self, predicate: Expression | str) -> Table:
        """Keep the rows for which the predicate is true."""
        return self.filter(predicate)

    def group_by(self, *fields: Expression | str) -> GroupedTable:
        """Group by expressions; `GroupedTable.select` says what is computed."""
        keys = self.resolve(fields)
        for key in keys:
            if isinstance(key, Alias) and key.names[0] in self.column_names():
                msg = f"the grouping key '{key.names[0]}' has the name of a column: use another"
                raise ValidationException(msg)
        return GroupedTable(Grouping(self, keys), self._t_env)

    def window(self, window: GroupWindow) -> GroupWindowedTable:
        """Group by a window of time; the alias of the window must be among the keys."""
        if not isinstance(window, GroupWindow):
            msg = (
                f"{type(window).__name__} is no whole window: it is built by "
                "Tumble.over(lit(10).minutes).on(col('ts')).alias('w') and its like"
            )
            raise TypeError(msg)
        return GroupWindowedTable(Grouping(self, window=window.spec), self._t_env)

    def over_window(self, *over_windows: OverWindow) -> OverWindowedTable:
        """Define windows of the rows around each row, for ``aggregate.over(col("w"))``."""
        specs = tuple(window.spec for window in over_windows)
        return OverWindowedTable(Grouping(self, overs=specs), self._t_env)

    def aggregate(self, func: Expression | UserDefinedFunctionWrapper | str) -> AggregatedTable:
        """Apply one aggregate function to all rows; `AggregatedTable.select` says what is kept."""
        return GroupedTable(Grouping(self), self._t_env).aggregate(func)

    def flat_aggregate(
        self, func: Expression | UserDefinedFunctionWrapper | str
    ) -> FlatAggregateTable:
        """Apply one table aggregate function to all rows."""
        return GroupedTable(Grouping(self), self._t_env).flat_aggregate(func)

    def map(self, func: Expression | UserDefinedFunctionWrapper | str) -> Table:
        """Make a row of each row by a scalar function; one that is not called takes the row.

        The fields of its result become the columns; a result without fields becomes ``f0``.
        """
        call = self._row_call(func)
        if isinstance(call, Alias):
            call = call.expression
        result = self._type_of(call)
        if not isinstance(result, RowType):
            return self._project([Alias(call, ("f0",))])
        inner = self.with_relation(Project(self._relation, (Alias(call, ("$row",)),)))
        return inner.with_relation(
            Project(
                inner.relation,
                tuple(
                    Alias(Call("get", (Column("$row"), Field(name))), (name,))
                    for name in result.field_names()
                ),
            )
        )

    def flat_map(self, func: Expression | UserDefinedFunctionWrapper | str) -> Table:
        """Make any number of rows of each row by a table function; see `map`."""
        call, names = self._table_call(self._row_call(func))
        inner = tuple(f"$flat{index}" for index in range(len(names)))
        joined = self._lateral(Lateral(self._relation, call, inner, "INNER", None))
        own, final = set(self.column_names()), list[str]()
        for name in names:
            unique, number = name, 0
            while unique in own:
                unique, number = f"{name}_{number}", number + 1
            final.append(unique)
        nodes = [Alias(Column(old), (new,)) for old, new in zip(inner, final, strict=True)]
        return joined.with_relation(Project(joined.relation, tuple(nodes)))

    def distinct(self) -> Table:
        """Give each row once."""
        return self.with_relation(Distinct(self._relation))

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

    def join(self, right: Table, join_predicate: Expression | str | None = None) -> Table:
        """Give pairs of rows for which the predicate is true."""
        return self._join(right, "INNER", join_predicate)

    def left_outer_join(
        self, right: Table, join_predicate: Expression | str | None = None
    ) -> Table:
        """Give pairs of rows, and left rows without a partner."""
        return self._join(right, "LEFT", join_predicate)

    def right_outer_join(self, right: Table, join_predicate: Expression | str) -> Table:
        """Give pairs of rows, and right rows without a partner."""
        return self._join(right, "RIGHT", join_predicate)

    def full_outer_join(self, right: Table, join_predicate: Expression | str) -> Table:
        """Give pairs of rows, and rows without a partner of both sides."""
        return self._join(right, "FULL", join_predicate)

    def join_lateral(
        self,
        table_function_call: Expression | UserDefinedFunctionWrapper | str,
        join_predicate: Expression | str | None = None,
    ) -> Table:
        """Give each row with the rows that a table function gives for it."""
        return self._join_lateral(table_function_call, "INNER", join_predicate)

    def left_outer_join_lateral(
        self,
        table_function_call: Expression | UserDefinedFunctionWrapper | str,
        join_predicate: Expression | str | None = None,
    ) -> Table:
        """Give each row with the rows of a table function; with NULLs where there are none."""
        return self._join_lateral(table_function_call, "LEFT", join_predicate)

    def order_by(self, *fields: Expression | str) -> Table:
        """Give the rows in an order."""
        return self.with_relation(OrderBy(self._relation, self.resolve(fields)))

    def offset(self, offset: int) -> Table:
        """Leave out the first rows of an order."""
        require_count("offset", offset)
        return self.with_relation(Limit(self._relation, offset, None))

    def fetch(self, fetch: int) -> Table:
        """Give the first rows; after `offset`, the first of the rest."""
        require_count("fetch", fetch)
        if isinstance(self._relation, Limit) and self._relation.fetch is None:
            limit = Limit(self._relation.input, self._relation.offset, fetch)
            return self.with_relation(limit)
        return self.with_relation(Limit(self._relation, 0, fetch))

    def limit(self, fetch: int, offset: int = 0) -> Table:
        """Give some rows from an offset on."""
        require_count("fetch", fetch)
        require_count("offset", offset)
        return self.with_relation(Limit(self._relation, offset, fetch))

    # ---- running ----

    def execute(self) -> TableResult:
        """Run the query and give its changelog."""
        return self._t_env.result_of(self.query().collect())

    def insert_into(
        self,
        table_path_or_descriptor: str | TableDescriptor,
        overwrite: bool | str = False,  # noqa: FBT001, FBT002 - PyFlink's signature
        *table_path_continued: str,
    ) -> TablePipeline:
        """Name a sink; the result does nothing until it is executed.

        As in the older API, a pipeline that nobody executes runs with the environment's
        ``execute``; and the path may be given in parts.
        """
        target = table_path_or_descriptor
        if isinstance(overwrite, str) and isinstance(target, str):
            target = ".".join((target, overwrite, *table_path_continued))
        path = self._t_env.sink_path(target)
        words = "INSERT OVERWRITE" if overwrite is True else "INSERT INTO"
        pipeline = TablePipeline(self._t_env, f"{words} {path} {self._sql}", path, self)
        self._t_env.remember(pipeline)
        return pipeline

    def execute_insert(
        self,
        table_path_or_descriptor: str | TableDescriptor,
        overwrite: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> TableResult:
        """Start a job that writes the rows into a table."""
        return self.insert_into(table_path_or_descriptor, overwrite).execute()

    def cache(self) -> Table:
        """Run the query to its end and give its rows as a table that does not run it again.

        Raises
        ------
        ValidationException
            If the query never ends.
        """
        return self._t_env.from_arrow(self.to_arrow(), self.get_schema().to_row_data_type())

    # ---- changelogs ----

    def to_changelog(self, *arguments: Expression) -> Table:
        """Make insert-only rows of the changes, each with its kind as a column."""
        return self._changelog_function("TO_CHANGELOG", arguments)

    def from_changelog(self, *arguments: Expression) -> Table:
        """Make changes of insert-only rows that have their kind as a column."""
        return self._changelog_function("FROM_CHANGELOG", arguments)

    def _changelog_function(self, function: str, arguments: Sequence[Expression]) -> Table:
        further = "".join(f", {self._t_env.compile_node(argument.node)}" for argument in arguments)
        name = quote_identifier(self._t_env.name_of(self))
        return self._t_env.sql_query(f"SELECT * FROM {function}(input => TABLE {name}{further})")  # noqa: S608 - names are quoted

    # ---- looking ----

    def explain(self, *extra_details: ExplainDetail) -> str:
        """Give the plan."""
        return self._t_env.explain_sql(self._sql, *extra_details)

    def print_explain(self, *extra_details: ExplainDetail) -> None:
        """Print the plan."""
        print(self.explain(*extra_details))  # noqa: T201 - printing is its purpose

    def get_schema(self) -> TableSchema:
        """Give names and types of the columns."""
        return TableSchema.of_resolved(self.get_resolved_schema())

    def get_resolved_schema(self) -> ResolvedSchema:
        """Give names and types of the columns; of a table of a catalog also what makes it."""
        if isinstance(self._relation, Scan) and self._relation.owner is None:
            return resolved_schema(self._t_env.describe(self._relation.path))
        columns: list[SchemaColumn] = []
        for (name, text), attribute in zip(self._fields, self._times, strict=True):
            column = SchemaColumn.physical(name, parse_data_type(text))
            columns.append(column if attribute is None else column.as_time_attribute(attribute))
        return ResolvedSchema(columns)

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

    # ---- parts ----

    def _project(self, nodes: Sequence[Node]) -> Table:
        if not nodes:
            msg = "a table needs at least one column"
            raise ValidationException(msg)
        return self.with_relation(Project(self._relation, named(nodes)))

    def _one(self, expression: Any) -> Node:
        nodes = self.resolve([expression])
        if len(nodes) != 1:
            msg = f"one expression is needed, not {len(nodes)}"
            raise ValidationException(msg)
        return nodes[0]

    def _combine(self, right: Table, operator: _SetOperator) -> Table:
        self._require_same_environment(right)
        return self.with_relation(SetOperation(self._relation, right.relation, operator))

    def _join(self, right: Table, kind: _JoinKind, predicate: Any) -> Table:
        self._require_same_environment(right)
        both = [name for name in self.column_names() if name in right.column_names()]
        if both:
            msg = f"join relations with ambiguous names: [{', '.join(both)}]"
            raise ValidationException(msg)
        condition = None
        if predicate is not None:
            (condition,) = self.parse([predicate])
        elif kind != "INNER":
            condition = to_node(True)  # noqa: FBT003 - a literal
        return self.with_relation(Join(self._relation, right.relation, kind, condition))

    def _join_lateral(self, function: Any, kind: Literal["INNER", "LEFT"], predicate: Any) -> Table:
        if isinstance(function, UserDefinedFunctionWrapper) and not function.alias_names:
            msg = "a table function that is not called needs an alias, e.g. f.alias('a', 'b')"
            raise ValidationException(msg)
        call, names = self._table_call(self._row_call(function))
        both = [name for name in names if name in self.column_names()]
        if both:
            msg = f"join relations with ambiguous names: [{', '.join(both)}]"
            raise ValidationException(msg)
        condition = None
        if predicate is not None:
            (condition,) = self.parse([predicate])
        return self._lateral(Lateral(self._relation, call, names, kind, condition))

    def _lateral(self, lateral: Lateral) -> Table:
        return self.with_relation(lateral)

    def _row_call(self, func: Any) -> Node:
        """Give the call of a function; one that is not called yet takes the whole row."""
        if not isinstance(func, UserDefinedFunctionWrapper):
            return self._one(func)
        names = self.column_names()
        call: Node = func.for_row(names)(*map(self.column, names)).node
        return Alias(call, func.alias_names) if func.alias_names else call

    def _table_call(self, node: Node) -> tuple[Node, tuple[str, ...]]:
        """Give the call of a table function and the names of its columns."""
        alias: tuple[str, ...] = ()
        if isinstance(node, Alias):
            alias, node = node.names, node.expression
        if isinstance(node, Call) and node.registered:
            function = self._t_env.table_function(node.name)
            if function is not None:
                node = FunctionCall(function, node.arguments)
        if not isinstance(node, FunctionCall):
            return node, alias
        if node.function.kind != "table":
            msg = f"'{node.function.name}' is no table function: make it by udtf"
            raise ValidationException(msg)
        result = node.function.result_type
        names = tuple(result.field_names()) if isinstance(result, RowType) else ()
        if alias and len(alias) != len(names):
            msg = f"{len(alias)} names for the {len(names)} columns of '{node.function.name}'"
            raise ValidationException(msg)
        return node, alias or names

    def _require(self, names: Iterable[str]) -> None:
        known = self.column_names()
        for name in names:
            if name not in known:
                msg = f"Cannot resolve field [{name}], input field list:[{', '.join(known)}]."
                raise ValidationException(msg)

    def _require_same_environment(self, right: Table) -> None:
        if not isinstance(right, Table):
            msg = f"another table is needed, not {type(right).__name__}"
            raise TypeError(msg)
        if right._t_env is not self._t_env:
            msg = "only tables of one environment can be combined"
            raise ValidationException(msg)


_SetOperator = Literal["UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"]
_JoinKind = Literal["INNER", "LEFT", "RIGHT", "FULL"]
