"""Reads Flink's type texts, e.g. ``ROW<`a` INT NOT NULL, `b` ARRAY<STRING>>``.

Used for result types of functions given as strings, for schemas given as strings, and for the
schemas that the engine reports.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from tidemill.table.composite_types import (
    ArrayType,
    MapType,
    MultisetType,
    RowField,
    RowType,
    StructuredType,
)
from tidemill.table.logical_types import (
    MAX_LENGTH,
    BigIntType,
    BinaryType,
    BitmapType,
    BooleanType,
    CharType,
    DataType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    FloatType,
    IntType,
    LocalZonedTimestampType,
    NullType,
    SmallIntType,
    TimestampType,
    TimeType,
    TinyIntType,
    VarBinaryType,
    VarCharType,
    VariantType,
    YearMonthIntervalType,
)
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_data_type"]

_TOKEN = re.compile(r"\s*(`(?:[^`]|``)*`|'(?:[^']|'')*'|[A-Za-z_$][\w$]*|\d+|[<>(),])")
_END = ""

_SIMPLE: dict[str, Callable[[], DataType]] = {
    "BOOLEAN": BooleanType,
    "TINYINT": TinyIntType,
    "SMALLINT": SmallIntType,
    "INT": IntType,
    "INTEGER": IntType,
    "BIGINT": BigIntType,
    "FLOAT": FloatType,
    "DATE": DateType,
    "NULL": NullType,
    "STRING": VarCharType,
    "BYTES": VarBinaryType,
    "VARIANT": VariantType,
    "BITMAP": BitmapType,
}
_LENGTHS: dict[str, tuple[Callable[[int], DataType], int]] = {
    "CHAR": (CharType, 1),
    "VARCHAR": (VarCharType, 1),
    "BINARY": (BinaryType, 1),
    "VARBINARY": (VarBinaryType, 1),
    "TIME": (TimeType, 0),
    "TIMESTAMP_LTZ": (LocalZonedTimestampType, 6),
}
_DECIMALS = ("DECIMAL", "DEC", "NUMERIC")


def parse_data_type(text: str) -> DataType:
    """Read a type.

    Parameters
    ----------
    text
        Flink's text of a type, in any case, with ``NOT NULL`` where it applies.

    Raises
    ------
    ValidationException
        If the text is not a type.

    Examples
    --------
    >>> parse_data_type("MAP<STRING, INT NOT NULL>").as_summary_string()
    'MAP<STRING, INT NOT NULL>'
    """
    return _Parser(text).parse()


class _Parser:
    """A recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                self._fail()
            self._tokens.append(match.group(1))
            position = match.end()
        self._next = 0

    def parse(self) -> DataType:
        data_type = self._type()
        if self._peek() != _END:
            self._fail()
        return data_type

    def _type(self) -> DataType:
        data_type = self._unmarked()
        while True:
            if self._accept("NOT"):
                self._expect("NULL")
                data_type = data_type.not_null()
            elif self._accept("ARRAY"):
                data_type = ArrayType(data_type)
            elif self._accept("MULTISET"):
                data_type = MultisetType(data_type)
            elif not self._accept("NULL"):
                return data_type

    def _unmarked(self) -> DataType:  # noqa: PLR0911 - one return a family of types
        name = self._take().upper()
        if name in _SIMPLE:
            return _SIMPLE[name]()
        if name == "DOUBLE":
            self._accept("PRECISION")
            return DoubleType()
        if name in _DECIMALS:
            return _decimal(self._arguments())
        if name == "TIMESTAMP":
            return self._timestamp()
        if name in _LENGTHS:
            make, default = _LENGTHS[name]
            data_type = make(*(self._arguments() or [default]))
            if name == "TIME" and self._accept("WITHOUT"):
                self._expect("TIME", "ZONE")
            return data_type
        if name == "INTERVAL":
            return self._interval()
        return self._composite(name)

    def _composite(self, name: str) -> DataType:
        if name == "ROW":
            return self._row()
        if name == "MAP":
            self._expect("<")
            key = self._type()
            self._expect(",")
            value = self._type()
            self._expect(">")
            return MapType(key, value)
        if name == "STRUCTURED":
            return self._structured()
        if name in ("ARRAY", "MULTISET"):
            self._expect("<")
            element = self._type()
            self._expect(">")
            return ArrayType(element) if name == "ARRAY" else MultisetType(element)
        return self._fail()

    def _timestamp(self) -> DataType:
        precision = (self._arguments() or [6])[0]
        if self._accept("WITH"):
            self._expect("LOCAL", "TIME", "ZONE")
            return LocalZonedTimestampType(precision)
        if self._accept("WITHOUT"):
            self._expect("TIME", "ZONE")
        return TimestampType(precision)

    def _interval(self) -> DataType:
        units: dict[str, list[int]] = {}
        while True:
            unit = self._take().upper()
            units[unit] = self._arguments()
            if not self._accept("TO"):
                break
        name = "_TO_".join(units)
        if name in YearMonthIntervalType.YearMonthResolution.__members__:
            return YearMonthIntervalType(
                YearMonthIntervalType.YearMonthResolution[name],
                (units.get("YEAR") or [YearMonthIntervalType.DEFAULT_PRECISION])[0],
            )
        if name not in DayTimeIntervalType.DayTimeResolution.__members__:
            self._fail()
        return DayTimeIntervalType(
            DayTimeIntervalType.DayTimeResolution[name],
            (units.get("DAY") or [DayTimeIntervalType.DEFAULT_DAY_PRECISION])[0],
            (units.get("SECOND") or [DayTimeIntervalType.DEFAULT_FRACTIONAL_PRECISION])[0],
        )

    def _row(self) -> DataType:
        closing = ">" if self._accept("<") else ")"
        if closing == ")":
            self._expect("(")
        return RowType(self._fields(closing))

    def _structured(self) -> DataType:
        self._expect("<")
        name = self._take()
        if not name.startswith("'"):
            self._fail()
        self._accept(",")
        fields = self._fields(">")
        return StructuredType(name[1:-1].replace("''", "'"), fields)

    def _fields(self, closing: str) -> list[RowField]:
        fields: list[RowField] = []
        while self._peek() != closing:
            if fields:
                self._expect(",")
            fields.append(self._field(len(fields)))
        self._expect(closing)
        return fields

    def _field(self, index: int) -> RowField:
        # A field without a name is a type right away: `ROW<INT, STRING>`.
        following = self._tokens[self._next + 1] if self._next + 1 < len(self._tokens) else _END
        if following in (",", ">", ")", "<", "(") and not self._peek().startswith("`"):
            return RowField(f"f{index}", self._type())
        name = self._take()
        if name.startswith("`"):
            name = name[1:-1].replace("``", "`")
        data_type = self._type()
        description = None
        if self._peek().startswith("'"):
            description = self._take()[1:-1].replace("''", "'")
        return RowField(name, data_type, description)

    def _arguments(self) -> list[int]:
        if not self._accept("("):
            return []
        values = [self._number()]
        while self._accept(","):
            values.append(self._number())
        self._expect(")")
        return values

    def _number(self) -> int:
        token = self._take()
        if not token.isdigit() or int(token) > MAX_LENGTH:
            self._fail()
        return int(token)

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else _END

    def _take(self) -> str:
        token = self._peek()
        if token == _END:
            self._fail()
        self._next += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek().upper() == token:
            self._next += 1
            return True
        return False

    def _expect(self, *tokens: str) -> None:
        for token in tokens:
            if not self._accept(token):
                self._fail()

    def _fail(self) -> NoReturn:
        msg = f"'{self._text}' is not a data type"
        raise ValidationException(msg)


def _decimal(arguments: list[int]) -> DecimalType:
    precision = arguments[0] if arguments else 10
    return DecimalType(precision, arguments[1] if len(arguments) > 1 else 0)
