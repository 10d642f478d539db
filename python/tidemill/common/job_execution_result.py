"""What a finished job leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.common.job_id import JobID

__all__ = ["JobExecutionResult"]


class JobExecutionResult:
    """The result of a job that ended by itself.

    Parameters
    ----------
    job_id
        The job.
    net_runtime
        How long it ran, in milliseconds.
    """

    def __init__(self, job_id: JobID, net_runtime: int) -> None:
        """Keep both."""
        self._job_id = job_id
        self._net_runtime = net_runtime

    def get_job_id(self) -> JobID:
        """Give the job's id."""
        return self._job_id

    def get_net_runtime(self) -> int:
        """Give the run time in milliseconds."""
        return self._net_runtime

    def get_accumulator_result(self, accumulator_name: str) -> Any:
        """Give an accumulator; there are none.

        Raises
        ------
        KeyError
            Always: jobs of this engine have no accumulators.
        """
        raise KeyError(accumulator_name)

    def get_all_accumulator_results(self) -> dict[str, Any]:
        """Give all accumulators: none."""
        return {}
