"""The options of an environment, read and written while it lives."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidemill.common.configuration import Configuration
from tidemill.common.time import Duration, duration_text, milliseconds_of, seconds_of
from tidemill.table.sql_dialect import SqlDialect
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from tidemill._native.engine import Session

__all__ = ["TableConfig"]

_DIALECT = "table.sql-dialect"
_PYTHON = "python.executable"
_TIME_ZONE = "table.local-time-zone"
_TTL = "table.exec.state.ttl"
_CODE_LENGTH = "table.generated-code.max-length"


class TableConfig:
    """The options of one environment.

    Parameters
    ----------
    session
        The session that keeps them. Without one the object keeps options by itself, as
        `get_default` gives it.
    """

    def __init__(self, session: Session | None = None) -> None:
        """Keep the session."""
        self._session = session
        self._own = Configuration()

    @staticmethod
    def get_default() -> TableConfig:
        """Make a config that belongs to no environment yet."""
        return TableConfig()

    def get(self, key: str, default_value: str | None) -> str | None:
        """Give an option, or the default."""
        value = (
            self._own.get_string(key, None) if self._session is None else self._session.config(key)
        )
        return default_value if value is None else value

    def set(self, key: str, value: str) -> TableConfig:
        """Set an option.

        Raises
        ------
        ValidationException
            If the engine knows the option and the value does not fit.
        """
        if self._session is None:
            self._own.set_string(key, str(value))
        else:
            self._session.set_config(key, str(value))
        return self

    def to_map(self) -> dict[str, str]:
        """Give all options that are set."""
        return self._own.to_dict() if self._session is None else self._session.all_config()

    def get_configuration(self) -> Configuration:
        """Give a live view of the options: what is set there is set here."""
        return _LiveConfiguration(self)

    def add_configuration(self, configuration: Configuration) -> None:
        """Set all of the given options."""
        for key, value in configuration.to_dict().items():
            self.set(key, value)

    def get_local_timezone(self) -> str:
        """Give the session's time zone, an IANA name."""
        return self.get(_TIME_ZONE, None) or "UTC"

    def set_local_timezone(self, timezone_id: str) -> None:
        """Set the session's time zone."""
        self.set(_TIME_ZONE, timezone_id)

    def get_sql_dialect(self) -> SqlDialect:
        """Give the dialect."""
        return SqlDialect[(self.get(_DIALECT, None) or "default").upper()]

    def set_sql_dialect(self, sql_dialect: SqlDialect) -> None:
        """Set the dialect.

        Raises
        ------
        UnsupportedOperationException
            For any dialect but Flink's own.
        """
        if sql_dialect is not SqlDialect.DEFAULT:
            feature = f"the SQL dialect {sql_dialect.name}"
            refuse(feature)
        self.set(_DIALECT, "default")

    def get_idle_state_retention(self) -> timedelta:
        """Give how long idle state is kept; zero means for ever."""
        return timedelta(milliseconds=self._idle_state_ms())

    def set_idle_state_retention(self, duration: timedelta | Duration) -> None:
        """Set how long idle state is kept; a fraction of a millisecond is left out."""
        self.set(_TTL, duration_text(milliseconds_of(duration)))

    def _idle_state_ms(self) -> int:
        return round(seconds_of(self.get(_TTL, None) or "0 ms") * 1000)

    def get_max_generated_code_length(self) -> int:
        """Give an option that has no effect here: nothing generates Java code."""
        return int(self.get(_CODE_LENGTH, None) or 4000)

    def set_max_generated_code_length(self, max_generated_code_length: int) -> None:
        """Set an option that has no effect here."""
        self.set(_CODE_LENGTH, str(max_generated_code_length))

    def get_python_executable(self) -> str | None:
        """Give the interpreter for worker processes."""
        return self.get(_PYTHON, None)

    def set_python_executable(self, python_exec: str) -> None:
        """Set the interpreter for worker processes."""
        self.set(_PYTHON, python_exec)

    # ---- the older API ----

    def get_null_check(self) -> bool:
        """Tell that NULL is a value of every type."""
        return True

    def set_null_check(self, null_check: bool) -> None:  # noqa: FBT001 - PyFlink's signature
        """Change nothing: NULL is a value of every type that is not NOT NULL."""

    def get_decimal_context(self) -> tuple[int, str]:
        """Give precision and rounding of decimal fractions."""
        return (34, "HALF_EVEN")

    def set_decimal_context(self, precision: int, rounding_mode: str) -> None:
        """Change nothing: the types say how decimal fractions are computed."""

    def set_idle_state_retention_time(self, min: timedelta, max: timedelta) -> None:  # noqa: A002 - PyFlink's signature
        """Set how long idle state is kept, by the shorter of the two times."""
        del max
        self.set_idle_state_retention(min)

    def get_min_idle_state_retention_time(self) -> int:
        """Give how long idle state is kept, in milliseconds."""
        return self._idle_state_ms()

    def get_max_idle_state_retention_time(self) -> int:
        """Give the longer of the two times, in milliseconds: half more than the shorter one."""
        return self._idle_state_ms() * 3 // 2


class _LiveConfiguration(Configuration):
    """Writes through to the config that it was made of."""

    def __init__(self, config: TableConfig) -> None:
        super().__init__(Configuration.from_dict(config.to_map()))
        self._config = config

    def set_string(self, key: str, value: str) -> Configuration:
        self._config.set(key, value)
        return super().set_string(key, value)
