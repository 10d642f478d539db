"""The jobs of this process: ``jobs()``, ``stop()`` and ``%jobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill._native import display, engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill._native.engine import Job
    from tidemill.kernel.shell import ZMQInteractiveShell

__all__ = ["JobList", "jobs", "stop"]


class JobList(list["Job"]):
    """Jobs as a list that shows itself as a table.

    The table tells how the jobs are doing when it is shown, not when the list was made.
    """

    def running(self) -> JobList:
        """Give those that have not ended."""
        return JobList(job for job in self if job.status() == "running")

    def stop(self) -> None:
        """Stop all of them; returns when they have stopped."""
        for job in self:
            job.stop()

    def __repr__(self) -> str:
        return display.jobs_forms(self._ids())[0]

    def _repr_html_(self) -> str | None:
        return display.jobs_forms(self._ids())[1]

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # noqa: FBT001 (IPython's)
        printer.text(repr(self))

    def _ids(self) -> list[str]:
        return [job.id for job in self]


def jobs() -> JobList:
    """List the jobs of this process, oldest first: what runs, and the last hundred that ended.

    Returns
    -------
    JobList
        Handles with ``id``, ``name``, ``state``, ``metrics()``, ``wait(timeout_ms)`` and
        ``stop()``.
    """
    return JobList(engine.jobs())


def stop(job: str | int | Job | Iterable[Job]) -> None:
    """Stop a job, or several; returns when they have stopped.

    Parameters
    ----------
    job
        The id as ``jobs()`` shows it, a handle, or handles.

    Raises
    ------
    ValueError
        If there is no job of this id.
    """
    if isinstance(job, engine.Job):
        job.stop()
        return
    if not isinstance(job, (str, int)):
        for one in job:
            one.stop()
        return
    known = jobs()
    for one in known:
        if one.id == str(job):
            one.stop()
            return
    ids = ", ".join(one.id for one in known) or "none"
    msg = f"there is no job '{job}'; there are: {ids}"
    raise ValueError(msg)


def install(shell: ZMQInteractiveShell) -> None:
    """Give a shell ``%jobs`` and, as long as the user has no such names, ``jobs`` and ``stop``."""
    shell.register_magic_function(_jobs_magic, "line", "jobs")
    shell.push({"jobs": jobs, "stop": stop}, interactive=False)


def _jobs_magic(line: str) -> JobList:
    """List the jobs: ``%jobs``; only those that run: ``%jobs running``."""
    from IPython.core.error import UsageError  # noqa: PLC0415 (keeps the kernel's start short)

    if line.strip() not in {"", "running"}:
        msg = f"%jobs takes 'running' or nothing, not '{line.strip()}'"
        raise UsageError(msg)
    return jobs().running() if line.strip() else jobs()
