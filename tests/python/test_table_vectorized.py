"""Functions of whole columns, of every package, as functions of values, rows and groups."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tidemill.table import EnvironmentSettings, TableEnvironment
from tidemill.table.expressions import col
from tidemill.table.udf import udaf, udf
from tidemill.util.exceptions import UserDefinedFunctionException

PACKAGES = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


@pytest.fixture
def env() -> TableEnvironment:
    made = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    made.get_config().set("parallelism.default", "1")
    return made


def rows(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table.execute().collect()]


@pytest.mark.parametrize("func_type", PACKAGES)
def test_a_row_is_a_frame_both_ways(env: TableEnvironment, func_type: Any) -> None:
    package = pytest.importorskip(PACKAGES[func_type])
    frames = {"pandas": "DataFrame", "polars": "DataFrame", "arrow": "RecordBatch"}

    def same(frame: Any) -> Any:
        assert isinstance(frame, getattr(package, frames[func_type]))
        return frame

    table = env.from_elements([(1, "x"), (2, None)], ["n", "s"])
    function = udf(same, result_type="ROW<n BIGINT, s STRING>", func_type=func_type)
    assert rows(table.map(function)) == [(1, "x"), (2, None)]


@pytest.mark.parametrize("func_type", PACKAGES)
def test_aggregates_of_columns(env: TableEnvironment, func_type: Any) -> None:
    package = pytest.importorskip(PACKAGES[func_type])

    def total(column: Any) -> Any:
        if func_type == "arrow":
            return package.compute.sum(column)
        assert isinstance(column, package.Series)
        return column.sum()

    if func_type == "arrow":
        pytest.importorskip("pyarrow.compute")
    function = udaf(total, result_type="BIGINT", func_type=func_type)
    table = env.from_elements([(1, "a"), (2, "a"), (5, "b")], ["n", "k"])
    table = table.group_by(col("k")).select(col("k"), function(col("n")))
    assert sorted(rows(table)[-2:]) == [("a", 3), ("b", 5)]


def test_unknown_kinds_of_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one of 'general', 'pandas', 'arrow', 'polars'"):
        udaf(lambda v: v, result_type="BIGINT", func_type="numpy")  # type: ignore[call-overload]


def test_a_call_that_takes_too_long_says_which_option_limits_it(env: TableEnvironment) -> None:
    env.get_config().set("table.exec.async-scalar.timeout", "50 ms")

    async def slow(number: int) -> int:
        await asyncio.sleep(5)
        return number

    table = env.from_elements([(1,)], ["n"])
    with pytest.raises(UserDefinedFunctionException) as failure:
        rows(table.select(udf(slow, result_type="BIGINT")(col("n"))))
    text = str(failure.value)
    assert "no answer within 0.05 s (table.exec.async-scalar.timeout) (arguments: 1)" in text
    assert "asyncio" not in text
