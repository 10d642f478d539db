"""The states of a job, with Flink's names."""

from __future__ import annotations

from enum import Enum

__all__ = ["JobStatus"]


class JobStatus(Enum):
    """The state of a job.

    Tidemill's jobs are only ever ``RUNNING``, ``FINISHED``, ``CANCELED`` or ``FAILED``; the other
    names exist so that programs which compare with them keep working.
    """

    CREATED = 0
    RUNNING = 1
    FAILING = 2
    FAILED = 3
    CANCELLING = 4
    CANCELED = 5
    FINISHED = 6
    RESTARTING = 7
    SUSPENDED = 8
    RECONCILING = 9

    def is_globally_terminal_state(self) -> bool:
        """Tell whether the job has ended for good."""
        return self in (JobStatus.FAILED, JobStatus.CANCELED, JobStatus.FINISHED)

    def is_terminal_state(self) -> bool:
        """Tell whether the job has ended here."""
        return self.is_globally_terminal_state() or self is JobStatus.SUSPENDED
