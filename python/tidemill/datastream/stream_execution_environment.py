"""The configuration that a `StreamTableEnvironment` is created from.

DataStream operators are not here yet; this class carries parallelism and options, which is what
programs of the Table API use it for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.configuration import Configuration
from tidemill.datastream.data_stream import DataStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.common.typeinfo import TypeInformation
    from tidemill.datastream.execution_mode import RuntimeExecutionMode

__all__ = ["StreamExecutionEnvironment"]


class StreamExecutionEnvironment:
    """Options of a program.

    Parameters
    ----------
    configuration
        Options to start from; they are copied.
    """

    def __init__(self, configuration: Configuration | None = None) -> None:
        """Copy the options."""
        self._configuration = Configuration(configuration)

    @staticmethod
    def get_execution_environment(
        configuration: Configuration | None = None,
    ) -> StreamExecutionEnvironment:
        """Make an environment."""
        return StreamExecutionEnvironment(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Add options."""
        self._configuration.add_all(configuration)

    def set_parallelism(self, parallelism: int) -> StreamExecutionEnvironment:
        """Set the number of workers that a job runs on."""
        self._configuration.set_integer("parallelism.default", parallelism)
        return self

    def get_parallelism(self) -> int:
        """Give the number of workers, or -1 if the engine chooses."""
        return self._configuration.get_integer("parallelism.default", -1)

    def set_runtime_mode(self, execution_mode: RuntimeExecutionMode) -> StreamExecutionEnvironment:
        """Choose between streaming and batch."""
        self._configuration.set_string("execution.runtime-mode", execution_mode.value.lower())
        return self

    def from_collection(
        self, collection: Iterable[Any], type_info: TypeInformation | None = None
    ) -> DataStream:
        """Make a stream of the elements of a collection."""
        return DataStream(list(collection), type_info)

    def get_configuration(self) -> Configuration:
        """Give the options."""
        return self._configuration
