"""The part of the DataStream API that Table programs need to get started."""

from __future__ import annotations

from tidemill.datastream.execution_mode import RuntimeExecutionMode
from tidemill.datastream.stream_execution_environment import StreamExecutionEnvironment

__all__ = ["RuntimeExecutionMode", "StreamExecutionEnvironment"]
