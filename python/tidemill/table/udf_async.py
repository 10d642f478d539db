"""Calls of ``async`` functions: all rows of a batch at the same time.

```text
  worker ─ batch ─▶ ConcurrentCalls.map_batch ─▶ the event loop's thread
                                                  a task a row, at most `max-concurrent-operations`
                     results, in the rows' order ◀─┘
```

One event loop in a thread of its own serves all functions of the process, so that connections
that a function keeps stay usable from batch to batch. Each result belongs to the row whose
arguments made it, whatever the order in which calls end.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

from tidemill.common.time import seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from concurrent.futures import Future

__all__ = ["ConcurrentCalls"]

_PREFIX = "table.exec.async-scalar."
_loop: list[asyncio.AbstractEventLoop] = []
_loop_lock = threading.Lock()


class ConcurrentCalls:
    """Calls a coroutine function for many rows at once.

    Parameters
    ----------
    function
        The coroutine function.
    parameters
        The session's options: ``table.exec.async-scalar.`` with ``max-concurrent-operations``
        (10), ``timeout`` (3 min), ``retry-strategy`` (FIXED_DELAY or NO_RETRY), ``retry-delay``
        (100 ms) and ``max-attempts`` (3).
    """

    def __init__(
        self, function: Callable[..., Coroutine[Any, Any, Any]], parameters: Mapping[str, str]
    ) -> None:
        self._function = function
        limit = parameters.get(f"{_PREFIX}max-concurrent-operations")
        self._limit = int(limit or parameters.get(f"{_PREFIX}buffer-capacity", "10"))
        self._timeout_s = seconds_of(parameters.get(f"{_PREFIX}timeout", "3 min"))
        self._delay_s = seconds_of(parameters.get(f"{_PREFIX}retry-delay", "100 ms"))
        strategy = parameters.get(f"{_PREFIX}retry-strategy", "FIXED_DELAY").upper()
        attempts = int(parameters.get(f"{_PREFIX}max-attempts", "3"))
        self._attempts = 1 if strategy == "NO_RETRY" else max(1, attempts)
        self._running: set[Future[list[Any]]] = set()

    def __call__(self, *values: Any) -> Any:
        """Call for a single row."""
        return next(self._results([values]))

    def map_batch(self, *columns: Sequence[Any]) -> Iterator[Any]:
        """Call for all rows; the native loop takes the results one by one.

        Raises
        ------
        Exception
            What the function raised for a row, when that row's result is taken.
        """
        return self._results(list(zip(*columns, strict=True)))

    def interrupt(self) -> None:
        """Cancel the calls that run: who waits for them gets a ``CancelledError``."""
        for future in tuple(self._running):
            future.cancel()

    def _results(self, rows: list[tuple[Any, ...]]) -> Iterator[Any]:
        future = asyncio.run_coroutine_threadsafe(self._run(rows), _event_loop())
        self._running.add(future)
        try:
            results = future.result()
        finally:
            self._running.discard(future)
        for result in results:
            if isinstance(result, BaseException):
                raise result
            yield result

    async def _run(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        slots = asyncio.Semaphore(self._limit)

        async def call(values: tuple[Any, ...]) -> Any:
            async with slots:
                # The function may have timeouts of its own, which are its errors.
                task = asyncio.ensure_future(self._attempt(values))
                try:
                    done, _ = await asyncio.wait({task}, timeout=self._timeout_s)
                except asyncio.CancelledError:
                    task.cancel()
                    raise
                if not done:
                    task.cancel()
                    msg = f"no answer within {self._timeout_s:g} s ({_PREFIX}timeout)"
                    raise TimeoutError(msg)
                result = task.result()
                if inspect.isawaitable(result):
                    kind = type(result).__name__
                    msg = f"it gave a {kind} in place of a value: is an 'await' missing?"
                    raise TypeError(msg)
                return result

        return await asyncio.gather(*map(call, rows), return_exceptions=True)

    async def _attempt(self, values: tuple[Any, ...]) -> Any:
        for _ in range(self._attempts - 1):
            try:
                return await self._function(*values)
            except Exception:  # noqa: BLE001, PERF203 - tried again; the last attempt raises
                await asyncio.sleep(self._delay_s)
        return await self._function(*values)


def _event_loop() -> asyncio.AbstractEventLoop:
    with _loop_lock:
        if not _loop:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="tidemill-async", daemon=True).start()
            _loop.append(loop)
        return _loop[0]
