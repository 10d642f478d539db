"""Metrics of user-defined functions, with the names of ``pyflink.metrics``."""

from __future__ import annotations

from tidemill.metrics.metricbase import Counter, Distribution, Meter, Metric, MetricGroup

__all__ = ["Counter", "Distribution", "Meter", "Metric", "MetricGroup"]
