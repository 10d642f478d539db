"""Python functions over batches, without a session."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from tidemill._native import engine
from tidemill.common import Row
from tidemill.table import FunctionContext, ScalarFunction
from tidemill.table.udf import udf
from tidemill.table.udf_runtime import FunctionRunner
from tidemill.util.exceptions import UserDefinedFunctionException

pa = pytest.importorskip("pyarrow")


def call(
    function: Any, *columns: list[Any], n_rows: int | None = None, **options: Any
) -> list[Any]:
    """Call a function on columns, as a job does."""
    arrays = [pa.array(column) for column in columns]
    result = engine.call_function(
        FunctionRunner(function, dict),
        function.func_type,
        arrays,
        len(arrays[0]) if n_rows is None else n_rows,
        function.result_type.as_serializable_string(),
        **options,
    )
    values: list[Any] = pa.array(result).to_pylist()
    return values


def test_one_call_a_row() -> None:
    assert call(udf(lambda x, y: x + y, result_type="BIGINT"), [1, 2], [10, 20]) == [11, 22]


def test_null_is_none_both_ways() -> None:
    swap = udf(lambda text: None if text else "was null", result_type="STRING")
    assert call(swap, ["x", None]) == [None, "was null"]


def test_without_arguments_every_row_is_computed() -> None:
    numbers = iter(range(3))
    assert call(udf(lambda: next(numbers), result_type="INT"), n_rows=3) == [0, 1, 2]


VALUES = [
    ("BOOLEAN", True, True),
    ("DOUBLE", 1, 1.0),
    ("STRING", "广东省", "广东省"),
    ("BYTES", b"ab", b"ab"),
    ("BOOLEAN", 1, True),
    ("BIGINT", -7.9, -7),
    ("INT", Decimal("7.9"), 7),
    ("INT", True, 1),
    # Half to even, as the context of Python's decimals has it.
    ("DECIMAL(10, 2)", Decimal("1.005"), Decimal("1.00")),
    ("DECIMAL(10, 2)", Decimal("1.015"), Decimal("1.02")),
    ("DATE", dt.date(1969, 12, 31), dt.date(1969, 12, 31)),
    ("TIME(3)", dt.time(1, 2, 3, 4000), dt.time(1, 2, 3, 4000)),
    (
        "TIMESTAMP(6)",
        dt.datetime(2020, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001 - TIMESTAMP has no zone
        dt.datetime(2020, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001
    ),
    (
        "INTERVAL DAY TO SECOND(3)",
        dt.timedelta(days=-1, seconds=2),
        dt.timedelta(days=-1, seconds=2),
    ),
    ("ARRAY<INT>", (1, None), [1, None]),
    ("MAP<STRING, INT>", {"a": 1}, [("a", 1)]),
    ("MULTISET<STRING>", ["a", "b", "a"], [("a", 2), ("b", 1)]),
    ("ROW<a INT, b STRING>", Row(b="x", a=1), {"a": 1, "b": "x"}),
    ("ROW<a INT, b STRING>", (1, "x"), {"a": 1, "b": "x"}),
    ("ROW<a INT, b STRING>", {"b": "x"}, {"a": None, "b": "x"}),
]


@pytest.mark.parametrize(("result_type", "value", "expected"), VALUES)
def test_results_of_all_types(result_type: str, value: Any, expected: Any) -> None:
    assert call(udf(lambda _: value, result_type=result_type, name="f"), [1]) == [expected]


@pytest.mark.parametrize(
    ("result_type", "value"),
    [
        ("BIGINT", "1"),
        ("BIGINT", float("nan")),
        ("BOOLEAN", 256),
        ("BOOLEAN", "true"),
        ("DECIMAL(3, 2)", 1.5),
        ("TINYINT", 300),
        ("STRING", 1),
        ("DATE", "2020-01-01"),
        ("DECIMAL(3, 2)", Decimal(10)),
        ("ARRAY<INT>", "12"),
        ("INT NOT NULL", None),
    ],
)
def test_a_result_of_another_type_names_both(result_type: str, value: Any) -> None:
    with pytest.raises(
        UserDefinedFunctionException, match="does not fit the declared type"
    ) as error:
        call(udf(lambda _: value, result_type=result_type, name="f"), ["argument"])
    assert repr(value) in str(error.value) or value is None
    assert "'argument'" in str(error.value)


def test_an_exception_shows_the_row_and_the_users_frames() -> None:
    def to_number(text: str) -> int:
        return int(text)

    with pytest.raises(UserDefinedFunctionException) as error:
        call(udf(to_number, result_type="INT"), ["1", "x"])
    text = str(error.value)
    assert "ValueError: invalid literal for int() with base 10: 'x' (arguments: 'x')" in text
    assert "in to_number" in text
    assert "udf_runtime" not in text


def test_stop_iteration_is_an_error_too() -> None:
    with pytest.raises(UserDefinedFunctionException, match="StopIteration in row 0"):
        call(udf(lambda _: next(iter(())), result_type="INT", name="f"), [1])


def test_equal_rows_are_computed_once_only_if_asked() -> None:
    calls: list[str] = []

    def spell(text: str) -> str:
        calls.append(text)
        return text.upper()

    function = udf(spell, result_type="STRING")
    assert call(function, ["a", "b", "a"]) == ["A", "B", "A"]
    assert calls == ["a", "b", "a"]
    calls.clear()
    assert call(function, ["a", None, "b", "a"][:1] * 3 + ["b"], reuse_results=True) == [
        "A",
        "A",
        "A",
        "B",
    ]
    assert calls == ["a", "b"]
    assert not function.reuses_results
    assert udf(spell, result_type="STRING", deterministic=True).reuses_results


def test_a_class_is_opened_once() -> None:
    class Prefix(ScalarFunction):
        n_opened = 0

        def open(self, function_context: FunctionContext) -> None:
            Prefix.n_opened += 1
            self.prefix = function_context.get_job_parameter("prefix", "> ")

        def eval(self, text: str) -> str:
            return self.prefix + text

    function = udf(Prefix(), result_type="STRING")
    assert call(function, ["a", "b"]) == ["> a", "> b"]
    assert Prefix.n_opened == 1


def test_vectorized_functions() -> None:
    pytest.importorskip("pandas")
    import pyarrow.compute as pc

    assert call(udf(lambda x: x * 2, result_type="BIGINT", func_type="pandas"), [1, 2]) == [2, 4]
    assert call(udf(lambda x: pc.add(x, 1), result_type="BIGINT", func_type="arrow"), [1, 2]) == [
        2,
        3,
    ]
    short = udf(lambda x: x[:1], result_type="BIGINT", func_type="pandas", name="short")
    with pytest.raises(UserDefinedFunctionException, match="returned 1 values for 2 rows"):
        call(short, [1, 2])


def test_a_column_of_another_type_names_both() -> None:
    pytest.importorskip("pandas")
    halves = udf(lambda x: x / 2, result_type="INT", func_type="pandas")
    with pytest.raises(UserDefinedFunctionException) as error:
        call(halves, [1, 2])
    text = str(error.value)
    assert "its result of type float64 does not fit the declared type INT: Float value 0.5" in text
    assert "Traceback" not in text


def test_a_column_of_rows_is_a_frame() -> None:
    pd = pytest.importorskip("pandas")

    def describe(rows: Any) -> Any:
        assert isinstance(rows, pd.DataFrame)
        return rows["name"] + rows["street"].fillna("?")

    function = udf(describe, result_type="STRING", func_type="pandas")
    rows = [{"name": "a", "street": "x"}, {"name": "b", "street": None}, None]
    assert call(function, rows) == ["ax", "b?", None]


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="not a function or callable"):
        udf(1, result_type="INT")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="needs a result_type"):
        udf(lambda x: x)
