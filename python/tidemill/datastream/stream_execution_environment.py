"""The configuration that a `StreamTableEnvironment` is created from.

DataStream operators are not here yet; this class carries parallelism and options, which is what
programs of the Table API use it for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.configuration import Configuration
from tidemill.common.execution_config import ExecutionConfig
from tidemill.datastream.data_stream import DataStream
from tidemill.datastream.time_characteristic import TimeCharacteristic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.common.restart_strategy import RestartStrategyConfiguration
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
        self._time_characteristic = TimeCharacteristic.ProcessingTime

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

    def get_config(self) -> ExecutionConfig:
        """Give the options as settings."""
        return ExecutionConfig(self._configuration)

    def set_max_parallelism(self, max_parallelism: int) -> StreamExecutionEnvironment:
        """Keep the number of key groups; the engine has 256."""
        self.get_config().set_max_parallelism(max_parallelism)
        return self

    def get_max_parallelism(self) -> int:
        """Give the number of key groups that a program asked for, or -1."""
        return self.get_config().get_max_parallelism()

    def enable_checkpointing(
        self, interval: int, mode: object = None
    ) -> StreamExecutionEnvironment:
        """Save the state of jobs at intervals of some milliseconds."""
        del mode
        self._configuration.set_string("execution.checkpointing.interval", f"{interval} ms")
        return self

    def set_restart_strategy(
        self, restart_strategy_configuration: RestartStrategyConfiguration
    ) -> None:
        """Set what happens when a job fails."""
        for key, value in restart_strategy_configuration.options().items():
            self._configuration.set_string(key, value)

    def set_state_backend(self, state_backend: object) -> StreamExecutionEnvironment:
        """Change nothing: state is in memory, and in checkpoints."""
        del state_backend
        return self

    def set_stream_time_characteristic(self, characteristic: TimeCharacteristic) -> None:
        """Keep the kind of time; tables say by their columns which they use."""
        self._time_characteristic = characteristic

    def get_stream_time_characteristic(self) -> TimeCharacteristic:
        """Give the kind of time."""
        return self._time_characteristic

    def add_python_file(self, file_path: str) -> None:
        """Make a module, a package folder or a zip file importable for functions."""
        self._append("python.files", file_path)

    def add_python_archive(self, archive_path: str, target_dir: str | None = None) -> None:
        """Unpack an archive where functions run."""
        value = archive_path if target_dir is None else f"{archive_path}#{target_dir}"
        self._append("python.archives", value)

    def set_python_requirements(
        self, requirements_file_path: str, requirements_cache_dir: str | None = None
    ) -> None:
        """Run functions with the packages that a file lists."""
        value = requirements_file_path
        if requirements_cache_dir is not None:
            value += f"#{requirements_cache_dir}"
        self._configuration.set_string("python.requirements", value)

    def set_python_executable(self, python_exec: str) -> None:
        """Run functions by another interpreter."""
        self._configuration.set_string("python.executable", python_exec)

    def _append(self, key: str, value: str) -> None:
        before = self._configuration.get_string(key, None)
        self._configuration.set_string(key, f"{before},{value}" if before else value)

    def get_configuration(self) -> Configuration:
        """Give the options."""
        return self._configuration
