"""``input()`` and ``getpass()`` as questions to the frontend.

The debugger, ``%debug`` and ``breakpoint()`` read their commands with ``input()``, so they work
by this too. Where nobody can answer (a notebook that is run by a program), asking is an error at
once instead of waiting for ever.
"""

from __future__ import annotations

import builtins
import getpass
from typing import TYPE_CHECKING

from IPython.core.error import StdinNotImplementedError

if TYPE_CHECKING:
    from tidemill.kernel.output import Origin


class Questions:
    """Replaces the functions that ask the user.

    Parameters
    ----------
    origin
        Knows which cell asks.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def install(self) -> None:
        """Replace ``input`` and ``getpass`` for all code of this process."""
        builtins.input = self.input
        getpass.getpass = self.getpass

    def input(self, prompt: object = "", /) -> str:
        """Ask the user for a line."""
        return self._ask(str(prompt), password=False)

    def getpass(self, prompt: str = "Password: ", stream: object = None) -> str:  # noqa: ARG002
        """Ask the user for a line that is not shown; the stream is for terminals."""
        return self._ask(prompt, password=True)

    def _ask(self, prompt: str, *, password: bool) -> str:
        cell = self._origin.cell()
        if not cell.allow_stdin:
            msg = "raw_input was called, but this frontend does not support input requests."
            raise StdinNotImplementedError(msg)
        return self._origin.native.ask(cell, prompt, password)
