"""The string expressions of the older Table API."""

from __future__ import annotations

import pytest
from tidemill.table.sql_compiler import compile_expression
from tidemill.table.string_expressions import parse_expression, parse_expressions
from tidemill.util.exceptions import ExpressionParserException


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("a + b * 2", "(`a` + (`b` * 2))"),
        ("(a + b) * 2 % 3", "(((`a` + `b`) * 2) % 3)"),
        ("-a", "(-`a`)"),
        ("-1", "-1"),
        ("!a", "(NOT `a`)"),
        # AND and OR have one precedence.
        ("a || b && c", "((`a` OR `b`) AND `c`)"),
        ("a === 1 && b !== 'x' || c <> 2", None),
        ("a = 'it''s'", "(`a` = 'it''s')"),
        ('a == "q""q"', "(`a` = 'q\"q')"),
        ("12l", "CAST(12 AS BIGINT)"),
        ("1.5p", "1.5"),
        ("1.5f", "CAST(1.5E0 AS FLOAT)"),
        ("1.0", "1.0E0"),
        ("1e3", "1000.0E0"),
        ("true", "TRUE"),
        ("a as b", "`a` AS `b`"),
        ("a.as(b)", "`a` AS `b`"),
        ("sum(a) as s", "SUM(`a`) AS `s`"),
        ("a.sum", "SUM(`a`)"),
        ("COUNT(1)", "COUNT(1)"),
        ("a.count.distinct", "COUNT(DISTINCT `a`)"),
        ("COUNT.distinct(a)", "COUNT(DISTINCT `a`)"),
        ("a.cast(LONG)", "CAST(`a` AS BIGINT)"),
        ("cast(a, STRING)", "CAST(`a` AS VARCHAR(2147483647))"),
        ("a.cast(MAP(STRING, INT))", "CAST(`a` AS MAP<VARCHAR(2147483647), INT>)"),
        ("nullOf(INT)", "CAST(NULL AS INT)"),
        ("a.substring(1, 2)", "SUBSTRING(`a`, 1, 2)"),
        ("a.upperCase()", "UPPER(`a`)"),
        ("upper(a)", "UPPER(`a`)"),
        ("a.trim()", "TRIM(`a`)"),
        ("a.trim(LEADING, 'x')", "TRIM(LEADING 'x' FROM `a`)"),
        ("trim(BOTH, 'x', a)", "TRIM(BOTH 'x' FROM `a`)"),
        ("a.isNull", "(`a` IS NULL)"),
        ("a.between(1, 2)", "(`a` BETWEEN 1 AND 2)"),
        ("a.in(1, 2)", "(`a` IN (1, 2))"),
        ("a.?(1, 2)", "CASE WHEN `a` THEN 1 ELSE 2 END"),
        ("?(a, 1, 2)", "CASE WHEN `a` THEN 1 ELSE 2 END"),
        ("ts.extract(HOUR)", "EXTRACT(HOUR FROM `ts`)"),
        ("extract(ts, HOUR)", "EXTRACT(HOUR FROM `ts`)"),
        ("ts.floor(DAY)", "FLOOR(`ts` TO DAY)"),
        ("a.floor()", "FLOOR(`a`)"),
        ("timestampDiff(DAY, a, b)", "TIMESTAMPDIFF(DAY, `a`, `b`)"),
        ("10.minutes", "INTERVAL '10' MINUTE"),
        ("1.hour + 1", "(INTERVAL '1' HOUR + 1)"),
        ("ts - 5.seconds", "(`ts` - INTERVAL '5' SECOND)"),
        ("r.get('x')", "`r`.`x`"),
        ("a.toTimestamp", "CAST(`a` AS TIMESTAMP(3))"),
        ("array(1, 2)", "ARRAY[1, 2]"),
        ("a.log10", "LOG10(`a`)"),
        ("concat_ws(',', a, b)", "CONCAT_WS(',', `a`, `b`)"),
        ("currentDate()", "CURRENT_DATE"),
        ("unknown_f(a, 1)", "`unknown_f`(`a`, 1)"),
        ("a.unknown_f(1)", "`unknown_f`(`a`, 1)"),
        ("f(g(a), h(b))", "`f`(`g`(`a`), `h`(`b`))"),
        ("a.like('x%')", "(`a` LIKE 'x%')"),
        ("a ** 2", ExpressionParserException),
    ],
)
def test_expressions(text: str, sql: str | type[Exception] | None) -> None:
    if isinstance(sql, type):
        with pytest.raises(sql):
            parse_expression(text)
    elif sql is None:
        assert compile_expression(parse_expression(text)) == (
            "(((`a` = 1) AND (`b` <> 'x')) OR (`c` <> 2))"
        )
    else:
        assert compile_expression(parse_expression(text)) == sql


def test_lists_split_at_commas_outside_of_parentheses() -> None:
    found = parse_expressions("a, f(b, c) as d, 'x,y', count(1)")
    assert [str(expression) for expression in found] == [
        "a",
        "as(f(b, c), 'd')",
        "'x,y'",
        "count(1)",
    ]


def test_a_registered_function_comes_before_a_built_in_one() -> None:
    assert compile_expression(parse_expression("plus(a, 1)", ["PLUS"])) == "`plus`(`a`, 1)"
    assert compile_expression(parse_expression("plus(a, 1)")) == "(`a` + 1)"


def test_windows_of_aggregates() -> None:
    assert str(parse_expression("a.sum over w as s")) == "as(over(sum(a), w), 's')"
    assert str(parse_expression("unbounded_range")) == "unboundedRange()"
    assert str(parse_expression("2.rows")) == "rowInterval(2)"
    assert str(parse_expression("w.start")) == "windowStart(w)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a +", "Could not parse expression at column 4: a column, a literal"),
        ("a b", "Could not parse expression at column 3: '.'"),
        ("f(a", "Could not parse expression at column 4: '\\)' expected"),
        ("a.cast(NOPE)", "column 3: cast takes a type, one of BYTE"),
        ("a # b", "Could not parse expression at column 3: this character"),
        ("a.substring()", "function 'substring' does not take 1 argument"),
        ("'open", "column 1: this character means nothing"),
        ("", "column 1"),
    ],
)
def test_errors_say_where(text: str, message: str) -> None:
    with pytest.raises(ExpressionParserException, match=message):
        parse_expression(text)


def test_an_error_has_the_line_and_a_caret() -> None:
    with pytest.raises(ExpressionParserException) as raised:
        parse_expression("a + + + *(")
    assert str(raised.value).split("\n")[1:] == ["a + + + *(", "      ^"]
