"""Types and their texts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from tidemill.common import Row
from tidemill.table.type_inference import infer_row_type, type_of_hint
from tidemill.table.type_parser import parse_data_type
from tidemill.table.types import DataTypes
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable

# Flink's short text, and the complete one where it differs.
TEXTS = [
    ("BOOLEAN", None),
    ("TINYINT NOT NULL", None),
    ("DECIMAL(10, 2)", None),
    ("CHAR(3)", None),
    ("STRING", "VARCHAR(2147483647)"),
    ("BYTES NOT NULL", "VARBINARY(2147483647) NOT NULL"),
    ("TIME(0)", None),
    ("TIMESTAMP(3)", None),
    ("TIMESTAMP_LTZ(6)", "TIMESTAMP(6) WITH LOCAL TIME ZONE"),
    ("INTERVAL YEAR(2) TO MONTH", None),
    ("INTERVAL DAY(2) TO SECOND(6)", None),
    ("ARRAY<INT NOT NULL>", None),
    ("MULTISET<STRING>", "MULTISET<VARCHAR(2147483647)>"),
    ("MAP<STRING, ARRAY<INT>>", "MAP<VARCHAR(2147483647), ARRAY<INT>>"),
    ("ROW<`a` INT, `b c` ROW<`d` DATE> NOT NULL>", None),
]


@pytest.mark.parametrize(("short", "complete"), TEXTS)
def test_texts_are_read_back(short: str, complete: str | None) -> None:
    data_type = parse_data_type(short)
    assert data_type.as_summary_string() == short
    assert data_type.as_serializable_string() == (complete or short)
    assert parse_data_type(data_type.as_serializable_string()) == data_type


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("integer", "INT"),
        ("double precision", "DOUBLE"),
        ("numeric(5)", "DECIMAL(5, 0)"),
        ("timestamp", "TIMESTAMP(6)"),
        ("timestamp(3) with local time zone", "TIMESTAMP_LTZ(3)"),
        ("int array", "ARRAY<INT>"),
        ("row(a int 'why', b string)", "ROW<`a` INT 'why', `b` STRING>"),
    ],
)
def test_other_spellings(text: str, summary: str) -> None:
    assert parse_data_type(text).as_summary_string() == summary


@pytest.mark.parametrize(
    "text", ["", "BIGINTEGER", "DECIMAL(a)", "ARRAY<INT", "MAP<INT>", "INT INT"]
)
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(ValidationException, match="is not a data type"):
        parse_data_type(text)


def test_the_factory() -> None:
    row = DataTypes.ROW(
        [
            DataTypes.FIELD("a", DataTypes.INT(nullable=False)),
            DataTypes.FIELD("b", DataTypes.STRING()),
        ]
    )
    assert row.as_summary_string() == "ROW<`a` INT NOT NULL, `b` STRING>"
    interval = DataTypes.INTERVAL(DataTypes.DAY(), DataTypes.SECOND(3))
    assert interval.as_summary_string() == "INTERVAL DAY(2) TO SECOND(3)"


def test_types_of_values() -> None:
    row_type = infer_row_type(
        [
            (1, "x", None, [1], {"k": 1.5}, Row(a=True)),
            (2, "y", Decimal("1.5"), [None], {}, Row(a=False)),
        ],
        ["i", "s", "d", "l", "m", "r"],
    )
    assert row_type.as_summary_string() == (
        "ROW<`i` BIGINT, `s` STRING, `d` DECIMAL(38, 18), `l` ARRAY<BIGINT>, "
        "`m` MAP<STRING NOT NULL, DOUBLE>, `r` ROW<`a` BOOLEAN>>"
    )


def test_types_of_values_that_differ() -> None:
    with pytest.raises(TypeError, match=r"column '_1': cannot merge types BIGINT and STRING"):
        infer_row_type([(1,), ("x",)])


def test_columns_that_do_not_fit_have_their_given_names() -> None:
    with pytest.raises(TypeError, match=r"column 'word': cannot merge types BIGINT and STRING"):
        infer_row_type([(1, 2), ("x", 3)], ["word", "n"])


def test_names_without_a_schema() -> None:
    assert infer_row_type([(1, 2)]).field_names() == ["_1", "_2"]
    assert infer_row_type([{"b": 1, "a": 2}]).field_names() == ["a", "b"]


def test_types_of_annotations() -> None:
    def length(text: str) -> int | None:
        return len(text)

    def day() -> dt.date:
        return dt.date(2020, 1, 1)

    assert type_of_hint(length, "length") == DataTypes.BIGINT()
    assert type_of_hint(day, "day") == DataTypes.DATE()
    with pytest.raises(TypeError, match="'f' needs a result_type"):
        type_of_hint(lambda: 1, "f")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataTypes.DECIMAL(39, 2), "precision of DECIMAL must be between 1 and 38"),
        (lambda: DataTypes.DECIMAL(3, 4), "scale of DECIMAL must be between 0 and 3"),
        (lambda: DataTypes.TIMESTAMP(10), "precision of TIMESTAMP must be between 0 and 9"),
        (lambda: DataTypes.TIME(-1), "precision of TIME must be between 0 and 9"),
        (lambda: DataTypes.ARRAY(int), "elements of ARRAY must be a DataType such as"),
        (lambda: DataTypes.MAP(DataTypes.INT(), str), "values of MAP must be a DataType"),
        (lambda: DataTypes.FIELD(1, DataTypes.INT()), "name of a field must be text, not 1"),
        (lambda: DataTypes.ROW(["a"]), "a row is made of fields"),
        (lambda: DataTypes.INTERVAL(DataTypes.DAY(7)), "precision of DAY must be between 1 and 6"),
    ],
)
def test_parts_that_make_no_type_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        make()
    # As in PyFlink, which asserts.
    with pytest.raises(AssertionError):
        make()


def test_rows_show_and_find_their_fields_as_in_pyflink() -> None:
    row = DataTypes.ROW(
        [DataTypes.FIELD("a", DataTypes.INT(), "words"), DataTypes.FIELD("b", DataTypes.STRING())]
    )
    assert repr(row) == (
        "RowType(RowField(a, IntType(true), words),RowField(b, VarCharType(2147483647, true), ...))"
    )
    assert str(row["a"]) == "RowField(a, INT)"
    with pytest.raises(IndexError, match="no field 9 among 2"):
        row[9]
    with pytest.raises(TypeError, match="by name, position or slice"):
        row[1.5]  # type: ignore[index] - the mistake
    assert repr(DataTypes.LIST_VIEW(DataTypes.INT())) == "ListViewType(IntType(true))"
