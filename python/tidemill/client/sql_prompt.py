"""The prompt of the SQL client: editing, history, colors and completion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from tidemill._native import display
from tidemill.client.statements import is_complete
from tidemill.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.document import Document

    from tidemill.client.sql_client import SqlClient

__all__ = ["prompt"]

_BANNER = f"Tidemill SQL {__version__}: statements end with ';'. HELP shows commands, QUIT leaves."
_COMMANDS = ("HELP", "QUIT", "EXIT", "CLEAR")


def prompt(client: SqlClient, history: str | None) -> int:
    """Ask for statements and run them until QUIT or the end of the input; give the exit status."""
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(_history_file(history))),
        completer=_SqlCompleter(client),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        prompt_continuation=lambda width, _number, _wrapped: "> ".rjust(width),
        key_bindings=_keys(),
    )
    print(_BANNER)  # noqa: T201 (a command line)
    while not client.has_ended:
        try:
            text = session.prompt("Tidemill SQL> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        client.run_text(text)
    return 0


def _keys() -> KeyBindings:
    """Let Enter end a text that ends with a semicolon or is a command; else it breaks the line."""
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: Any) -> None:
        buffer = event.current_buffer
        text = buffer.document.text
        if is_complete(text) or text.strip().upper() in _COMMANDS or not text.strip():
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


class _SqlCompleter(Completer):
    """Asks the session what could be written."""

    def __init__(self, client: SqlClient) -> None:
        self._client = client

    def get_completions(self, document: Document, complete_event: Any) -> Iterable[Completion]:
        """Give what could be written at the cursor."""
        del complete_event
        found = display.complete(
            self._client.t_env.session, document.text, document.cursor_position
        )
        if found is None:
            return
        start, _, items = found
        for text, kind in items:
            yield Completion(text, start - document.cursor_position, display_meta=kind)


def _history_file(given: str | None) -> Path:
    if given is not None:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    folder = (Path(state) if state else Path.home() / ".local" / "state") / "tidemill"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "sql-history"
