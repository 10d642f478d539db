"""What a `TableEnvironment` had up to release 1.13: buffered INSERTs, ``register_…``, ``connect``.

```text
  sql_update("INSERT …") ─┐
  insert_into(path, table)┼─▶ pending ──execute("name")──▶ one job, awaited
  Table.insert_into(path) ┘
```

Since 1.14 ``Table.insert_into`` gives a pipeline that its owner executes. Both meanings live side
by side: a pipeline that was executed, explained or added to a statement set is not pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.sql_text import quote_path
from tidemill.util.exceptions import TableException

if TYPE_CHECKING:
    from tidemill.common.job_execution_result import JobExecutionResult
    from tidemill.table.descriptors import ConnectTableDescriptor, Descriptor
    from tidemill.table.statement_set import StatementSet
    from tidemill.table.table import Table
    from tidemill.table.table_pipeline import TablePipeline
    from tidemill.table.table_result import TableResult

__all__ = ["LegacyOperations"]

_JOB_NAME = "pipeline.name"


class LegacyOperations:
    """The older half of an environment."""

    _pending: list[TablePipeline | str]

    # ---- what the newer half gives ----

    def execute_sql(self, stmt: str) -> TableResult:
        """Execute one statement."""
        raise NotImplementedError

    def explain_sql(self, stmt: str, *extra_details: Any) -> str:
        """Give the plan of a statement."""
        raise NotImplementedError

    def create_statement_set(self) -> StatementSet:
        """Collect INSERTs for one job."""
        raise NotImplementedError

    def from_path(self, path: str) -> Table:
        """Take a registered table."""
        raise NotImplementedError

    # ---- pending statements ----

    def remember(self, pipeline: TablePipeline) -> None:
        """Keep a pipeline for `execute`."""
        self._pending.append(pipeline)

    def forget(self, pipeline: TablePipeline) -> None:
        """Drop a pipeline that its owner has taken over."""
        self._pending = [other for other in self._pending if other is not pipeline]

    def sql_update(self, stmt: str, config: Any = None) -> None:
        """Execute DDL at once; keep an INSERT for `execute`."""
        del config
        words = stmt.split(maxsplit=1)
        if words and words[0].upper() == "INSERT":
            self.explain_sql(stmt)  # errors belong to the line that has the statement
            self._pending.append(stmt.strip().rstrip(";"))
        else:
            self.execute_sql(stmt)

    def insert_into(self, target_path: Any, table: Any, *path_continued: str) -> None:
        """Keep a table and its sink for `execute`; also with the table first and path parts."""
        if hasattr(target_path, "insert_into"):
            target_path, table = ".".join((table, *path_continued)), target_path
        table.insert_into(target_path)

    def execute(self, job_name: str = "") -> JobExecutionResult:
        """Run all that is pending as one job and wait until it ends.

        Raises
        ------
        TableException
            If nothing is pending.
        """
        if not self._pending:
            msg = "No operators defined in streaming topology. Cannot execute."
            raise TableException(msg)
        statements = self.create_statement_set()
        for pending in list(self._pending):
            if isinstance(pending, str):
                statements.add_insert_sql(pending)
            else:
                statements.add(pending)
        self._pending.clear()
        before = self.get_config().get(_JOB_NAME, None)
        if job_name:
            self.get_config().set(_JOB_NAME, job_name)
        try:
            result = statements.execute()
        finally:
            if job_name:
                self.get_config().set(_JOB_NAME, before or "")
        client = result.get_job_client()
        if client is None:
            msg = "the statements started no job"
            raise TableException(msg)
        return client.get_job_execution_result().result()

    def explain(self, table: Table | None = None, extended: bool = False) -> str:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Give the plan of a table, or of all that is pending."""
        from tidemill.table.explain_detail import ExplainDetail  # noqa: PLC0415 - rarely needed

        details = [ExplainDetail.ESTIMATED_COST] if extended else []
        if table is not None:
            return table.explain(*details)
        statements = self.create_statement_set()
        for pending in self._pending:
            statements.add_insert_sql(pending if isinstance(pending, str) else pending.statement)
        return statements.explain(*details)

    # ---- tables and functions ----

    def scan(self, *path: str) -> Table:
        """Take a registered table or view by the parts of its path."""
        return self.from_path(".".join(path))

    def from_table_source(self, table_source: Any) -> Table:
        """Take a source without registering it."""
        return self.from_path(self._register_anonymous(table_source))

    def register_table(self, name: str, table: Table) -> None:
        """Register a table under a name."""
        self.create_temporary_view(name, table)

    def register_table_source(self, name: str, table_source: Any) -> None:
        """Register a source, such as a `CsvTableSource`."""
        self.execute_sql(table_source.to_sql(quote_path(name)))

    def register_table_sink(self, name: str, table_sink: Any, *ignored: Any) -> None:
        """Register a sink, such as a `CsvTableSink`."""
        del ignored
        self.execute_sql(table_sink.to_sql(quote_path(name)))

    def register_function(self, name: str, function: Any) -> None:
        """Register a Python function that is found from every database."""
        self.create_temporary_system_function(name, function)

    def register_java_function(self, name: str, function_class_name: str) -> None:
        """Refuse: there is no JVM; `register_native_function` takes compiled functions."""
        self.create_java_temporary_system_function(name, function_class_name)

    def connect(self, connector_descriptor: Descriptor) -> ConnectTableDescriptor:
        """Describe a table by a connector, a format and a schema."""
        from tidemill.table.descriptors import ConnectTableDescriptor  # noqa: PLC0415 - rarely needed

        return ConnectTableDescriptor(self.execute_sql, connector_descriptor)

    def get_config(self) -> Any:
        """Give the options."""
        raise NotImplementedError

    def create_temporary_view(
        self, view_path: str, table_or_data_stream: Any, *fields_or_schema: Any
    ) -> None:
        """Register a table under a name."""
        raise NotImplementedError

    def create_temporary_system_function(self, name: str, function: Any) -> None:
        """Register a Python function."""
        raise NotImplementedError

    def create_java_temporary_system_function(self, name: str, function_class_name: str) -> None:
        """Refuse."""
        raise NotImplementedError

    def _register_anonymous(self, table_source: Any) -> str:
        raise NotImplementedError
