"""Names and constants as SQL text."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

from tidemill.common.types import Row
from tidemill.util.exceptions import ValidationException

__all__ = ["constant", "quote_identifier", "quote_path", "quote_string", "split_path"]

_INT_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1
_MILLIS = dt.timedelta(milliseconds=1)
# The largest unit that counts an interval in whole numbers gives the shortest text.
_UNITS = (("DAY", 86_400_000), ("HOUR", 3_600_000), ("MINUTE", 60_000), ("SECOND", 1000))


def quote_identifier(name: str) -> str:
    """Put a name in back-ticks."""
    return "`" + name.replace("`", "``") + "`"


def quote_path(path: str) -> str:
    """Put each part of a path ``catalog.database.table`` in back-ticks.

    Raises
    ------
    ValidationException
        If a part is empty or back-ticks do not match.
    """
    return ".".join(map(quote_identifier, split_path(path)))


def split_path(path: str) -> list[str]:
    """Split a path at the points outside of back-ticks and remove those; see `quote_path`."""
    parts: list[str] = []
    part, quoted, position = "", False, 0
    while position < len(path):
        character = path[position]
        if character == "`" and quoted and path[position + 1 : position + 2] == "`":
            part += "`"
            position += 1
        elif character == "`":
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += character
        position += 1
    parts.append(part.strip())
    if quoted or not all(parts):
        msg = f"'{path}' is not a path like 'table', 'database.table' or 'catalog.database.table'"
        raise ValidationException(msg)
    return parts


def quote_string(text: str) -> str:
    """Write a character literal."""
    return "'" + text.replace("'", "''") + "'"


def constant(value: Any) -> str:  # noqa: C901, PLR0911, PLR0912 - one return a type
    """Write a literal of a Python value.

    Raises
    ------
    ValidationException
        If the value has no literal in SQL.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, decimal.Decimal):
        return _decimal(value)
    if isinstance(value, str):
        return quote_string(value)
    if isinstance(value, bytes | bytearray):
        return f"X'{value.hex()}'"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value.replace(tzinfo=None).isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, dt.time):
        return f"TIME '{value.isoformat()}'"
    if isinstance(value, dt.timedelta):
        return _interval(value)
    if isinstance(value, Row):
        return f"ROW({', '.join(map(constant, value))})"
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(map(constant, value))}]"
    if isinstance(value, dict):
        pairs = (part for pair in value.items() for part in pair)
        return f"MAP[{', '.join(map(constant, pairs))}]"
    msg = f"{value!r} of type {type(value).__name__} cannot be a literal"
    raise ValidationException(msg)


def _integer(value: int) -> str:
    if not -_BIGINT_MAX - 1 <= value <= _BIGINT_MAX:
        msg = f"the literal {value} does not fit into BIGINT"
        raise ValidationException(msg)
    if -_INT_MAX - 1 <= value <= _INT_MAX:
        return str(value)
    return f"CAST({value} AS BIGINT)"


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        msg = f"the literal {value} is no number that DECIMAL has"
        raise ValidationException(msg)
    text = format(value, "f")
    if "." in text:
        return text
    # Without a fraction the number alone would be an INT.
    return f"CAST({text} AS DECIMAL({len(text.lstrip('-'))}, 0))"


def _double(value: float) -> str:
    if not math.isfinite(value):
        # Java's spellings are the ones that CAST reads.
        text = "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        return f"CAST('{text}' AS DOUBLE)"
    text = repr(value)
    return text if "e" in text else f"{text}E0"


def _interval(value: dt.timedelta) -> str:
    millis = value // _MILLIS
    for unit, length in _UNITS:
        if millis and millis % length == 0:
            count = millis // length
            digits = f"({n})" if (n := len(str(abs(count)))) > 2 else ""  # noqa: PLR2004 - the default
            return f"INTERVAL '{count}' {unit}{digits}"
    seconds, rest = divmod(abs(millis), 1000)
    sign = "-" if millis < 0 else ""
    return f"INTERVAL '{sign}{seconds}.{rest:03d}' SECOND({max(2, len(str(seconds)))}, 3)"
