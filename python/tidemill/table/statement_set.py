"""Several INSERTs that run as one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.util.exceptions import TableException, refuse

if TYPE_CHECKING:
    from tidemill.table.compiled_plan import CompiledPlan
    from tidemill.table.explain_detail import ExplainDetail
    from tidemill.table.table import Table
    from tidemill.table.table_descriptor import TableDescriptor
    from tidemill.table.table_environment import TableEnvironment
    from tidemill.table.table_pipeline import TablePipeline
    from tidemill.table.table_result import TableResult

__all__ = ["StatementSet"]


class StatementSet:
    """Collects INSERTs and executes them as one job that reads shared inputs once.

    Parameters
    ----------
    t_env
        The environment.
    """

    def __init__(self, t_env: TableEnvironment) -> None:
        """Start without statements."""
        self._t_env = t_env
        self._statements: list[str] = []
        self._tables: list[Table] = []  # held so that their rows stay

    def add(self, table_pipeline: TablePipeline) -> StatementSet:
        """Add a pipeline."""
        self._t_env.forget(table_pipeline)
        self._tables.append(table_pipeline.table)
        return self.add_insert_sql(table_pipeline.statement)

    def add_insert_sql(self, stmt: str) -> StatementSet:
        """Add an INSERT statement."""
        self._statements.append(stmt.strip().rstrip(";"))
        return self

    def add_insert(
        self,
        target_path_or_descriptor: str | TableDescriptor,
        table: Table,
        overwrite: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> StatementSet:
        """Add a table and where it goes."""
        return self.add(table.insert_into(target_path_or_descriptor, overwrite))

    def explain(self, *extra_details: ExplainDetail) -> str:
        """Give the plan of the job."""
        return self._t_env.explain_sql(self._text("EXECUTE STATEMENT SET"), *extra_details)

    def print_explain(self, *extra_details: ExplainDetail) -> None:
        """Print the plan of the job."""
        print(self.explain(*extra_details))  # noqa: T201 - printing is its purpose

    def execute(self) -> TableResult:
        """Start the job and forget the statements."""
        result = self._t_env.execute_sql(self._text("EXECUTE STATEMENT SET"))
        self._statements.clear()
        self._tables.clear()
        return result

    def attach_as_datastream(self) -> None:
        """Refuse: programs of streams come with the DataStream API."""
        refuse("attach_as_datastream (execute() starts the statements)")

    def compile_plan(self) -> CompiledPlan:
        """Make a plan of the job that can be kept and executed later."""
        return self._t_env.compile_plan_sql(self._text("STATEMENT SET"))

    def _text(self, words: str) -> str:
        if not self._statements:
            msg = "a statement set needs at least one INSERT"
            raise TableException(msg)
        body = ";\n".join(self._statements)
        return f"{words} BEGIN\n{body};\nEND"
