"""Results of statements: iterate over them, print them, or wait for their job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.job_client import JobClient
from tidemill.common.types import Row, RowKind, new_row
from tidemill.table.catalog_schema import ResolvedSchema
from tidemill.table.print_table import print_result
from tidemill.table.result_kind import ResultKind
from tidemill.table.table_schema import TableSchema
from tidemill.table.type_parser import parse_data_type
from tidemill.util.exceptions import WaitTimeoutException

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from tidemill._native.engine import Result

__all__ = ["CloseableIterator", "TableResult"]

_KINDS = tuple(RowKind)


class CloseableIterator:
    """Rows of a result, in the order in which they come. Closing it stops the query.

    Parameters
    ----------
    result
        The engine's result.
    """

    def __init__(self, result: Result) -> None:
        """Keep the result; nothing is read yet."""
        self._result = result
        self._names = [name for name, _ in result.schema()]
        self._buffer: list[tuple[int, list[Any]]] = []
        self._next_idx = 0

    def __iter__(self) -> CloseableIterator:
        """Give the iterator itself."""
        return self

    def __next__(self) -> Row:
        """Wait for the next row.

        Raises
        ------
        TidemillError
            If the query failed.
        KeyboardInterrupt
            If the user interrupted the waiting; the query is stopped.
        """
        while self._next_idx >= len(self._buffer):
            try:
                rows = self._result.next_rows()
            except KeyboardInterrupt:
                # A notebook keeps the frames of its last error, and with them this iterator.
                self.close()
                raise
            if rows is None:
                raise StopIteration
            self._buffer, self._next_idx = rows, 0
        kind, values = self._buffer[self._next_idx]
        self._next_idx += 1
        return new_row(values, self._names, _KINDS[kind])

    def next(self) -> Row:
        """Wait for the next row, as ``next(iterator)``."""
        return self.__next__()

    def close(self) -> None:
        """Stop the query if it still runs."""
        self._result.close()

    def __enter__(self) -> Self:
        """Give the iterator itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class TableResult:
    """The result of a statement.

    Parameters
    ----------
    result
        The engine's result.
    max_column_width
        Width that `print` cuts text to.
    is_batch
        Whether only final rows count, which `print` shows without kinds of changes.
    """

    def __init__(
        self, result: Result, max_column_width: int = 30, *, is_batch: bool = False
    ) -> None:
        """Keep the result."""
        self._result = result
        self._is_batch = is_batch
        self._max_column_width = max_column_width

    @property
    def native(self) -> Result:
        """The engine's result."""
        return self._result

    def get_job_client(self) -> JobClient | None:
        """Give the handle of the job, or None if the statement started none."""
        job = self._result.job
        return None if job is None else JobClient(job)

    def wait(self, timeout_ms: int | None = None) -> None:
        """Wait until the job has ended; for a query, that is when its rows have been read.

        Parameters
        ----------
        timeout_ms
            How long, in milliseconds; for ever if not given.

        Raises
        ------
        WaitTimeoutException
            If the job still runs then.
        TidemillError
            If the job failed.
        """
        job = self._result.job
        if job is not None and not self._result.is_query and not job.wait(timeout_ms):
            msg = f"job '{job.name}' still runs after {timeout_ms} ms"
            raise WaitTimeoutException(msg)

    def get_table_schema(self) -> TableSchema:
        """Give names and types of the columns."""
        fields = self._result.schema()
        return TableSchema([name for name, _ in fields], [parse_data_type(t) for _, t in fields])

    def get_resolved_schema(self) -> ResolvedSchema:
        """Give names and types of the columns."""
        fields = self._result.schema()
        return ResolvedSchema.physical(
            [name for name, _ in fields], [parse_data_type(text) for _, text in fields]
        )

    def get_result_kind(self) -> ResultKind:
        """Tell whether there is content."""
        if self._result.kind == "success":
            return ResultKind.SUCCESS
        return ResultKind.SUCCESS_WITH_CONTENT

    def collect(self) -> CloseableIterator:
        """Give the rows with their kinds. Rows can be read once.

        Returns
        -------
        CloseableIterator
            Also a context manager; closing it, or leaving the ``with`` block, stops the query.
        """
        return CloseableIterator(self._result)

    def print(self) -> None:
        """Print the rows as Flink does, as they come, until the result ends or Ctrl-C."""
        print_result(self._result, self._max_column_width, with_kind=not self._is_batch)
