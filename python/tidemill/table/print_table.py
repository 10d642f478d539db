"""Flink's printed form of results.

```text
+----+--------------------------------+----------------------+
| op |                           word |                  cnt |
+----+--------------------------------+----------------------+
| +I |                          hello |                    1 |
+----+--------------------------------+----------------------+
1 row in set
```

Query results have column widths by type, so that rows can be printed as they come; the results of
SHOW and DESCRIBE are as wide as their content; `OK`, `-1` and plans are printed as they are.

Source: ``org.apache.flink.table.utils.print.TableauStyle``, Flink 2.3.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING

from tidemill.table.logical_types import (
    BigIntType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    IntType,
    LocalZonedTimestampType,
    SmallIntType,
    TimestampType,
    TimeType,
    TinyIntType,
)
from tidemill.table.type_parser import parse_data_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill._native.engine import Result

    Footer = Callable[[int], str]

__all__ = ["print_result", "print_rows"]

_KINDS = ("+I", "-U", "+U", "-D")
_NULL = "<NULL>"
_NULL_WIDTH = len(_NULL)
_FIXED_WIDTHS: dict[type[DataType], int] = {
    TinyIntType: 4,
    SmallIntType: 6,
    IntType: 11,
    BigIntType: 20,
    BooleanType: 5,
    DateType: 10,
}


def print_result(
    result: Result, max_column_width: int, *, with_kind: bool = True, footer: Footer | None = None
) -> None:
    """Print a result to ``sys.stdout`` until it ends.

    Parameters
    ----------
    result
        The engine's result; its rows are consumed.
    max_column_width
        Longer texts of query results are cut to this many columns.
    with_kind
        Whether the kinds of the changes are shown: not of what batch mode gives.
    footer
        Makes the last line of the number of rows that a query gave; Flink's own if not given.
    """
    try:
        _print(result, max_column_width, with_kind=with_kind, footer=footer)
    except BaseException:
        # Whoever interrupts the printing has seen enough: the query stops.
        result.close()
        raise


def print_rows(
    schema: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    max_column_width: int,
    n_rows: int,
) -> str:
    """Give rows of cells as a table, as wide as its content; `n_rows` is the count below it."""
    lines: list[str] = []
    names = [name for name, _ in schema]
    widths = [
        min(
            max([_text_width(name), *(_text_width(cells[index]) for cells in rows)]),
            max(max_column_width, _text_width(name)),
        )
        for index, name in enumerate(names)
    ]
    printer = _Printer(widths, with_kind=False, write=lines.append)
    if rows:
        printer.header(names)
    for cells in rows:
        printer.row("", cells)
    printer.footer(n_rows)
    return "\n".join(lines) + "\n"


def _print(
    result: Result, max_column_width: int, *, with_kind: bool, footer: Footer | None
) -> None:
    if result.is_raw:
        while (rows := result.next_cells()) is not None:
            for _, cells in rows:
                _write(", ".join(cells))
        return
    if result.is_query:
        shows_kind = with_kind and result.is_changelog
        _print_stream(result, max_column_width, with_kind=shows_kind, footer=footer)
    else:
        _print_sized(result)


def _print_stream(
    result: Result, max_column_width: int, *, with_kind: bool, footer: Footer | None
) -> None:
    names = [name for name, _ in result.schema()]
    types = [parse_data_type(text) for _, text in result.schema()]
    widths = [
        max(_width_of_type(data_type, max_column_width), _text_width(name))
        for name, data_type in zip(names, types, strict=True)
    ]
    printer = _Printer(widths, with_kind=with_kind)
    n_rows = 0
    while (rows := result.next_cells()) is not None:
        if n_rows == 0 and rows:
            printer.header(names)
        for kind, cells in rows:
            printer.row(_KINDS[kind], cells)
        n_rows += len(rows)
        sys.stdout.flush()
    if footer is None:
        printer.footer(n_rows)
    else:
        if n_rows:
            printer.end()
        _write(footer(n_rows))


def _print_sized(result: Result) -> None:
    """Print what a statement other than a query tells: where there is nothing, it shows nothing."""
    names = [name for name, _ in result.schema()]
    content: list[list[str]] = []
    while (rows := result.next_cells()) is not None:
        content.extend([cell if cell != _NULL else "" for cell in cells] for _, cells in rows)
    widths = [
        max([_text_width(name), *(_text_width(cells[index]) for cells in content)])
        for index, name in enumerate(names)
    ]
    printer = _Printer(widths, with_kind=False)
    if content:
        printer.header(names)
    for cells in content:
        printer.row("", cells)
    printer.footer(len(content))


class _Printer:
    """Writes lines of a table with known widths."""

    def __init__(
        self,
        widths: Sequence[int],
        *,
        with_kind: bool,
        write: Callable[[str], None] | None = None,
    ) -> None:
        self._write = _write if write is None else write
        self._widths = [2, *widths] if with_kind else list(widths)
        self._with_kind = with_kind
        self._border = "+" + "".join("-" * (width + 2) + "+" for width in self._widths)

    def header(self, names: Sequence[str]) -> None:
        self._write(self._border)
        self.row("op", names)
        self._write(self._border)

    def row(self, kind: str, cells: Sequence[str]) -> None:
        texts = [kind, *cells] if self._with_kind else cells
        padded = (_pad(text, width) for text, width in zip(texts, self._widths, strict=True))
        self._write("| " + " | ".join(padded) + " |")

    def end(self) -> None:
        self._write(self._border)

    def footer(self, n_rows: int) -> None:
        if n_rows == 0:
            self._write("Empty set")
            return
        self.end()
        self._write(f"{n_rows} {'row' if n_rows == 1 else 'rows'} in set")


def _width_of_type(data_type: DataType, max_column_width: int) -> int:
    if isinstance(data_type, DecimalType):
        width = data_type.precision + 2  # sign and point
    elif isinstance(data_type, TimeType):
        width = 8 if data_type.precision == 0 else 9 + data_type.precision
    elif isinstance(data_type, TimestampType | LocalZonedTimestampType):
        # With a fraction: as wide as one of milliseconds, microseconds or nanoseconds.
        width = 19 if data_type.precision == 0 else 20 + -(-data_type.precision // 3) * 3
    else:
        width = _FIXED_WIDTHS.get(type(data_type), max_column_width)
    return max(width, _NULL_WIDTH)


def _pad(text: str, width: int) -> str:
    text_width = _text_width(text)
    if text_width > width:
        return _cut(text, width - 3) + "..."
    return " " * (width - text_width) + text


def _cut(text: str, width: int) -> str:
    kept = 0
    for index, character in enumerate(text):
        kept += _character_width(character)
        if kept > width:
            return text[:index] + " " * (width - (kept - _character_width(character)))
    return text


def _text_width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_character_width, text))


def _character_width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in ("F", "W") else 1


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
