"""Environments that a `StreamExecutionEnvironment` or an `ExecutionEnvironment` is the base of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.common.configuration import Configuration
from tidemill.table.base_environment import TableEnvironment
from tidemill.table.stream_tables import StreamTables

if TYPE_CHECKING:
    from tidemill.datastream import StreamExecutionEnvironment
    from tidemill.table.environment_settings import EnvironmentSettings
    from tidemill.table.table_config import TableConfig

__all__ = ["BatchTableEnvironment", "StreamTableEnvironment", "TableEnvironment"]


class StreamTableEnvironment(StreamTables):
    """An environment that takes parallelism and options from a `StreamExecutionEnvironment`."""

    @staticmethod
    def create(  # type: ignore[override]
        stream_execution_environment: StreamExecutionEnvironment | None = None,
        environment_settings: EnvironmentSettings | TableConfig | None = None,
        table_config: TableConfig | EnvironmentSettings | None = None,
    ) -> StreamTableEnvironment:
        """Make an environment; options of the settings win over those of the other.

        The second and third argument are told apart by what they are: the older API has them the
        other way around.

        Raises
        ------
        ValueError
            If both a config and settings are given.
        """
        settings, config = _sorted(environment_settings, table_config)
        configuration = Configuration()
        if stream_execution_environment is not None:
            configuration.add_all(stream_execution_environment.get_configuration())
        if settings is not None:
            configuration.add_all(settings.get_configuration())
        if config is not None:
            configuration.add_all(config.get_configuration())
        return StreamTableEnvironment(configuration)


class BatchTableEnvironment(TableEnvironment):
    """The older name of an environment for bounded inputs."""

    @staticmethod
    def create(  # type: ignore[override]
        execution_environment: Any = None,
        table_config: TableConfig | EnvironmentSettings | None = None,
        environment_settings: EnvironmentSettings | TableConfig | None = None,
    ) -> BatchTableEnvironment:
        """Make an environment in batch mode; see `StreamTableEnvironment.create`."""
        settings, config = _sorted(environment_settings, table_config)
        configuration = Configuration()
        if execution_environment is not None:
            configuration.add_all(execution_environment.get_configuration())
        for given in (settings, config):
            if given is not None:
                configuration.add_all(given.get_configuration())
        configuration.set_string("execution.runtime-mode", "batch")
        return BatchTableEnvironment(configuration)


def _sorted(first: Any, second: Any) -> tuple[EnvironmentSettings | None, TableConfig | None]:
    """Tell settings and config apart."""
    if first is not None and second is not None:
        msg = "The param 'table_config' and 'environment_settings' cannot be used at the same time"
        raise ValueError(msg)
    given = second if first is None else first
    if given is not None and not hasattr(given, "is_streaming_mode"):
        return None, given
    return given, None
