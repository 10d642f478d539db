"""Questions about code: completion, inspection, completeness, history, open comms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.utils.tokenutil import token_at_cursor

from tidemill.kernel import environments, sql

if TYPE_CHECKING:
    from tidemill.kernel.comms import Comms
    from tidemill.kernel.shell import ZMQInteractiveShell

Content = dict[str, Any]


class Answers:
    """Answers the questions of frontends.

    Parameters
    ----------
    shell
        The shell whose names are asked about.
    comms
        The comms of Python.
    """

    def __init__(self, shell: ZMQInteractiveShell, comms: Comms) -> None:
        self._shell = shell
        self._comms = comms

    def answer(self, msg_type: str, content: Content) -> Content:
        """Return the content of the reply to a request of this type."""
        handler = {
            "complete_request": self.complete,
            "inspect_request": self.inspect,
            "is_complete_request": self.is_complete,
            "history_request": self.history,
            "comm_info_request": self.comm_info,
        }[msg_type]
        return handler(content)

    def complete(self, content: Content) -> Content:
        """Return the names that may stand at the cursor; positions count characters."""
        code = content["code"]
        cursor = content.get("cursor_pos")
        cursor = len(code) if cursor is None else cursor
        answer = sql.complete(code, cursor)
        if answer is not None:
            return answer
        environments.offer(self._shell, code)
        with provisionalcompleter():
            raw = self._shell.Completer.completions(code, cursor)
            completions = list(rectify_completions(code, raw))
        types = [
            {
                "start": it.start,
                "end": it.end,
                "text": it.text,
                "type": it.type,
                "signature": it.signature,
            }
            for it in completions
        ]
        return {
            "status": "ok",
            "matches": [it.text for it in completions],
            "cursor_start": completions[0].start if completions else cursor,
            "cursor_end": completions[0].end if completions else cursor,
            "metadata": {"_jupyter_types_experimental": types},
        }

    def inspect(self, content: Content) -> Content:
        """Return what is known about the name at the cursor."""
        code = content["code"]
        cursor = content.get("cursor_pos", len(code))
        answer = sql.inspect(code, cursor)
        if answer is not None:
            return answer
        environments.offer(self._shell, code)
        name = token_at_cursor(code, cursor)
        reply: Content = {"status": "ok", "data": {}, "metadata": {}, "found": False}
        try:
            bundle = self._shell.object_inspect_mime(
                name, detail_level=content.get("detail_level", 0), omit_sections=()
            )
        except KeyError:
            return reply
        if not self._shell.enable_html_pager:
            bundle.pop("text/html", None)
        return {**reply, "data": bundle, "found": True}

    def is_complete(self, content: Content) -> Content:
        """Return whether the code can be run as it is."""
        answer = sql.is_complete(content["code"])
        if answer is not None:
            return answer
        manager = self._shell.input_transformer_manager
        status, indent = manager.check_complete(content["code"])
        return {"status": status, "indent": " " * indent} if indent else {"status": status}

    def history(self, content: Content) -> Content:
        """Return earlier cells."""
        manager = self._shell.history_manager
        raw, output = content.get("raw", True), content.get("output", False)
        kind = content.get("hist_access_type")
        if kind == "tail":
            found = manager.get_tail(
                content.get("n", 10), raw=raw, output=output, include_latest=True
            )
        elif kind == "range":
            found = manager.get_range(
                content.get("session", 0),
                content.get("start", 1),
                content.get("stop"),
                raw=raw,
                output=output,
            )
        elif kind == "search":
            manager.writeout_cache()
            found = manager.search(
                content.get("pattern", "*"),
                raw=raw,
                output=output,
                n=content.get("n"),
                unique=content.get("unique", False),
            )
        else:
            found = []
        return {"status": "ok", "history": list(found)}

    def comm_info(self, content: Content) -> Content:
        """Return the open comms; Rust adds its own, of the target that is repeated here."""
        target_name = content.get("target_name")
        comms = self._comms.info(target_name)
        return {"status": "ok", "comms": comms, "target_name": target_name}
