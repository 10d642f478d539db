"""Which environment SQL cells and other implicit users work with: the one created last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.table.table_environment import TableEnvironment

__all__ = ["current_environment", "set_current_environment"]

_current: list[TableEnvironment] = []


def current_environment() -> TableEnvironment:
    """Give the environment created last; makes a streaming one if there is none."""
    if not _current:
        from tidemill.table.environment_settings import EnvironmentSettings  # noqa: PLC0415 - would be a cycle
        from tidemill.table.table_environment import TableEnvironment  # noqa: PLC0415

        set_current_environment(TableEnvironment.create(EnvironmentSettings.in_streaming_mode()))
    return _current[0]


def set_current_environment(environment: TableEnvironment) -> None:
    """Make an environment the current one."""
    _current[:] = [environment]
