"""A query with its sink, ready to be executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.table.compiled_plan import CompiledPlan
    from tidemill.table.explain_detail import ExplainDetail
    from tidemill.table.table import Table
    from tidemill.table.table_environment import TableEnvironment
    from tidemill.table.table_result import TableResult

__all__ = ["TablePipeline"]


class TablePipeline:
    """An INSERT that does nothing until it is executed.

    Parameters
    ----------
    t_env
        The environment.
    statement
        The INSERT statement.
    sink
        Path of the sink.
    table
        The table that is inserted; held so that its rows stay.
    """

    def __init__(self, t_env: TableEnvironment, statement: str, sink: str, table: Table) -> None:
        """Keep the four."""
        self._t_env = t_env
        self.statement = statement
        self._sink = sink
        self.table = table

    def execute(self) -> TableResult:
        """Start the job."""
        self._t_env.forget(self)
        return self._t_env.execute_sql(self.statement)

    def explain(self, *extra_details: ExplainDetail) -> str:
        """Give the plan."""
        self._t_env.forget(self)
        return self._t_env.explain_sql(self.statement, *extra_details)

    def print_explain(self, *extra_details: ExplainDetail) -> None:
        """Print the plan."""
        print(self.explain(*extra_details))  # noqa: T201 - printing is its purpose

    def get_sink_identifier(self) -> str:
        """Give the path of the sink."""
        return self._sink

    def compile_plan(self) -> CompiledPlan:
        """Make a plan that can be kept and executed later."""
        self._t_env.forget(self)
        return self._t_env.compile_plan_sql(self.statement)
