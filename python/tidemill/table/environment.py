"""Which environment SQL cells and other implicit users work with: the one created last.

As long as a program has created none, it is the default streaming environment. That one and the
batch environment beside it are `st_env` and `bt_env` in a notebook, as in PyFlink's shell. They
count as older than all environments of the program, whenever they are first used: using them
never takes the current place from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.table.table_environment import StreamTableEnvironment, TableEnvironment

__all__ = [
    "batch_environment",
    "current_environment",
    "set_current_environment",
    "streaming_environment",
]

_current: list[TableEnvironment] = []
_streaming: list[StreamTableEnvironment] = []
_batch: list[TableEnvironment] = []


def current_environment() -> TableEnvironment:
    """Give the environment created last; the default streaming one if there is none."""
    if not _current:
        set_current_environment(streaming_environment())
    return _current[0]


def set_current_environment(environment: TableEnvironment) -> None:
    """Make an environment the current one."""
    _current[:] = [environment]


def streaming_environment() -> StreamTableEnvironment:
    """Give the default streaming environment, always the same; made when first asked for."""
    if not _streaming:
        from tidemill.table.table_environment import StreamTableEnvironment  # noqa: PLC0415 - cycle

        before = list(_current)
        _streaming.append(StreamTableEnvironment.create())
        _current[:] = before or _streaming
    return _streaming[0]


def batch_environment() -> TableEnvironment:
    """Give the default batch environment, always the same; made when first asked for."""
    if not _batch:
        from tidemill.table.environment_settings import EnvironmentSettings  # noqa: PLC0415 - cycle
        from tidemill.table.table_environment import TableEnvironment  # noqa: PLC0415

        before = list(_current)
        _batch.append(TableEnvironment.create(EnvironmentSettings.in_batch_mode()))
        _current[:] = before
    return _batch[0]
