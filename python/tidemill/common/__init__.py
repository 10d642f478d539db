"""What every API layer shares: rows, configuration, time spans and the handles of jobs."""

from __future__ import annotations

from tidemill.common.completable_future import CompletableFuture
from tidemill.common.configuration import Configuration
from tidemill.common.job_client import JobClient
from tidemill.common.job_execution_result import JobExecutionResult
from tidemill.common.job_id import JobID
from tidemill.common.job_status import JobStatus
from tidemill.common.time import Duration, Instant, Time
from tidemill.common.types import Row, RowKind

__all__ = [
    "CompletableFuture",
    "Configuration",
    "Duration",
    "Instant",
    "JobClient",
    "JobExecutionResult",
    "JobID",
    "JobStatus",
    "Row",
    "RowKind",
    "Time",
]
