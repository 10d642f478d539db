"""The part of the DataStream API that Table programs need to get started."""

from __future__ import annotations

from tidemill.datastream.data_stream import DataStream
from tidemill.datastream.execution_mode import RuntimeExecutionMode
from tidemill.datastream.stream_execution_environment import StreamExecutionEnvironment
from tidemill.datastream.time_characteristic import TimeCharacteristic

__all__ = [
    "DataStream",
    "RuntimeExecutionMode",
    "StreamExecutionEnvironment",
    "TimeCharacteristic",
]
