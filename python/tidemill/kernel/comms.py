"""Comms whose kernel side is Python: widgets.

The ``comm`` package is the meeting point of kernels and widget libraries; this module gives it
our way to send. Comms of Rust (live tables) are answered there and never come here.
"""

from __future__ import annotations

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

import comm
from comm.base_comm import BaseComm, CommManager

if TYPE_CHECKING:
    from tidemill._native.kernel import Task
    from tidemill.kernel.output import Origin


class Comms:
    """The comms of Python.

    Parameters
    ----------
    origin
        Knows to which cell a message belongs.
    """

    def __init__(self, origin: Origin) -> None:
        self.manager = CommManager()
        self._origin = origin

    def install(self) -> None:
        """Become the comm implementation of this process."""
        origin = self._origin

        class Comm(BaseComm):
            """A comm that sends through the kernel."""

            def publish_msg(
                self,
                msg_type: str,
                data: Any = None,
                metadata: dict[str, Any] | None = None,
                buffers: list[Any] | None = None,
                **keys: Any,
            ) -> None:
                """Send a message to the page."""
                if origin.forked:
                    return
                content = {"data": {} if data is None else data, "comm_id": self.comm_id, **keys}
                frames = None if not buffers else [_as_bytes(buffer) for buffer in buffers]
                origin.native.publish(origin.cell(), msg_type, content, metadata or {}, frames)

        manager = self.manager
        comm.create_comm = Comm
        comm.get_comm_manager = lambda: manager

    def handle(self, task: Task) -> None:
        """Give a message of the page to the comm that it is for."""
        header, metadata, content, buffers = task.comm()
        message = {
            "header": json.loads(header),
            "msg_type": task.msg_type,
            "parent_header": {},
            "metadata": json.loads(metadata),
            "content": json.loads(content),
            "buffers": [memoryview(buffer) for buffer in buffers],
        }
        handler = {
            "comm_open": self.manager.comm_open,
            "comm_msg": self.manager.comm_msg,
            "comm_close": self.manager.comm_close,
        }[task.msg_type]
        try:
            handler(None, None, message)
        except (Exception, KeyboardInterrupt):  # noqa: BLE001 (a callback of the user)
            traceback.print_exc(file=sys.stderr)

    def info(self, target_name: str | None) -> dict[str, Any]:
        """Return the open comms, of one target if it is named."""
        return {
            comm_id: {"target_name": open_comm.target_name}
            for comm_id, open_comm in self.manager.comms.items()
            if target_name is None or open_comm.target_name == target_name
        }


def _as_bytes(buffer: Any) -> bytes:
    return buffer if type(buffer) is bytes else bytes(memoryview(buffer).cast("B"))
