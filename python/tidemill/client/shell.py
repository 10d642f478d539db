"""``tidemill shell``: IPython with the environments of PyFlink's shell.

``st_env`` is a streaming environment, ``bt_env`` a batch one, ``s_env`` what the first is made of;
the names of the Table API are imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.client.run import add_options, apply_options
from tidemill.compat import pyflink_alias

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser", "names", "run"]

_BANNER = """\
Tidemill {version}: Flink SQL and the PyFlink Table API

  st_env   streaming table environment      st_env.sql_query("SELECT 1").execute().print()
  bt_env   batch table environment          bt_env.from_elements([(1, "a")], ["id", "name"])
  s_env    execution environment of st_env

'import pyflink' gives this package.
"""


def add_parser(parser: argparse.ArgumentParser) -> None:
    """Describe ``tidemill shell``."""
    parser.description = "Start IPython with st_env, bt_env and the names of the Table API."
    add_options(parser)
    parser.add_argument(
        "target",
        nargs="?",
        default="local",
        choices=["local"],
        help="where queries run: in this process",
    )


def run(given: argparse.Namespace) -> int:
    """Start the shell; the return value is the exit status."""
    from IPython import start_ipython  # noqa: PLC0415 (only the shell needs it)
    from traitlets.config import Config  # noqa: PLC0415

    from tidemill.version import __version__  # noqa: PLC0415

    apply_options(given)
    pyflink_alias.install()
    config = Config()
    config.TerminalInteractiveShell.banner1 = _BANNER.format(version=__version__)
    start_ipython(argv=[], user_ns=names(), config=config)
    return 0


def names() -> dict[str, Any]:
    """Give the names that the shell starts with."""
    import tidemill.common  # noqa: PLC0415 (only the shell needs them)
    import tidemill.datastream  # noqa: PLC0415
    import tidemill.table  # noqa: PLC0415
    from tidemill.table import expressions, udf, window  # noqa: PLC0415
    from tidemill.table.environment import (  # noqa: PLC0415
        batch_environment,
        streaming_environment,
    )

    found: dict[str, Any] = {}
    for module in (
        tidemill.common,
        tidemill.datastream,
        tidemill.table,
        expressions,
        udf,
        window,
    ):
        found.update({name: getattr(module, name) for name in module.__all__})
    found["st_env"] = streaming_environment()
    found["bt_env"] = batch_environment()
    found["s_env"] = tidemill.datastream.StreamExecutionEnvironment.get_execution_environment()
    return found
