"""`TableEnvironment`: the door to a session of the engine.

Everything a program does goes through an environment: statements as text, tables as trees of
operations that become text, functions by registration. The catalog and the options live in the
session; an environment only adds names for things that have none.
"""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING, Any

from tidemill._native import engine
from tidemill.common.configuration import Configuration
from tidemill.common.launch import launch_options, note_job
from tidemill.table.catalog_operations import CatalogOperations
from tidemill.table.compiled_plan import CompiledPlan
from tidemill.table.dependencies import DependencyOperations
from tidemill.table.element_check import check_rows, texts_of_values
from tidemill.table.elements import are_types, row_type_of, values_of
from tidemill.table.environment import set_current_environment
from tidemill.table.explain_detail import name_of_detail
from tidemill.table.expression import Expression, to_node
from tidemill.table.iterable_source import IterableSource
from tidemill.table.job_parameters import parameters_of
from tidemill.table.legacy_environment import LegacyOperations
from tidemill.table.logical_types import DataType
from tidemill.table.operations import Query, Relation, Scan
from tidemill.table.sql_compiler import compile_node, compile_relation, compile_values
from tidemill.table.sql_text import quote_identifier, quote_path
from tidemill.table.statement_set import StatementSet
from tidemill.table.table import Table
from tidemill.table.table_config import TableConfig
from tidemill.table.table_result import TableResult
from tidemill.table.udf_runtime import define
from tidemill.table.udf_wrappers import as_wrapper
from tidemill.util.exceptions import TableException

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidemill._native.engine import Result, Session
    from tidemill.table.composite_types import RowType
    from tidemill.table.environment_settings import EnvironmentSettings
    from tidemill.table.explain_detail import ExplainDetail
    from tidemill.table.expression_nodes import Node
    from tidemill.table.plan_reference import PlanReference
    from tidemill.table.schema import Schema
    from tidemill.table.table_descriptor import TableDescriptor
    from tidemill.table.udf_wrappers import UserDefinedFunctionWrapper

__all__ = ["TableEnvironment"]

_MAX_WIDTH = "table.display.max-column-width"
_MODE = "execution.runtime-mode"

# Job threads call into the interpreter: they must be gone before it is.
atexit.register(engine.shutdown)


class TableEnvironment(CatalogOperations, DependencyOperations, LegacyOperations):
    """A session with a catalog, options and functions.

    Parameters
    ----------
    configuration
        The options to start with. Programs call `create`.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Open a session and make this the current environment."""
        self._session = engine.Session({**launch_options(), **configuration.to_dict()})
        self._n_names = 0
        self._viewed = {}
        self._pending = []
        # Functions that expressions call without registration; kept so that ids stay unique.
        self._inline_functions: dict[int, tuple[UserDefinedFunctionWrapper, str]] = {}
        # Table functions by their lower-case name: expressions must know their columns.
        self._table_functions: dict[str, UserDefinedFunctionWrapper] = {}
        set_current_environment(self)

    @staticmethod
    def create(environment_settings: EnvironmentSettings | Configuration) -> TableEnvironment:
        """Make an environment of settings."""
        if isinstance(environment_settings, Configuration):
            return TableEnvironment(environment_settings)
        return TableEnvironment(environment_settings.get_configuration())

    @property
    def session(self) -> Session:
        """The engine's session."""
        return self._session

    # ---- statements ----

    def execute_sql(self, stmt: str) -> TableResult:
        """Execute one statement of any kind.

        Parameters
        ----------
        stmt
            The statement; a semicolon at its end is allowed.

        Returns
        -------
        TableResult
            The rows of a query or of SHOW and its like, the job of an INSERT.

        Raises
        ------
        SqlParserException
            If the text is not a statement.
        ValidationException
            If the statement makes no sense here.
        TableException
            If the statement cannot be planned.
        """
        return self.result_of(self._session.execute(stmt))

    def sql_query(self, query: str) -> Table:
        """Make a table of a SELECT or VALUES."""
        return Table(Query(query.strip().rstrip(";")), self)

    def explain_sql(self, stmt: str, *extra_details: ExplainDetail) -> str:
        """Give the plan of a statement."""
        text = stmt.strip().rstrip(";")
        if extra_details:
            details = ", ".join(map(name_of_detail, extra_details))
            return self._session.explain(f"EXPLAIN {details} {text}")
        return self._session.explain(text)

    def create_statement_set(self) -> StatementSet:
        """Collect INSERTs for one job."""
        return StatementSet(self)

    # ---- tables ----

    def from_path(self, path: str) -> Table:
        """Take a registered table or view."""
        return Table(Scan(quote_path(path)), self)

    def from_elements(
        self,
        elements: Iterable[Any],
        schema: DataType | Sequence[str] | Sequence[DataType] | str | None = None,
        verify_schema: bool = True,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> Table:
        """Make a table of Python values.

        Parameters
        ----------
        elements
            Tuples, lists, rows, dictionaries, or single values for a table of one column; or
            expressions, ``row(…)`` for more than one column.
        schema
            A ``DataTypes.ROW``, its text, one type for a single column, a list of types, or a
            list of names. Types that are not given are inferred.
        verify_schema
            Whether values must be of the declared types as PyFlink understands them. Without it
            lengths are not looked at, and anything may stand for a text; what cannot be stored is
            refused all the same.

        Raises
        ------
        TypeError
            If a value is not of its type, or types cannot be inferred.
        ValueError
            If a value is NULL, too large or too long where that is not allowed, or an element has
            too many values or too few.
        """
        rows = list(elements)
        n_expressions = sum(isinstance(row, Expression) for row in rows)
        if n_expressions:
            if n_expressions < len(rows):
                msg = "either all elements are expressions or none is"
                raise ValueError(msg)
            return self._from_expressions(rows, schema)
        row_type = row_type_of(rows, schema)
        fields = [(field.name, field.data_type.as_serializable_string()) for field in row_type]
        names = row_type.field_names()
        values = [values_of(row, names) for row in rows]
        if not verify_schema:
            values = texts_of_values(values, row_type)
        elif are_types(schema):
            check_rows(values, row_type)
        scan = self._anonymous("python-input-format")
        self._session.register_rows(scan.path, fields, values)
        return Table(scan, self)

    def _from_expressions(self, rows: Sequence[Expression], schema: Any) -> Table:
        declared = None if schema is None else row_type_of([], schema)
        nodes = [to_node(row) for row in rows]
        return self.sql_query(compile_values(nodes, declared, self._name_of_function))

    def from_iterable(
        self,
        iterable: Any,
        schema: DataType | Sequence[str] | Sequence[DataType] | str,
        *,
        bounded: bool = False,
    ) -> Table:
        """Make a table of rows that come while queries run.

        Parameters
        ----------
        iterable
            An iterable, an async iterable, or a function that makes one; only with a function can
            the table be read more than once.
        schema
            As for `from_elements`, with types.
        bounded
            Whether the rows end, so that batch mode and frames of the final rows are possible.

        Examples
        --------
        ``t_env.from_iterable(sensor_readings, "ROW<id STRING, value DOUBLE>")``
        """
        row_type = row_type_of([], schema)
        names = row_type.field_names()
        fields = [(field.name, field.data_type.as_serializable_string()) for field in row_type]
        scan = self._anonymous("python-iterable")
        source = IterableSource(iterable, lambda row: values_of(row, names))
        self._session.register_iterable(scan.path, fields, source, bounded)
        return Table(scan, self)

    def from_polars(
        self, frame: Any, schema: DataType | Sequence[str] | Sequence[DataType] | None = None
    ) -> Table:
        """Make a table of a ``polars.DataFrame``; see `from_elements` for `schema`."""
        return self.from_arrow(frame, schema)

    def from_rows(self, rows: Sequence[Any], row_type: RowType, schema: Schema) -> Table:
        """Make a table of Python values whose columns are declared by a schema.

        Parameters
        ----------
        rows
            The values of the physical columns.
        row_type
            Their types.
        schema
            Columns, computed ones among them, and a watermark. If it names physical columns, the
            table has those alone; else all of `row_type` come first.
        """
        fields = [(field.name, field.data_type.as_serializable_string()) for field in row_type]
        names = row_type.field_names()
        scan = self._anonymous("python-input-format")
        declared = schema.with_physical_columns(row_type).to_sql()
        self._session.execute(
            f"CREATE TEMPORARY TABLE {scan.path} {declared} WITH ('connector' = 'values')"
        )
        values = [values_of(row, names) for row in rows]
        self._session.register_rows(scan.path, fields, values, attach=True)
        table = Table(scan, self)
        if not schema.has_physical_columns():
            return table
        return table.select(*map(table.column, schema.column_names()))

    def from_pandas(
        self,
        pdf: Any,
        schema: DataType | Sequence[str] | Sequence[DataType] | None = None,
        splits_num: int = 1,
    ) -> Table:
        """Make a table of a ``pandas.DataFrame``; see `from_elements` for `schema`."""
        import pyarrow as pa  # noqa: PLC0415 - only who comes with pandas needs the package

        del splits_num
        if not hasattr(pdf, "dtypes"):
            msg = f"from_pandas takes a pandas.DataFrame, not {type(pdf).__name__}"
            raise TypeError(msg)
        return self.from_arrow(pa.Table.from_pandas(pdf, preserve_index=False), schema)

    def from_arrow(
        self,
        data: Any,
        schema: DataType | Sequence[str] | Sequence[DataType] | None = None,
    ) -> Table:
        """Make a table of anything that speaks the Arrow interface, e.g. ``pyarrow.Table``."""
        scan = self._anonymous("python-arrow-source")
        if schema is None:
            self._session.register_arrow(scan.path, data)
            return Table(scan, self)
        if not isinstance(schema, DataType) and all(isinstance(part, str) for part in schema):
            self._session.register_arrow(scan.path, data)
            return Table(scan, self).alias(*map(str, schema))
        row_type = row_type_of([], schema)
        fields = [(field.name, field.data_type.as_serializable_string()) for field in row_type]
        self._session.register_arrow(scan.path, data, fields)
        return Table(scan, self)

    def from_descriptor(self, descriptor: TableDescriptor) -> Table:
        """Take a table that is described in place."""
        return self.from_path(self.sink_path(descriptor))

    # ---- functions ----

    def create_temporary_function(self, path: str, function: Any) -> None:
        """Register a Python function in the database of its path, or in the current one.

        It hides a function of the catalog at that path, and is hidden by functions of Flink's own
        and by temporary system functions of its name.
        """
        wrapper = as_wrapper(function)
        # A cell that is run again redefines its function.
        definition = define(wrapper, parameters_of(self))
        self._session.register_temporary_function(path, definition)
        self._note_table_function(path, wrapper)

    def create_temporary_system_function(self, name: str, function: Any) -> None:
        """Register a Python function that is found from every database."""
        self._register_named(name, as_wrapper(function))

    def register_native_function(
        self,
        name: str,
        function: Any,
        *,
        input_types: Sequence[DataType | str] | None = None,
        result_type: DataType | str | None = None,
    ) -> None:
        """Register a compiled function that another package offers.

        Parameters
        ----------
        name
            Its name in SQL.
        function
            An object with ``__datafusion_scalar_udf__``, ``__datafusion_aggregate_udf__`` or
            ``__datafusion_table_function__``, or a class or function without arguments that makes
            one. It is called through the package ``datafusion``. A panic of it ends this process,
            unless ``python.execution-mode`` is ``process``: then it fails the job.
        input_types
            Types of the arguments; not needed for a table function.
        result_type
            Type of the result, or of the rows of a table function. Without it the function is
            asked for the result type that it has for `input_types`.

        Raises
        ------
        ValidationException
            If the object is no such function, or types are missing.
        UnsupportedOperationException
            If the object was built for another version of DataFusion than that of the package, or
            does not tell.
        """
        from tidemill.table.native_functions import native_function  # noqa: PLC0415 (rarely needed)

        self._register_named(name, native_function(name, function, input_types, result_type))

    def drop_temporary_function(self, path: str) -> bool:
        """Drop a function; tell whether there was one."""
        self._table_functions.pop(path.lower(), None)
        return self._session.drop_temporary_function(path)

    def drop_temporary_system_function(self, name: str) -> bool:
        """Drop a function; tell whether there was one."""
        self._table_functions.pop(name.lower(), None)
        return self._session.drop_function(name)

    # ---- options ----

    def get_config(self) -> TableConfig:
        """Give the options."""
        return TableConfig(self._session)

    # ---- plans ----

    def compile_plan_sql(self, stmt: str) -> CompiledPlan:
        """Check an INSERT or a statement set and make a plan that can be kept.

        Raises
        ------
        TableException
            If the statement is none of them, or cannot be planned.
        """
        text = stmt.strip().rstrip(";")
        words = text.split(maxsplit=1)
        if not words or words[0].upper() not in ("INSERT", "STATEMENT", "EXECUTE"):
            msg = "only INSERT and statement sets can be compiled to a plan"
            raise TableException(msg)
        self._session.explain(text.removeprefix("EXECUTE "))
        return CompiledPlan(text, self.get_current_catalog(), self.get_current_database(), self)

    def load_plan(self, plan_reference: PlanReference) -> CompiledPlan:
        """Read a plan.

        Raises
        ------
        TableException
            If it cannot be read.
        """
        return CompiledPlan.from_json(plan_reference.read(), self)

    def execute_plan(self, plan_reference: PlanReference) -> TableResult:
        """Read a plan and execute it."""
        return self.load_plan(plan_reference).execute()

    # ---- what tables need from their environment ----

    def compile(self, relation: Relation) -> str:
        """Write operations as SQL; functions without a name are registered under one."""
        return compile_relation(relation, self._name_of_function)

    def compile_node(self, node: Node) -> str:
        """Write an expression as SQL; see `compile`."""
        return compile_node(node, self._name_of_function)

    def table_function(self, name: str) -> UserDefinedFunctionWrapper | None:
        """Give the registered table function of a name, if there is one."""
        return self._table_functions.get(name.lower())

    def result_of(self, result: Result) -> TableResult:
        """Wrap a result of the engine."""
        width = self._session.config(_MAX_WIDTH)
        is_batch = (self._session.config(_MODE) or "").lower() == "batch"
        columns = int(width) if width and width.isdigit() else 30
        wrapped = TableResult(result, columns, is_batch=is_batch)
        if not result.is_query and (job := wrapped.get_job_client()) is not None:
            note_job(job)
        return wrapped

    def name_of(self, table: Table) -> str:
        """Register a table under a new name and give the name."""
        name = self._new_name("UnnamedTable")
        self._session.create_temporary_view(quote_path(name), table.sql)
        self._viewed[name] = table
        return name

    def sink_path(self, target: str | TableDescriptor) -> str:
        """Give the quoted path of a table, creating one for a descriptor."""
        if isinstance(target, str):
            return quote_path(target)
        name = quote_path(self._new_name("UnnamedSink"))
        self._session.execute(target.to_sql(name, temporary=True))
        return name

    def _register_anonymous(self, table_source: Any) -> str:
        name = self._new_name("UnnamedSource")
        self._session.execute(table_source.to_sql(quote_identifier(name)))
        return name

    def _register_named(self, path: str, function: UserDefinedFunctionWrapper) -> None:
        self._register(path, function)
        self._note_table_function(path, function)

    def _note_table_function(self, path: str, function: UserDefinedFunctionWrapper) -> None:
        if function.kind == "table":
            self._table_functions[path.lower()] = function

    def _name_of_function(self, function: UserDefinedFunctionWrapper) -> str:
        if id(function) not in self._inline_functions:
            name = f"{function.name}$inline{len(self._inline_functions)}"
            self._register(quote_path(name), function)
            self._inline_functions[id(function)] = (function, name)
        return self._inline_functions[id(function)][1]

    def _register(self, path: str, function: UserDefinedFunctionWrapper) -> None:
        definition = define(function, parameters_of(self))
        # A cell that is run again redefines its function.
        self._session.register_function(path, definition, replace=True)

    def _anonymous(self, kind: str) -> Scan:
        """Give the place of a table that no list shows and that goes when nobody reads it."""
        path = quote_identifier(f"*anonymous_{self._new_name(kind)}*")
        owner = _Owner()
        forget = weakref.finalize(owner, self._session.drop_temporary_table, path)
        forget.atexit = False
        return Scan(path, owner)

    def _new_name(self, prefix: str) -> str:
        name = f"{prefix}${self._n_names}"
        self._n_names += 1
        return name


class _Owner:
    """Something to hold on to."""
