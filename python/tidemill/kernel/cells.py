"""Running a cell: the text, the shell, and the reply.

A cell without a top-level ``await`` runs to its end at once. One that awaits runs as a task of the
loop, so that other tasks go on meanwhile. SQL cells go the way of Python cells, so history,
execution count, hooks and error reports are the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.kernel import environments

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from IPython.core.interactiveshell import ExecutionResult

    from tidemill._native.kernel import Task
    from tidemill.kernel.shell import ZMQInteractiveShell


@dataclass(frozen=True)
class Cell:
    """A cell that is to be run."""

    code: str
    is_sql: bool
    silent: bool
    store_history: bool
    user_expressions: dict[str, str]
    execution_count: int
    cell_id: str | None

    @classmethod
    def of(cls, task: Task) -> Cell:
        """Read the fields of an execute task."""
        code, is_sql, silent, store_history, user_expressions, execution_count = task.cell()
        return cls(
            code,
            is_sql,
            silent,
            store_history,
            json.loads(user_expressions),
            execution_count,
            task.parent.cell_id,
        )


class CellRun:
    """One run of a cell.

    Parameters
    ----------
    shell
        Where it runs.
    task
        The request, answered by `finish`.
    """

    def __init__(self, shell: ZMQInteractiveShell, task: Task) -> None:
        self._shell = shell
        self._task = task
        self._cell = cell = Cell.of(task)
        shell.cell_code = cell.code
        shell.last_error = None
        shell.result_failed = False
        shell.displayhook.is_formatting = False
        failure = None
        if cell.is_sql:
            transformed = f"get_ipython().run_sql_cell({cell.code!r})"
        else:
            environments.offer(shell, cell.code)
            try:
                transformed = shell.transform_cell(cell.code)
            except Exception:  # noqa: BLE001 (shown as the error of the cell)
                transformed, failure = cell.code, sys.exc_info()
        self._transformed = transformed
        self._failure = failure

    def awaits(self) -> bool:
        """Return whether the cell has a top-level ``await``."""
        shell, cell = self._shell, self._cell
        answer: bool = not cell.is_sql and shell.should_run_async(
            cell.code,
            transformed_cell=self._transformed,
            preprocessing_exc_tuple=self._failure,
        )
        return answer

    def run_now(self) -> ExecutionResult | None:
        """Run a cell that does not await; None if the shell itself failed."""
        result = None
        try:
            result = _run_without_loop(self._coroutine())
        except BaseException:  # noqa: BLE001 (an interrupt may hit the shell itself)
            self._shell.showtraceback()
        self._trigger_after_events(result)
        return result

    async def run_in_loop(self) -> ExecutionResult | None:
        """Run a cell that awaits; None if the shell itself failed."""
        result = None
        try:
            result = await self._coroutine()
        except BaseException:  # noqa: BLE001 (a cancellation between two steps of the shell)
            self._shell.showtraceback()
        self._trigger_after_events(result)
        return result

    def refuse(self) -> None:
        """Answer as interrupted, where the cell itself could not show that."""
        try:
            raise KeyboardInterrupt  # noqa: TRY301 (the shell shows the exception being handled)
        except KeyboardInterrupt:
            self._shell.showtraceback()
        self.finish(None)

    def finish(self, result: ExecutionResult | None) -> None:
        """Answer the request."""
        shell, cell = self._shell, self._cell
        content: dict[str, Any] = {"execution_count": cell.execution_count}
        if result is not None and result.success and not shell.result_failed:
            content["status"] = "ok"
            content["user_expressions"] = shell.user_expressions(cell.user_expressions)
        else:
            ename, evalue, traceback = shell.last_error or _describe(result)
            content.update(status="error", ename=ename, evalue=evalue, traceback=traceback)
            content["user_expressions"] = {}
        content["payload"] = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        self._task.reply(content, shell.execution_count)

    def _coroutine(self) -> Coroutine[Any, Any, ExecutionResult]:
        cell = self._cell
        coroutine: Coroutine[Any, Any, ExecutionResult] = self._shell.run_cell_async(
            cell.code,
            store_history=cell.store_history,
            silent=cell.silent,
            transformed_cell=self._transformed,
            preprocessing_exc_tuple=self._failure,
            cell_id=cell.cell_id,
        )
        return coroutine

    def _trigger_after_events(self, result: ExecutionResult | None) -> None:
        self._shell.events.trigger("post_execute")
        if not self._cell.silent and result is not None:
            self._shell.events.trigger("post_run_cell", result)


def _run_without_loop(coroutine: Coroutine[Any, Any, ExecutionResult]) -> ExecutionResult:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: ExecutionResult = stop.value
        return result
    coroutine.close()
    msg = "a cell without a top-level await tried to wait"
    raise RuntimeError(msg)


def _describe(result: ExecutionResult | None) -> tuple[str, str, list[str]]:
    """Describe an error that the shell did not show."""
    error = None if result is None else result.error_before_exec or result.error_in_exec
    if error is None or isinstance(error, asyncio.CancelledError):
        error = KeyboardInterrupt()
    return type(error).__name__, str(error), [f"{type(error).__name__}: {error}"]
