"""Python iterables as tables: lists, generators, async generators.

```text
  IterableSource.open ─▶ RowReader: a thread pulls rows into a bounded queue
                         the engine takes what is there, batch by batch
```

A function that makes the iterable can be read by many queries, and again after a restart; a
generator by one.
"""

from __future__ import annotations

import inspect
import queue
import threading
from typing import TYPE_CHECKING, Any

from tidemill.util.exceptions import TableException

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Sequence

__all__ = ["IterableSource", "RowReader"]

_MAX_QUEUED_ROWS = 10_000
_LOOK_S = 0.05
_END = object()


class IterableSource:
    """An iterable, an async iterable, or a function that makes one.

    Parameters
    ----------
    iterable
        Where rows come from.
    values_of
        Gives the values of the columns of a row.
    """

    def __init__(self, iterable: Any, values_of: Callable[[Any], Sequence[Any]]) -> None:
        self._iterable = iterable
        self._values_of = values_of
        self._is_opened = False

    def open(self) -> RowReader:
        """Begin to pull rows.

        Raises
        ------
        TableException
            If the rows of a generator were read by another query.
        """
        made = self._iterable() if callable(self._iterable) else self._iterable
        # A list gives its rows again, an iterator does not.
        reads_once = made is self._iterable and (
            hasattr(made, "__next__") or hasattr(made, "__anext__")
        )
        if reads_once and self._is_opened:
            msg = "this generator has been read by a query: give the function that makes it"
            raise TableException(msg)
        self._is_opened = True
        return RowReader(made, self._values_of)


class RowReader:
    """The rows of one pass over an iterable; see `IterableSource`."""

    def __init__(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        values_of: Callable[[Any], Sequence[Any]],
    ) -> None:
        self._iterable = iterable
        self._values_of = values_of
        self._queue: queue.Queue[Any] = queue.Queue(_MAX_QUEUED_ROWS)
        self._is_closed = False
        self._n_to_skip = 0
        self._thread: threading.Thread | None = None

    def take(self, max_rows: int) -> list[Sequence[Any]] | None:
        """Give the rows that are there, none if there are none now, or None at the end.

        Raises
        ------
        Exception
            What the iterable raised, when all rows before have been taken.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._pull, name="tidemill-rows", daemon=True)
            self._thread.start()
        rows: list[Sequence[Any]] = []
        try:
            item = self._queue.get(timeout=_LOOK_S)
            while True:
                if item is _END or isinstance(item, BaseException):
                    if rows:
                        self._queue.put(item)  # its turn is next; the thread has ended
                        return rows
                    if isinstance(item, BaseException):
                        raise item
                    return None
                rows.append(self._values_of(item))
                if len(rows) >= max_rows:
                    return rows
                item = self._queue.get_nowait()
        except queue.Empty:
            return rows

    def skip(self, n_rows: int) -> None:
        """Leave out the first rows; before the first `take`."""
        self._n_to_skip = n_rows

    def close(self) -> None:
        """Pull no more rows."""
        self._is_closed = True

    def _pull(self) -> None:
        last: Any = _END
        try:
            if hasattr(self._iterable, "__aiter__"):
                import asyncio  # noqa: PLC0415 - most programs start without it

                asyncio.run(self._pull_async())
            else:
                for row in self._iterable:
                    if not self._put(row):
                        break
        except BaseException as error:  # noqa: BLE001 - it belongs to the query
            last = error
        finally:
            close = getattr(self._iterable, "close", None)
            if self._is_closed and inspect.isgenerator(self._iterable) and close is not None:
                close()
            self._put(last)

    async def _pull_async(self) -> None:
        async for row in self._iterable:  # type: ignore[union-attr]
            # The queue is full while the job is behind; the loop may wait, nothing else runs in it.
            if not self._put(row):
                break

    def _put(self, item: Any) -> bool:
        """Queue a row; tell whether more are wanted."""
        if self._n_to_skip > 0 and item is not _END:
            self._n_to_skip -= 1
            return True
        while not self._is_closed:
            try:
                self._queue.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
