"""What a program was started with, and the jobs that it started.

``tidemill run -D key=value`` gives options: they are the first options of every environment that
the program makes; its own come after. INSERT jobs that the program did not wait for are awaited
at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.common.job_client import JobClient

__all__ = ["launch_options", "note_job", "set_launch_options", "started_jobs"]

_options: dict[str, str] = {}
_jobs: list[JobClient] = []
_MAX_JOBS = 10_000


def launch_options() -> dict[str, str]:
    """Give the options."""
    return dict(_options)


def set_launch_options(options: dict[str, str]) -> None:
    """Replace the options, and begin to note jobs."""
    _options.clear()
    _options.update(options)


def note_job(job: JobClient) -> None:
    """Remember a job that writes into a table."""
    if len(_jobs) < _MAX_JOBS:
        _jobs.append(job)


def started_jobs() -> list[JobClient]:
    """Give the jobs that were noted and still run."""
    running = [job for job in _jobs if not job.has_ended()]
    _jobs[:] = running
    return list(running)
