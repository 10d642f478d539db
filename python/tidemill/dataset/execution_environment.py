"""The configuration that a `BatchTableEnvironment` of the older API is created from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from tidemill.common.configuration import Configuration
from tidemill.common.execution_config import ExecutionConfig
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from tidemill.common.restart_strategy import RestartStrategyConfiguration

__all__ = ["ExecutionEnvironment"]


class ExecutionEnvironment:
    """Options of a program; jobs are run by the table environment."""

    def __init__(self) -> None:
        self._configuration = Configuration()
        self._configuration.set_string("execution.runtime-mode", "batch")

    @staticmethod
    def get_execution_environment() -> ExecutionEnvironment:
        """Make an environment."""
        return ExecutionEnvironment()

    def get_configuration(self) -> Configuration:
        """Give the options."""
        return self._configuration

    def get_config(self) -> ExecutionConfig:
        """Give the options as settings."""
        return ExecutionConfig(self._configuration)

    def set_parallelism(self, parallelism: int) -> None:
        """Set the number of workers."""
        self.get_config().set_parallelism(parallelism)

    def get_parallelism(self) -> int:
        """Give the number of workers, or -1 if the engine chooses."""
        return self.get_config().get_parallelism()

    def set_default_local_parallelism(self, parallelism: int) -> None:
        """Set the number of workers."""
        self.set_parallelism(parallelism)

    def get_default_local_parallelism(self) -> int:
        """Give the number of workers, or -1 if the engine chooses."""
        return self.get_parallelism()

    def set_restart_strategy(
        self, restart_strategy_configuration: RestartStrategyConfiguration
    ) -> None:
        """Set what happens when a job fails."""
        for key, value in restart_strategy_configuration.options().items():
            self._configuration.set_string(key, value)

    def add_default_kryo_serializer(self, type_class_name: str, serializer_class_name: str) -> None:
        """Change nothing: nothing is serialized by Kryo."""

    def register_type_with_kryo_serializer(
        self, type_class_name: str, serializer_class_name: str
    ) -> None:
        """Change nothing: nothing is serialized by Kryo."""

    def register_type(self, type_class_name: str) -> None:
        """Change nothing: nothing is serialized by Kryo."""

    def execute(self, job_name: str | None = None) -> NoReturn:
        """Refuse: a program of tables is run by the table environment's ``execute``."""
        del job_name
        refuse("a program of data sets (use BatchTableEnvironment.execute)")

    def get_execution_plan(self) -> Any:
        """Refuse: a plan is shown by the table environment's ``explain``."""
        refuse("the plan of a program of data sets (use BatchTableEnvironment.explain)")
