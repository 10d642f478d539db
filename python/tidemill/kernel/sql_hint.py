"""What to tell somebody whose cell is no valid Python and may be meant as SQL."""

from __future__ import annotations

import difflib
import keyword
import re

#: First words of statements.
_KEYWORDS = (
    "ALTER",
    "ANALYZE",
    "CALL",
    "CREATE",
    "DELETE",
    "DESCRIBE",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "INSERT",
    "RESET",
    "SELECT",
    "SHOW",
    "TRUNCATE",
    "UPDATE",
    "VALUES",
)
_COMMENTS = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
# "selec", "slect" and "selct" are near; "import" and "insert" are not.
_MIN_LIKENESS = 0.75


def sql_hint(code: str, error: BaseException) -> str | None:
    """Give a line of advice if a failed cell looks like a statement.

    Parameters
    ----------
    code
        The text of the cell.
    error
        Why it failed as Python.

    Returns
    -------
    str or None
        None if the cell does not begin like a statement, or if the error has other reasons.
    """
    start = _COMMENTS.match(code)
    word = _WORD.match(code, start.end() if start else 0)
    if word is None or keyword.iskeyword(word[0]):
        return None
    if isinstance(error, NameError) and code.strip(" \t\n;") != word[0]:
        # A name is missing in a program; only a cell of one word may be a statement.
        return None
    near = difflib.get_close_matches(word[0].upper(), _KEYWORDS, 1, _MIN_LIKENESS)
    if not near:
        return None
    if near[0] == word[0].upper():
        advice = f"is something wrong or missing behind '{near[0]}'"
    else:
        advice = f"did you mean '{near[0]}'"
    return f"hint: if this is SQL, {advice}? A first line of %%sql makes any cell SQL"
