"""Subshells (JEP 91): requests that are handled on threads of their own beside a running cell.

JupyterLab sends comm messages there, so widgets react while a cell runs. The namespace is the
shell's; interrupts go to the main thread only.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from typing import TYPE_CHECKING

from tidemill.kernel.cells import CellRun
from tidemill.kernel.output import CELL
from tidemill.kernel.questions import Answers

if TYPE_CHECKING:
    from tidemill._native.kernel import Kernel, Task
    from tidemill.kernel.comms import Comms
    from tidemill.kernel.shell import ZMQInteractiveShell


class Subshells:
    """Runs the tasks of subshells.

    Parameters
    ----------
    native
        The running kernel.
    shell
        Where cells run.
    comms
        The comms of Python.
    """

    def __init__(self, native: Kernel, shell: ZMQInteractiveShell, comms: Comms) -> None:
        self._native = native
        self._shell = shell
        self._comms = comms
        self._answers = Answers(shell, comms)

    def run(self, subshell_id: str) -> None:
        """Take the tasks of one subshell until it is deleted; runs on its thread."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            while (task := self._native.wait_for_task(subshell_id)) is not None:
                CELL.set(task.parent)
                self._handle(loop, task)
        finally:
            loop.close()

    def _handle(self, loop: asyncio.AbstractEventLoop, task: Task) -> None:
        if task.kind == "execute":
            run = CellRun(self._shell, task)
            result = loop.run_until_complete(run.run_in_loop()) if run.awaits() else run.run_now()
            run.finish(result)
        elif task.kind == "comm":
            self._comms.handle(task)
            task.reply({"status": "ok"})
        else:
            task.reply(self._answer(task))

    def _answer(self, task: Task) -> dict[str, object]:
        try:
            return self._answers.answer(task.msg_type, json.loads(task.content()))
        except Exception as error:  # noqa: BLE001 (of a completer, a repr)
            return {
                "status": "error",
                "ename": type(error).__name__,
                "evalue": str(error),
                "traceback": traceback.format_exception(error),
            }
