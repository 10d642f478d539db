"""Expressions: how they read, and the SQL that they become."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from tidemill.table.expression_units import TimeIntervalUnit
from tidemill.table.expressions import (
    and_,
    array,
    call,
    call_sql,
    coalesce,
    col,
    concat,
    current_date,
    if_then_else,
    lit,
    map_,
    null_of,
)
from tidemill.table.sql_compiler import compile_expression, quote_path
from tidemill.table.types import DataTypes
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from tidemill.table import Expression

a, b = col("a"), col("b")

TEXTS = [
    (a + 1, "plus(a, 1)", "(`a` + 1)"),
    (1 - a, "minus(1, a)", "(1 - `a`)"),
    (a * 2.5, "times(a, 2.5)", "(`a` * 2.5E0)"),
    (a**2, "POWER(a, 2)", "POWER(`a`, 2)"),
    (-a, "minusPrefix(a)", "(-`a`)"),
    ((a > 1) & (b == "x"), "and(greaterThan(a, 1), equals(b, 'x'))", "((`a` > 1) AND (`b` = 'x'))"),
    (~(a != 1), "isNotTrue(notEquals(a, 1))", "((`a` <> 1) IS NOT TRUE)"),
    (and_(a, b, a), "and(a, b, a)", "(`a` AND `b` AND `a`)"),
    (a.sum.alias("s"), "as(sum(a), 's')", "SUM(`a`) AS `s`"),
    (a.count.distinct, "distinct(count(a))", "COUNT(DISTINCT `a`)"),
    (a.cast(DataTypes.STRING()), "cast(a, STRING)", "CAST(`a` AS VARCHAR(2147483647))"),
    (a.try_cast("INT"), "tryCast(a, INT)", "TRY_CAST(`a` AS INT)"),
    (a.is_null, "isNull(a)", "(`a` IS NULL)"),
    (a.between(1, 2), "between(a, 1, 2)", "(`a` BETWEEN 1 AND 2)"),
    (a.in_(1, 2), "in(a, 1, 2)", "(`a` IN (1, 2))"),
    (
        if_then_else(a > 0, "p", "n"),
        "ifThenElse(greaterThan(a, 0), 'p', 'n')",
        "CASE WHEN (`a` > 0) THEN 'p' ELSE 'n' END",
    ),
    (coalesce(a, "it's"), "COALESCE(a, 'it''s')", "COALESCE(`a`, 'it''s')"),
    (concat("x", b), "CONCAT('x', b)", "CONCAT('x', `b`)"),
    (b.like("x%"), "like(b, 'x%')", "(`b` LIKE 'x%')"),
    (b.trim(), "TRIM(b)", "TRIM(`b`)"),
    (b.extract(TimeIntervalUnit.DAY), "extract(b, DAY)", "EXTRACT(DAY FROM `b`)"),
    (a[1], "at(a, 1)", "`a`[1]"),
    (array(1, 2), "ARRAY[](1, 2)", "ARRAY[1, 2]"),
    (map_("k", 1), "MAP[]('k', 1)", "MAP['k', 1]"),
    (call("my_func", a), "my_func(a)", "`my_func`(`a`)"),
    (call_sql("a + 1"), "[a + 1]", "(a + 1)"),
    (current_date(), "CURRENT_DATE()", "CURRENT_DATE"),
    (a.desc, "desc(a)", "`a` DESC"),
    (a.array_contains(1), "ARRAY_CONTAINS(a, 1)", "ARRAY_CONTAINS(`a`, 1)"),
    (a.array_join(","), "ARRAY_JOIN(a, ',')", "ARRAY_JOIN(`a`, ',')"),
    (a.get("x"), "get(a, 'x')", "`a`.`x`"),
    (b.overlay("x", 2), "overlay(b, 'x', 2)", "OVERLAY(`b` PLACING 'x' FROM 2)"),
    (b.sha2(256), "SHA2(b, 256)", "SHA2(`b`, 256)"),
]


@pytest.mark.parametrize(("expression", "text", "sql"), TEXTS)
def test_texts(expression: Expression, text: str, sql: str) -> None:
    assert str(expression) == text
    assert compile_expression(expression) == sql


@pytest.mark.parametrize(
    ("literal", "sql"),
    [
        (lit(1), "1"),
        (lit(2**40), "CAST(1099511627776 AS BIGINT)"),
        (lit(1.0), "1.0E0"),
        (lit(1e300), "1e+300"),
        (lit(float("nan")), "CAST('NaN' AS DOUBLE)"),
        (lit(True), "TRUE"),  # noqa: FBT003 - a literal
        (lit(Decimal("1.10")), "1.10"),
        (lit(b"\x01\xff"), "X'01ff'"),
        (lit(dt.date(2020, 1, 2)), "DATE '2020-01-02'"),
        (lit(dt.datetime(2020, 1, 2, 3, 4, 5)), "TIMESTAMP '2020-01-02 03:04:05'"),  # noqa: DTZ001
        (lit(1).hours, "INTERVAL '1' HOUR"),
        (lit(2).years, "(INTERVAL '2' YEAR(2))"),
        (lit(1, DataTypes.BIGINT()), "CAST(1 AS BIGINT)"),
        (null_of(DataTypes.INT()), "CAST(NULL AS INT)"),
    ],
)
def test_literals(literal: Expression, sql: str) -> None:
    assert compile_expression(literal) == sql


def test_what_cannot_be_a_literal() -> None:
    with pytest.raises(ValidationException, match="null_of"):
        compile_expression(lit(None))
    with pytest.raises(ValidationException, match="does not fit into BIGINT"):
        compile_expression(lit(2**63))
    with pytest.raises(ValidationException, match="cannot be a literal"):
        compile_expression(lit(object()))


def test_an_expression_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=r"use '&', '\|', '~'"):
        _ = a > 1 and b > 1


def test_paths_are_quoted_part_by_part() -> None:
    assert quote_path("c.d.t") == "`c`.`d`.`t`"
    assert quote_path("`a.b`.`c``d`") == "`a.b`.`c``d`"
    with pytest.raises(ValidationException, match="is not a path"):
        quote_path("a..b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal(100), "CAST(100 AS DECIMAL(3, 0))"),
        (Decimal(-7), "CAST(-7 AS DECIMAL(1, 0))"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_a_whole_decimal_stays_a_decimal(value: Decimal, text: str) -> None:
    assert compile_expression(lit(value)) == text


def test_a_decimal_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValidationException, match="no number that DECIMAL has"):
        compile_expression(lit(Decimal("NaN")))
