"""The environment that batch programs of the older API start from."""

from __future__ import annotations

from tidemill.dataset.execution_environment import ExecutionEnvironment

__all__ = ["ExecutionEnvironment"]
