"""A statement that was checked and can be kept in a file and executed later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.util.exceptions import TableException, refuse
from tidemill.version import __version__

if TYPE_CHECKING:
    from tidemill.table.explain_detail import ExplainDetail
    from tidemill.table.table_environment import TableEnvironment
    from tidemill.table.table_result import TableResult

__all__ = ["FLINK_VERSION", "CompiledPlan"]

_WHAT_RUNS = "== Optimized Execution Plan =="

FLINK_VERSION = "2.3"
"""The release whose semantics plans have."""


class CompiledPlan:
    """An INSERT, or a set of them, together with where its names are looked up.

    Parameters
    ----------
    statement
        The statement.
    catalog
        The catalog of names without one.
    database
        The database of names without one.
    t_env
        The environment that executes it.
    """

    def __init__(
        self, statement: str, catalog: str, database: str, t_env: TableEnvironment
    ) -> None:
        """Keep all four."""
        self._statement = statement
        self._catalog = catalog
        self._database = database
        self._t_env = t_env

    @staticmethod
    def from_json(text: str, t_env: TableEnvironment) -> CompiledPlan:
        """Read what `as_json_string` wrote.

        Raises
        ------
        TableException
            If the text is no plan, or one of another release.
        """
        try:
            plan = json.loads(text)
            statement, catalog, database = (
                plan[key] for key in ("statement", "catalog", "database")
            )
            version = plan["flinkVersion"]
        except (ValueError, KeyError, TypeError) as error:
            msg = f"the text is no compiled plan: {error}"
            raise TableException(msg) from error
        if version != FLINK_VERSION:
            msg = f"the plan has the semantics of Flink {version}, this is {FLINK_VERSION}"
            raise TableException(msg)
        return CompiledPlan(statement, catalog, database, t_env)

    def as_json_string(self) -> str:
        """Give the plan as JSON."""
        return json.dumps(
            {
                "flinkVersion": FLINK_VERSION,
                "tidemillVersion": __version__,
                "catalog": self._catalog,
                "database": self._database,
                "statement": self._statement,
            },
            indent=2,
            ensure_ascii=False,
        )

    def as_smile_bytes(self) -> bytes:
        """Refuse: plans are kept as JSON, see `as_json_string`."""
        refuse("a plan in the Smile format (as_json_string gives it as JSON)")

    def write_to_file(self, file: str | Path, ignore_if_exists: bool = False) -> None:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Write the plan as JSON.

        Raises
        ------
        TableException
            If the file exists and that is not to be ignored.
        """
        path = Path(file)
        if path.exists():
            if ignore_if_exists:
                return
            msg = f"cannot overwrite the plan file '{path}'"
            raise TableException(msg)
        path.write_text(self.as_json_string(), encoding="utf-8")

    def get_flink_version(self) -> str:
        """Give the release whose semantics the plan has."""
        return FLINK_VERSION

    def print_json_string(self) -> None:
        """Print the plan as JSON."""
        print(self.as_json_string())  # noqa: T201 - printing is its purpose

    def execute(self) -> TableResult:
        """Start the job."""
        with self._t_env.in_database(self._catalog, self._database):
            return self._t_env.execute_sql(self._statement)

    def explain(self, *extra_details: ExplainDetail) -> str:
        """Give the plan as EXPLAIN shows it; of a compiled one that is what will run."""
        with self._t_env.in_database(self._catalog, self._database):
            text = self._t_env.explain_sql(self._statement, *extra_details)
        return text[max(0, text.find(_WHAT_RUNS)) :]

    def print_explain(self, *extra_details: ExplainDetail) -> None:
        """Print the plan as EXPLAIN shows it."""
        print(self.explain(*extra_details))  # noqa: T201 - printing is its purpose

    def __str__(self) -> str:
        """Give the plan as JSON."""
        return self.as_json_string()
