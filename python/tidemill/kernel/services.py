"""What libraries find at ``get_ipython().kernel``.

Widgets, progress bars and debuggers were written for ipykernel and reach for a few attributes of
its kernel object; these are the ones in use.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidemill import __version__

if TYPE_CHECKING:
    from comm.base_comm import CommManager

    from tidemill._native.kernel import Kernel
    from tidemill.kernel.output import Origin
    from tidemill.kernel.shell import ZMQInteractiveShell


class SessionFacade:
    """The part of a Jupyter session that libraries use: sending a message on iopub.

    Parameters
    ----------
    origin
        Knows to which cell a message belongs.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def send(
        self,
        stream: object,  # noqa: ARG002 (all that libraries send goes to iopub)
        msg_or_type: str,
        content: dict[str, Any] | None = None,
        *_: object,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
        **__: object,
    ) -> None:
        """Publish a message."""
        origin = self._origin
        frames = None if buffers is None else [bytes(buffer) for buffer in buffers]
        origin.native.publish(origin.cell(), msg_or_type, content or {}, metadata, frames)


class KernelServices:
    """The kernel as libraries see it.

    Parameters
    ----------
    origin
        Knows to which cell an output belongs.
    comm_manager
        The comms of Python.
    """

    implementation = "tidemill"
    implementation_version = __version__
    iopub_socket = None

    def __init__(self, origin: Origin, comm_manager: CommManager) -> None:
        self._origin = origin
        self.comm_manager = comm_manager
        self.session = SessionFacade(origin)
        self.shell: ZMQInteractiveShell | None = None

    @property
    def native(self) -> Kernel:
        """The Rust half."""
        return self._origin.native

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Return the request of the running cell as a message."""
        header = json.loads(self._origin.cell().header)
        return {"header": header, "msg_id": header.get("msg_id"), "content": {}, "metadata": {}}
