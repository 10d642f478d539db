"""The handle of a running job, with the methods of ``pyflink.common.JobClient``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.completable_future import CompletableFuture
from tidemill.common.job_execution_result import JobExecutionResult
from tidemill.common.job_id import JobID
from tidemill.common.job_status import JobStatus
from tidemill.util.exceptions import TidemillError

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

    def has_ended(self) -> bool:
        """Tell whether the job runs no more."""
        return self._job.status() != "running"

    def wait_a_moment(self, seconds: float) -> None:
        """Wait until the job has ended, but no longer than some time."""
        self._job.wait(int(seconds * 1000))

    def progress(self) -> str:
        """Tell in one line how far the job is."""
        metrics = self._job.metrics()
        seconds = int(metrics["elapsed_ms"]) / 1000
        return (
            f"{metrics['records_in']:,} records in, {metrics['records_out']:,} out, {seconds:.1f} s"
        )

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
        """Save the job and end it; give the path of the savepoint.

        Parameters
        ----------
        advance_to_end_of_event_time
            Whether all windows fire before: for a job that will not be continued.
        savepoint_directory
            The folder under which the savepoint gets one of its own; ``state.savepoints.dir`` of
            the configuration without it.
        """
        folder = _local(savepoint_directory)
        path = self._job.savepoint(folder, stop=True, drain=advance_to_end_of_event_time)
        self._job.wait(None)
        return CompletableFuture(lambda: path)

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> CompletableFuture[str]:
        """Save the job, which goes on; give the path of the savepoint.

        Parameters
        ----------
        savepoint_directory
            As for `stop_with_savepoint`.
        """
        path = self._job.savepoint(_local(savepoint_directory))
        return CompletableFuture(lambda: path)


def _local(folder: str | None) -> str | None:
    """Give the path of a folder that may be written as a URI."""
    if folder is None or not folder.startswith("file:"):
        return folder
    return folder.removeprefix("file:").removeprefix("//")
