"""Tidemill: incremental Flink SQL and the PyFlink Table API without a JVM.

A program written for PyFlink is ported by replacing ``pyflink`` with ``tidemill`` in its import
lines: ``tidemill.table`` repeats ``pyflink.table``, ``tidemill.common`` repeats
``pyflink.common``, and so on. This page imports next to nothing, so that the kernel starts quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.kernel.jobs import JobList

__all__ = ["__version__", "jobs"]


def __getattr__(name: str) -> Callable[[], JobList]:
    """Give `jobs`, which loads the engine."""
    if name == "jobs":
        from tidemill.kernel.jobs import jobs  # noqa: PLC0415 (this page imports nothing)

        return jobs
    msg = f"module 'tidemill' has no attribute '{name}'"
    raise AttributeError(msg)
