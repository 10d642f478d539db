"""The handle of a running job, with the methods of ``pyflink.common.JobClient``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.completable_future import CompletableFuture
from tidemill.common.job_execution_result import JobExecutionResult
from tidemill.common.job_id import JobID
from tidemill.common.job_status import JobStatus
from tidemill.util.exceptions import TidemillError, refuse

if TYPE_CHECKING:
    from tidemill._native.engine import Job

__all__ = ["JobClient"]

_STATUS = {
    "running": JobStatus.RUNNING,
    "finished": JobStatus.FINISHED,
    "stopped": JobStatus.CANCELED,
    "failed": JobStatus.FAILED,
}


class JobClient:
    """Watches and stops a job.

    Parameters
    ----------
    job
        The engine's handle.
    """

    def __init__(self, job: Job) -> None:
        """Keep the handle."""
        self._job = job

    def get_job_id(self) -> JobID:
        """Give the id."""
        return JobID(self._job.id)

    def get_job_status(self) -> CompletableFuture[JobStatus]:
        """Give the state as it is when the future is asked."""
        return CompletableFuture(lambda: _STATUS[self._job.status()])

    def cancel(self) -> CompletableFuture[None]:
        """Stop the job; when this returns, it has stopped."""
        self._job.stop()
        return CompletableFuture(lambda: None)

    def get_job_execution_result(self) -> CompletableFuture[JobExecutionResult]:
        """Give the result once the job has ended.

        The future's ``result()`` raises the job's error if it failed, and `TidemillError` if it
        was stopped.
        """
        return CompletableFuture(self._result, lambda: self._job.status() != "running")

    def _result(self) -> JobExecutionResult:
        self._job.wait(None)
        if self._job.status() == "stopped":
            msg = f"job '{self._job.name}' was stopped"
            raise TidemillError(msg)
        return JobExecutionResult(self.get_job_id(), int(self._job.metrics()["elapsed_ms"]))

    def get_accumulators(self) -> CompletableFuture[dict[str, Any]]:
        """Give the accumulators: none."""
        return CompletableFuture(dict[str, Any])

    def stop_with_savepoint(
        self,
        advance_to_end_of_event_time: bool,  # noqa: FBT001 - PyFlink's signature
        savepoint_directory: str | None = None,
    ) -> CompletableFuture[str]:
        """Refuse: savepoints are not there yet."""
        del advance_to_end_of_event_time, savepoint_directory
        refuse("stopping with a savepoint")

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> CompletableFuture[str]:
        """Refuse: savepoints are not there yet."""
        del savepoint_directory
        refuse("triggering a savepoint")
