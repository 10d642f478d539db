"""Methods of `Expression` by family: text, numbers, time.

Each is one call of the SQL function that its docstring names, so that the engine alone decides
about types and results.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from tidemill.table.expression_nodes import Keyword, Literal, SqlText

if TYPE_CHECKING:
    from tidemill.table.expression import Expression
    from tidemill.table.expression_units import TimeIntervalUnit

__all__ = ["CallableNode", "MathFunctions", "StringFunctions", "TimeFunctions"]


class CallableNode:
    """What the families need from `Expression`."""

    def _call(self, name: str, *arguments: Any) -> Expression:
        raise NotImplementedError


class StringFunctions(CallableNode):
    """Functions of text."""

    def like(self, pattern: Any = None, escape: Any = None) -> Expression:
        """LIKE."""
        if escape is None:
            return self._call("like", pattern)
        return self._call("likeEscape", pattern, escape)

    def similar(self, pattern: Any = None) -> Expression:
        """SIMILAR TO."""
        return self._call("similar", pattern)

    @property
    def char_length(self) -> Expression:
        """CHAR_LENGTH."""
        return self._call("CHAR_LENGTH")

    @property
    def upper_case(self) -> Expression:
        """UPPER."""
        return self._call("UPPER")

    @property
    def lower_case(self) -> Expression:
        """LOWER."""
        return self._call("LOWER")

    @property
    def init_cap(self) -> Expression:
        """INITCAP."""
        return self._call("INITCAP")

    @property
    def reverse(self) -> Expression:
        """REVERSE."""
        return self._call("REVERSE")

    @property
    def ascii(self) -> Expression:
        """ASCII."""
        return self._call("ASCII")

    @property
    def md5(self) -> Expression:
        """MD5."""
        return self._call("MD5")

    @property
    def sha256(self) -> Expression:
        """SHA256."""
        return self._call("SHA256")

    @property
    def from_base64(self) -> Expression:
        """FROM_BASE64."""
        return self._call("FROM_BASE64")

    @property
    def to_base64(self) -> Expression:
        """TO_BASE64."""
        return self._call("TO_BASE64")

    def concat(self, other: Any) -> Expression:
        """CONCAT."""
        return self._call("CONCAT", other)

    def substring(self, begin_index: Any, length: Any = None) -> Expression:
        """SUBSTRING, counting from 1."""
        return self._call("SUBSTRING", begin_index, *(() if length is None else (length,)))

    def substr(self, begin_index: Any, length: Any = None) -> Expression:
        """SUBSTR, counting from 1."""
        return self._call("SUBSTR", begin_index, *(() if length is None else (length,)))

    def trim(self, character: str | None = None) -> Expression:
        """TRIM of both sides."""
        return self._call("TRIM") if character is None else self._call("trimBoth", character)

    def trim_leading(self, character: str | None = None) -> Expression:
        """TRIM of the left side."""
        return self._call("trimLeading", " " if character is None else character)

    def trim_trailing(self, character: str | None = None) -> Expression:
        """TRIM of the right side."""
        return self._call("trimTrailing", " " if character is None else character)

    def ltrim(self, trim_str: Any = None) -> Expression:
        """LTRIM."""
        return self._call("LTRIM", *(() if trim_str is None else (trim_str,)))

    def rtrim(self, trim_str: Any = None) -> Expression:
        """RTRIM."""
        return self._call("RTRIM", *(() if trim_str is None else (trim_str,)))

    def replace(self, search: Any = None, replacement: Any = None) -> Expression:
        """REPLACE."""
        return self._call("REPLACE", search, replacement)

    def position(self, haystack: Any = None) -> Expression:
        """POSITION of this text in another, counting from 1; 0 if it is not in."""
        return self._call("position", haystack)

    def lpad(self, length: Any, pad: Any) -> Expression:
        """LPAD."""
        return self._call("LPAD", length, pad)

    def rpad(self, length: Any, pad: Any) -> Expression:
        """RPAD."""
        return self._call("RPAD", length, pad)

    def repeat(self, n: Any) -> Expression:
        """REPEAT."""
        return self._call("REPEAT", n)

    def left(self, length: Any) -> Expression:
        """LEFT."""
        return self._call("LEFT", length)

    def right(self, length: Any) -> Expression:
        """RIGHT."""
        return self._call("RIGHT", length)

    def instr(self, s: Any) -> Expression:
        """INSTR."""
        return self._call("INSTR", s)

    def split_index(self, separator: Any, index: Any) -> Expression:
        """SPLIT_INDEX, counting from 0."""
        return self._call("SPLIT_INDEX", separator, index)

    def starts_with(self, start_expr: Any) -> Expression:
        """STARTSWITH."""
        return self._call("STARTSWITH", start_expr)

    def ends_with(self, end_expr: Any) -> Expression:
        """ENDSWITH."""
        return self._call("ENDSWITH", end_expr)

    def regexp(self, regex: Any) -> Expression:
        """REGEXP."""
        return self._call("REGEXP", regex)

    def regexp_replace(self, regex: Any, replacement: Any) -> Expression:
        """REGEXP_REPLACE."""
        return self._call("REGEXP_REPLACE", regex, replacement)

    def regexp_extract(self, regex: Any, extract_index: Any = None) -> Expression:
        """REGEXP_EXTRACT."""
        return self._call(
            "REGEXP_EXTRACT", regex, *(() if extract_index is None else (extract_index,))
        )

    def encode(self, charset: Any) -> Expression:
        """ENCODE."""
        return self._call("ENCODE", charset)

    def decode(self, charset: Any) -> Expression:
        """DECODE."""
        return self._call("DECODE", charset)


class MathFunctions(CallableNode):
    """Functions of numbers."""

    @property
    def abs(self) -> Expression:
        """ABS."""
        return self._call("ABS")

    @property
    def exp(self) -> Expression:
        """EXP."""
        return self._call("EXP")

    @property
    def ln(self) -> Expression:
        """LN."""
        return self._call("LN")

    @property
    def log10(self) -> Expression:
        """LOG10."""
        return self._call("LOG10")

    @property
    def log2(self) -> Expression:
        """LOG2."""
        return self._call("LOG2")

    def log(self, base: Any = None) -> Expression:
        """LOG: natural, or to a base."""
        if base is None:
            return self._call("LN")
        return self._call("LN") / _ln(base)

    @property
    def sqrt(self) -> Expression:
        """SQRT."""
        return self._call("SQRT")

    @property
    def sign(self) -> Expression:
        """SIGN."""
        return self._call("SIGN")

    @property
    def sin(self) -> Expression:
        """SIN."""
        return self._call("SIN")

    @property
    def cos(self) -> Expression:
        """COS."""
        return self._call("COS")

    @property
    def tan(self) -> Expression:
        """TAN."""
        return self._call("TAN")

    @property
    def asin(self) -> Expression:
        """ASIN."""
        return self._call("ASIN")

    @property
    def acos(self) -> Expression:
        """ACOS."""
        return self._call("ACOS")

    @property
    def atan(self) -> Expression:
        """ATAN."""
        return self._call("ATAN")

    @property
    def sinh(self) -> Expression:
        """SINH."""
        return self._call("SINH")

    @property
    def cosh(self) -> Expression:
        """COSH."""
        return self._call("COSH")

    @property
    def tanh(self) -> Expression:
        """TANH."""
        return self._call("TANH")

    @property
    def cot(self) -> Expression:
        """COT."""
        return self._call("COT")

    @property
    def degrees(self) -> Expression:
        """DEGREES."""
        return self._call("DEGREES")

    @property
    def radians(self) -> Expression:
        """RADIANS."""
        return self._call("RADIANS")

    def round(self, places: Any) -> Expression:
        """ROUND."""
        return self._call("ROUND", places)

    def truncate(self, n: Any = 0) -> Expression:
        """TRUNCATE."""
        return self._call("TRUNCATE", n)

    @property
    def bin(self) -> Expression:
        """BIN."""
        return self._call("BIN")

    @property
    def hex(self) -> Expression:
        """HEX."""
        return self._call("HEX")

    def floor(self, time_interval_unit: TimeIntervalUnit | None = None) -> Expression:
        """FLOOR of a number, or of a time to a unit."""
        if time_interval_unit is None:
            return self._call("FLOOR")
        return self._call("floorTo", _unit(time_interval_unit))

    def ceil(self, time_interval_unit: TimeIntervalUnit | None = None) -> Expression:
        """CEIL of a number, or of a time to a unit."""
        if time_interval_unit is None:
            return self._call("CEIL")
        return self._call("ceilTo", _unit(time_interval_unit))


class TimeFunctions(CallableNode):
    """Functions of dates, times and intervals."""

    @property
    def to_date(self) -> Expression:
        """Convert text to DATE."""
        return self._call("toDate")

    @property
    def to_time(self) -> Expression:
        """Convert text to TIME."""
        return self._call("toTime")

    @property
    def to_timestamp(self) -> Expression:
        """Convert text to TIMESTAMP(3)."""
        return self._call("toTimestamp")

    def extract(self, time_interval_unit: TimeIntervalUnit) -> Expression:
        """EXTRACT."""
        return self._call("extract", _unit(time_interval_unit))

    @property
    def year(self) -> Expression:
        """Make an interval of years."""
        return self._interval("year")

    years = year

    @property
    def month(self) -> Expression:
        """Make an interval of months."""
        return self._interval("month")

    months = month

    @property
    def quarter(self) -> Expression:
        """Make an interval of quarters."""
        return self._interval("quarter")

    quarters = quarter

    @property
    def week(self) -> Expression:
        """Make an interval of weeks."""
        return self._interval("week")

    weeks = week

    @property
    def day(self) -> Expression:
        """Make an interval of days."""
        return self._interval("day")

    days = day

    @property
    def hour(self) -> Expression:
        """Make an interval of hours."""
        return self._interval("hour")

    hours = hour

    @property
    def minute(self) -> Expression:
        """Make an interval of minutes."""
        return self._interval("minute")

    minutes = minute

    @property
    def second(self) -> Expression:
        """Make an interval of seconds."""
        return self._interval("second")

    seconds = second

    @property
    def milli(self) -> Expression:
        """Make an interval of milliseconds."""
        return self._interval("millisecond")

    millis = milli

    def _interval(self, unit: str) -> Expression:
        from tidemill.table.expression import Expression  # noqa: PLC0415 - the two files need each other

        node = getattr(self, "node", None)
        if not (isinstance(node, Literal) and isinstance(node.value, int)):
            msg = f"an interval is made of a whole literal number: lit(1).{unit.lower()}"
            raise TypeError(msg)
        if unit == "quarter":
            return Expression(SqlText(f"INTERVAL '{3 * node.value}' MONTH"))
        if unit in {"year", "month"}:
            digits = max(2, len(str(abs(node.value))))
            return Expression(SqlText(f"INTERVAL '{node.value}' {unit.upper()}({digits})"))
        return Expression(Literal(dt.timedelta(**{f"{unit}s": node.value})))


def _unit(unit: TimeIntervalUnit) -> Expression:
    from tidemill.table.expression import Expression  # noqa: PLC0415 - the two files need each other

    return Expression(Keyword(unit.name))


def _ln(base: Any) -> Expression:
    from tidemill.table.expression import Expression, to_node  # noqa: PLC0415 - the two files need each other

    return Expression(to_node(base))._call("LN")  # noqa: SLF001 - the same family
