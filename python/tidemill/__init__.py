"""Tidemill: incremental Flink SQL and the PyFlink Table API without a JVM.

A program written for PyFlink is ported by replacing ``pyflink`` with ``tidemill`` in its import
lines: ``tidemill.table`` repeats ``pyflink.table``, ``tidemill.common`` repeats
``pyflink.common``, and so on. This page imports nothing, so that the kernel starts quickly.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
