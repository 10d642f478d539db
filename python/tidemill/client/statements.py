"""Cuts a text into statements, as they end with ``;``."""

from __future__ import annotations

import re

__all__ = ["is_complete", "split_statements", "statements_with_lines"]

_TOKEN = re.compile(
    # What is open at the end reaches to the end.
    r"'(?:[^']|'')*(?:'|\Z)|`(?:[^`]|``)*(?:`|\Z)|\"(?:[^\"]|\"\")*(?:\"|\Z)"
    r"|--[^\n]*|/\*.*?(?:\*/|\Z)|[A-Za-z_]\w*|;|\s+|.",
    re.DOTALL,
)
_SET_HEADS = (
    ("STATEMENT", "SET", "BEGIN"),
    ("EXECUTE", "STATEMENT", "SET", "BEGIN"),
    ("EXPLAIN", "STATEMENT", "SET", "BEGIN"),
    ("BEGIN", "STATEMENT", "SET"),
)


def split_statements(text: str) -> list[str]:
    """Give the statements of a text without their semicolons and without empty ones.

    A statement set, up to its ``END``, is one statement; that of the SQL client, ``BEGIN STATEMENT
    SET; … END``, is given in today's words.
    """
    return [statement for _, statement in statements_with_lines(text)]


def statements_with_lines(text: str) -> list[tuple[int, str]]:
    """Give the statements of a text as `split_statements`, each with its line, counting from 1."""
    statements, rest = _cut(text)
    return [*statements, rest] if rest[1] else statements


def is_complete(text: str) -> bool:
    """Tell whether a text ends with the end of a statement."""
    statements, rest = _cut(text)
    return bool(statements) and not rest[1]


def _cut(text: str) -> tuple[list[tuple[int, str]], tuple[int, str]]:
    """Give the statements that have ended with their lines, and what is left."""
    statements: list[tuple[int, str]] = []
    part = ""
    line, first_line = 1, 1
    words: list[str] = []
    in_set = False
    before = ""
    for match in _TOKEN.finditer(text):
        word = match[0]
        if not part.strip():
            # Comments before a statement belong to it: they are shown with it.
            first_line, part = line, ""
        line += word.count("\n")
        is_word = word[0].isalpha() or word[0] == "_"
        if word == ";" and not in_set:
            if words:
                statements.append((first_line, _in_todays_words(part.strip(), words)))
            part, words = "", []
            continue
        part += word
        if word.isspace() or word.startswith(("--", "/*")):
            continue
        words.append(word.upper() if is_word else word)
        if not in_set and tuple(words) in _SET_HEADS:
            in_set = True
        elif in_set and words[-1] == "END" and before == ";":
            in_set = False
        before = word
    return statements, (first_line, part.strip() if words else "")


def _in_todays_words(statement: str, words: list[str]) -> str:
    if words[:3] != ["BEGIN", "STATEMENT", "SET"]:
        return statement
    return re.sub(
        r"^BEGIN\s+STATEMENT\s+SET\s*;",
        "EXECUTE STATEMENT SET BEGIN",
        statement,
        flags=re.IGNORECASE,
    )
