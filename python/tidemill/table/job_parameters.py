"""What a function can ask its context for: the options of its session.

They are read when a job opens the function, not when it is registered, so that a program may set
them in any order. ``pipeline.global-job-parameters`` is a map by itself: its entries are
parameters too, which is how PyFlink's programs pass them.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidemill.table.base_environment import TableEnvironment

__all__ = ["current_parameters", "parameters_of"]

_GLOBAL = "pipeline.global-job-parameters"


def parameters_of(environment: TableEnvironment) -> Callable[[], dict[str, str]]:
    """Give a reader of an environment's options.

    The reader hangs at the function, which hangs at the session: it does not hold the environment,
    and once that is gone, it gives what it gave last.
    """
    last = _with_global(environment.session.all_config())
    reference = weakref.ref(environment)

    def read() -> dict[str, str]:
        nonlocal last
        living = reference()
        if living is not None:
            last = _with_global(living.session.all_config())
        return last

    return read


def current_parameters() -> Callable[[], dict[str, str]]:
    """Give a reader of the options of the environment that runs now."""
    from tidemill.table.environment import current_environment  # noqa: PLC0415 - a cycle

    return parameters_of(current_environment())


def _with_global(options: dict[str, str]) -> dict[str, str]:
    text = options.get(_GLOBAL)
    return options if text is None else {**options, **dict(_entries(text))}


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Read ``key:value,key:value`` or ``{key: value, …}``; quotes keep separators from counting."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    for entry in _split(text, ","):
        key, *rest = _split(entry, ":")
        if rest:
            yield _unquoted(key), _unquoted(":".join(rest))


def _split(text: str, separator: str) -> list[str]:
    parts, quote = [""], ""
    for char in text:
        if char == separator and not quote:
            parts.append("")
            continue
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        parts[-1] += char
    return parts


def _unquoted(text: str) -> str:
    text = text.strip()
    for quote in "'\"":
        if len(text) > 1 and text[0] == text[-1] == quote:
            return text[1:-1].replace(quote * 2, quote)
    return text
