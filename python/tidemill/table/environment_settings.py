"""What a `TableEnvironment` is created from."""

from __future__ import annotations

from tidemill.common.configuration import Configuration

__all__ = ["EnvironmentSettings"]

_MODE = "execution.runtime-mode"
_CATALOG = "table.builtin-catalog-name"
_DATABASE = "table.builtin-database-name"


class EnvironmentSettings:
    """Immutable settings of an environment.

    Parameters
    ----------
    configuration
        All settings as options.

    Examples
    --------
    >>> EnvironmentSettings.in_streaming_mode().is_streaming_mode()
    True
    """

    class Builder:
        """Collects settings."""

        def __init__(self) -> None:
            """Start with none."""
            self._configuration = Configuration()

        def with_configuration(self, config: Configuration) -> EnvironmentSettings.Builder:
            """Add options."""
            self._configuration.add_all(config)
            return self

        def in_batch_mode(self) -> EnvironmentSettings.Builder:
            """Choose final rows of bounded inputs."""
            self._configuration.set_string(_MODE, "batch")
            return self

        def in_streaming_mode(self) -> EnvironmentSettings.Builder:
            """Choose changelogs."""
            self._configuration.set_string(_MODE, "streaming")
            return self

        def use_old_planner(self) -> EnvironmentSettings.Builder:
            """Change nothing: there is one planner."""
            return self

        def use_blink_planner(self) -> EnvironmentSettings.Builder:
            """Change nothing: there is one planner."""
            return self

        def use_any_planner(self) -> EnvironmentSettings.Builder:
            """Change nothing: there is one planner."""
            return self

        def with_built_in_catalog_name(
            self, built_in_catalog_name: str
        ) -> EnvironmentSettings.Builder:
            """Name the first catalog."""
            self._configuration.set_string(_CATALOG, built_in_catalog_name)
            return self

        def with_built_in_database_name(
            self, built_in_database_name: str
        ) -> EnvironmentSettings.Builder:
            """Name the first database."""
            self._configuration.set_string(_DATABASE, built_in_database_name)
            return self

        def build(self) -> EnvironmentSettings:
            """Make the settings."""
            return EnvironmentSettings(self._configuration)

    def __init__(self, configuration: Configuration) -> None:
        """Copy the options."""
        self._configuration = Configuration(configuration)

    @staticmethod
    def new_instance() -> EnvironmentSettings.Builder:
        """Start a builder."""
        return EnvironmentSettings.Builder()

    @staticmethod
    def in_streaming_mode() -> EnvironmentSettings:
        """Make the settings of streaming."""
        return EnvironmentSettings.new_instance().in_streaming_mode().build()

    @staticmethod
    def in_batch_mode() -> EnvironmentSettings:
        """Make the settings of batch."""
        return EnvironmentSettings.new_instance().in_batch_mode().build()

    def is_streaming_mode(self) -> bool:
        """Tell whether results are changelogs."""
        mode = self._configuration.get_string(_MODE, "streaming") or ""
        return mode.lower() != "batch"

    def get_built_in_catalog_name(self) -> str:
        """Give the name of the first catalog."""
        return self._configuration.get_string(_CATALOG, None) or "default_catalog"

    def get_built_in_database_name(self) -> str:
        """Give the name of the first database."""
        return self._configuration.get_string(_DATABASE, None) or "default_database"

    def get_configuration(self) -> Configuration:
        """Give the options."""
        return self._configuration
