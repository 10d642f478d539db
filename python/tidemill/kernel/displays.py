"""Results and displays of cells: IPython's display hook and display publisher."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.kernel.output import Origin

    Message = dict[str, Any]
    Hook = Callable[[Message], Message | None]


class ResultHook(DisplayHook):
    """Publishes the value of a cell as ``execute_result``."""

    origin: Origin
    #: True while the forms of a value are being made.
    is_formatting = False
    _content: dict[str, Any] | None = None

    def start_displayhook(self) -> None:
        """Begin a result."""
        self._content = None
        self.is_formatting = True

    def write_output_prompt(self) -> None:
        """Write nothing: the frontend numbers the outputs."""

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None
    ) -> None:
        """Take the forms of the value."""
        if format_dict:
            self._content = {
                "data": format_dict,
                "metadata": md_dict or {},
                "execution_count": self.prompt_count,
            }

    def finish_displayhook(self) -> None:
        """Publish the result, if the value has a form."""
        self.is_formatting = False
        content, self._content = self._content, None
        if content is None:
            return
        if self.origin.forked:
            print(content["data"].get("text/plain", ""))  # noqa: T201 (a child has only its stdout)
            return
        self.origin.native.publish(self.origin.cell(), "execute_result", content)


class Displays(DisplayPublisher):
    """Publishes what cells ``display()``.

    Hooks see every message of their thread before it is sent and may keep it to themselves;
    ``ipywidgets.Output`` and output capturing are made of them.
    """

    origin: Origin
    _thread_local = threading.local()

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """Show something, or change what is shown under its display id."""
        msg_type = "update_display_data" if update else "display_data"
        content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        if self.origin.forked:
            print(data.get("text/plain", ""))  # noqa: T201 (a child has only its stdout)
            return
        if self._hooks and self._hooked(msg_type, content) is None:
            return
        native, cell = self.origin.native, self.origin.cell()
        display_id = content["transient"].get("display_id")
        if update and display_id is not None:
            native.update_display(cell, str(display_id), content)
        else:
            native.publish(cell, msg_type, content)

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 (IPython's)
        """Remove the outputs of this cell, with ``wait`` when the next output comes."""
        content = {"wait": bool(wait)}
        if self.origin.forked:
            return
        if self._hooks and self._hooked("clear_output", content) is None:
            return
        self.origin.native.publish(self.origin.cell(), "clear_output", content)

    def register_hook(self, hook: Hook) -> None:
        """Let ``hook`` see the messages of this thread; it returns them, or None to keep one."""
        self._hooks.append(hook)

    def unregister_hook(self, hook: Hook) -> bool:
        """Remove a hook; False if it is not there."""
        try:
            self._hooks.remove(hook)
        except ValueError:
            return False
        return True

    @property
    def _hooks(self) -> list[Hook]:
        hooks: list[Hook] | None = getattr(self._thread_local, "hooks", None)
        if hooks is None:
            hooks = self._thread_local.hooks = []
        return hooks

    def _hooked(self, msg_type: str, content: dict[str, Any]) -> Message | None:
        message: Message | None = {
            "header": {"msg_type": msg_type},
            "msg_type": msg_type,
            "parent_header": json.loads(self.origin.cell().header),
            "metadata": {},
            "content": content,
            "buffers": [],
        }
        for hook in self._hooks:
            message = hook(message) if message is not None else None
        return message
