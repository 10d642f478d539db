"""What the SQL client writes of a statement: messages, rows, or a table that changes.

| result mode | rows of a query |
| --- | --- |
| ``table`` | the resulting table; on a terminal it is drawn again while it changes |
| ``changelog`` | each change with its kind |
| ``tableau`` | the changes as a table; in batch mode the rows |

In batch mode there are no changes: a table as wide as its content, in every mode.

Source: ``CliTableauResultView``, Flink 2.3.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from tidemill.table.print_table import print_result, print_rows
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill._native.engine import Result
    from tidemill.client.sql_client import SqlClient
    from tidemill.common.job_client import JobClient
    from tidemill.table.table_result import TableResult

__all__ = ["show"]

_RUNTIME = "execution.runtime-mode"
_MODE = "sql-client.execution.result-mode"
_MAX_ROWS = "sql-client.execution.max-table-result.rows"
_WIDTH = "sql-client.display.max-column-width"
_SYNC = "table.dml-sync"
_REFRESH_S = 0.25
_INSERTED = (0, 2)  # +I and +U


def show(client: SqlClient, statement: str) -> None:
    """Run a statement and write what comes of it.

    Raises
    ------
    TidemillError
        If it cannot be planned or fails.
    ValidationException
        If the result mode is none.
    """
    config = client.t_env.get_config()
    mode = (config.get(_MODE, None) or ("table" if client.out.isatty() else "tableau")).lower()
    if mode not in ("table", "changelog", "tableau"):
        msg = f"'{mode}' is no result mode: it is one of table, changelog, tableau"
        raise ValidationException(msg)
    started = time.perf_counter()
    result = client.t_env.execute_sql(statement)
    native = result.native
    job = result.get_job_client()
    if native.is_query:
        _show_query(client, native, mode)
    elif job is not None:
        _show_job(client, result, job)
    elif native.is_raw:
        _show_raw(client, native)
    else:
        _print(client.out, native, 30)
    if native.is_query and not client.is_script:
        _write(client.out, f"({time.perf_counter() - started:.2f} s)")


def _show_query(client: SqlClient, result: Result, mode: str) -> None:
    config = client.t_env.get_config()
    width = int(
        config.get(_WIDTH, None) or config.get("table.display.max-column-width", "30") or 30
    )
    if (config.get(_RUNTIME, None) or "").lower() == "batch":
        _show_rows(client.out, result, width)
    elif mode == "table":
        limit = int(config.get(_MAX_ROWS, None) or 1_000_000)
        _Live(client.out, result, width, limit).run()
    else:
        _print(client.out, result, width, _received)


def _show_rows(out: TextIO, result: Result, width: int) -> None:
    """Write the rows of a query in batch mode, in their order."""
    rows: list[list[str]] = []
    try:
        while (batch := result.next_cells()) is not None:
            rows.extend(cells for _, cells in batch)
    except KeyboardInterrupt:
        result.close()
        raise
    out.write(print_rows(result.schema(), rows, width, n_rows=len(rows)))
    out.flush()


def _received(n_rows: int) -> str:
    return f"Received a total of {n_rows} {'rows' if n_rows > 1 else 'row'}"


def _show_raw(client: SqlClient, result: Result) -> None:
    while (rows := result.next_cells()) is not None:
        for _, cells in rows:
            text = ", ".join(cells)
            done = "[INFO] Execute statement succeeded."
            _write(client.out, done if text in ("OK", "-1") else text)


def _show_job(client: SqlClient, result: TableResult, job: JobClient) -> None:
    _write(
        client.out,
        f"[INFO] SQL update statement has been successfully submitted.\nJob ID: {job.get_job_id()}",
    )
    if (client.t_env.get_config().get(_SYNC, None) or "").lower() == "true":
        while not job.has_ended():
            job.wait_a_moment(_REFRESH_S)
            if client.out.isatty():
                client.out.write(f"\r{job.progress()}\x1b[K")
                client.out.flush()
        if client.out.isatty():
            client.out.write("\r\x1b[K")
        result.wait()
        _write(client.out, "[INFO] Complete execution of the SQL update statement.")


class _Live:
    """The resulting table of a query, kept in the order in which rows came."""

    def __init__(self, out: TextIO, result: Result, width: int, limit: int) -> None:
        self._out = out
        self._result = result
        self._width = width
        self._limit = limit
        self._rows: Counter[tuple[str, ...]] = Counter()
        self._n_lines = 0

    def run(self) -> None:
        """Follow the query to its end or Ctrl-C; then the last state stays."""
        drawn = 0.0
        try:
            while (changes := self._result.next_cells()) is not None:
                self._apply(changes)
                if self._out.isatty() and time.monotonic() - drawn > _REFRESH_S:
                    self._draw()
                    drawn = time.monotonic()
        except KeyboardInterrupt:
            self._result.close()
        self._draw(final=True)

    def _apply(self, changes: list[tuple[int, list[str]]]) -> None:
        for kind, cells in changes:
            row = tuple(cells)
            if kind in _INSERTED:
                self._rows[row] += 1
            elif self._rows[row] > 1:
                self._rows[row] -= 1
            else:
                del self._rows[row]
        while len(self._rows) > self._limit:
            del self._rows[next(iter(self._rows))]

    def _draw(self, *, final: bool = False) -> None:
        if self._n_lines:
            self._out.write(f"\x1b[{self._n_lines}A\x1b[J")
        rows = [list(row) for row, count in self._rows.items() for _ in range(count)]
        shown = rows
        if not final:
            # What does not fit on the screen cannot be drawn over.
            n_shown = max(1, shutil.get_terminal_size().lines - 6)
            shown = rows[-n_shown:]
        text = print_rows(self._result.schema(), shown, self._width, n_rows=len(rows))
        self._out.write(text)
        self._out.flush()
        self._n_lines = 0 if final else text.count("\n")


def _print(
    out: TextIO, result: Result, width: int, footer: Callable[[int], str] | None = None
) -> None:
    before = sys.stdout
    sys.stdout = out
    try:
        print_result(result, width, footer=footer)
    finally:
        sys.stdout = before


def _write(out: TextIO, text: str) -> None:
    out.write(text + "\n")
    out.flush()
