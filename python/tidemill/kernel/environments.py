"""``st_env`` and ``bt_env``: the environments that a notebook has from its start.

Making them needs the whole Table API, which would double the time that a kernel takes to start.
So a name is given to the user when a cell, a completion or a question about an object first
mentions it. Names that the user has are left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.kernel.shell import ZMQInteractiveShell

_MENTIONED = re.compile(r"\b(?:st_env|bt_env)\b")


def offer(shell: ZMQInteractiveShell, code: str) -> None:
    """Give the user those default environments that a text mentions and that have no other value.

    Parameters
    ----------
    shell
        Whose names the text uses.
    code
        What is about to be run, completed or inspected.
    """
    for name in sorted(set(_MENTIONED.findall(code)) - shell.user_ns.keys()):
        from tidemill.table import environment  # noqa: PLC0415 (the whole Table API, see above)

        make = {
            "st_env": environment.streaming_environment,
            "bt_env": environment.batch_environment,
        }[name]
        shell.push({name: make()}, interactive=False)
