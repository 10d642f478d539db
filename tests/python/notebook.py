"""A notebook in a test: a running kernel, and cells as text.

What a cell puts out is read from the wire in the order in which a frontend sees it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from tidemill.cli import kernelspec

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

TIMEOUT_S = 30


@dataclass
class Outcome:
    """A cell's reply, and its messages on iopub up to idle."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)

    def text(self, name: str = "stdout") -> str:
        """Return all text of one stream."""
        streams = (it["content"] for it in self.of("stream"))
        return "".join(it["text"] for it in streams if it["name"] == name)

    def of(self, msg_type: str) -> list[dict[str, Any]]:
        """Return the messages of one type."""
        return [it for it in self.messages if it["msg_type"] == msg_type]

    def shown(self) -> list[str]:
        """Return what a reader sees, as text, in order."""
        lines = []
        for message in self.messages:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    lines.append(f"{content['name']}: {content['text']!r}")
                case "display_data" | "execute_result" | "update_display_data" as kind:
                    lines.append(f"{kind}: {content['data']['text/plain']}")
                case "error":
                    lines.append(f"error: {content['ename']}: {content['evalue']}")
                case "clear_output":
                    lines.append(f"clear_output: {content['wait']}")
        return lines


class Notebook:
    """A running Tidemill kernel and its client."""

    def __init__(self, folder: str | None = None) -> None:
        self._kept: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.manager = KernelManager(kernel_name="tidemill")
        self.manager._kernel_spec = KernelSpec(**kernelspec())
        self.manager.start_kernel(cwd=folder)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT_S)

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def send(self, code: str, **options: Any) -> str:
        """Send a cell; return the id of its request."""
        options.setdefault("allow_stdin", False)
        return self.client.execute(code, **options)

    def outcome(self, request: str) -> Outcome:
        """Wait for a cell."""
        return Outcome(self.reply(request), self.messages(request))

    def run(self, code: str, **options: Any) -> Outcome:
        """Run a cell to its end."""
        return self.outcome(self.send(code, **options))

    def ok(self, code: str, **options: Any) -> Outcome:
        """Run a cell that must succeed."""
        outcome = self.run(code, **options)
        assert outcome.reply["status"] == "ok", outcome.reply.get("traceback")
        return outcome

    def reply(self, request: str) -> dict[str, Any]:
        """Wait for the reply to a request on shell."""
        return self._wait("shell", request)["content"]

    def messages(self, request: str) -> list[dict[str, Any]]:
        """Wait for the iopub messages of a request, up to idle."""
        found = []
        while True:
            message = self._wait("iopub", request)
            if message["content"].get("execution_state") == "idle":
                return found
            found.append(message)

    def next_message(self, request: str, msg_type: str) -> dict[str, Any]:
        """Wait for the next iopub message of a type that belongs to a request."""
        while True:
            message = self._wait("iopub", request)
            if message["msg_type"] == msg_type:
                return message

    def question(self, request: str) -> dict[str, Any]:
        """Wait for an input request of a cell."""
        return self._wait("stdin", request)["content"]

    def control(self, msg_type: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request on control; return the content of its reply."""
        message = self.client.session.msg(msg_type, content=content or {})
        self.client.control_channel.send(message)
        request = message["header"]["msg_id"]
        return self._wait("control", request)["content"]

    def ask(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a request on shell; return the content of its reply."""
        message = self.client.session.msg(msg_type, content=content)
        self.client.shell_channel.send(message)
        return self.reply(message["header"]["msg_id"])

    def interrupt_when(self, request: str, text: str) -> None:
        """Interrupt the kernel by message as soon as a cell has printed ``text``."""
        while text not in self.next_message(request, "stream")["content"]["text"]:
            pass
        assert self.control("interrupt_request")["status"] == "ok"

    def _wait(self, channel: str, request: str) -> dict[str, Any]:
        """Wait for a message that belongs to a request; keep what belongs to others."""
        kept = self._kept[channel]
        for index, message in enumerate(kept):
            if message["parent_header"].get("msg_id") == request:
                return kept.pop(index)
        receive = getattr(self.client, f"get_{channel}_msg")
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            message = receive(timeout=max(0.0, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                return message
            kept.append(message)
