"""Python functions that give a value, or rows, for a group; and rows for a row."""
# ruff: noqa: D102 (the methods of aggregate functions are described by their base)

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from tidemill.common import Row, RowKind
from tidemill.table import (
    AggregateFunction,
    DataTypes,
    EnvironmentSettings,
    MapView,
    TableAggregateFunction,
    TableEnvironment,
)
from tidemill.table.expressions import col
from tidemill.table.udf import udaf, udtaf, udtf
from tidemill.util.exceptions import UserDefinedFunctionException

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    RowKind.INSERT: "+I",
    RowKind.UPDATE_BEFORE: "-U",
    RowKind.UPDATE_AFTER: "+U",
    RowKind.DELETE: "-D",
}


class Average(AggregateFunction):
    """The mean of numbers that are not NULL."""

    def create_accumulator(self) -> list[int]:
        return [0, 0]

    def accumulate(self, accumulator: list[int], *args: Any) -> None:
        if args[0] is not None:
            accumulator[0] += args[0]
            accumulator[1] += 1

    def retract(self, accumulator: list[int], *args: Any) -> None:
        if args[0] is not None:
            accumulator[0] -= args[0]
            accumulator[1] -= 1

    def merge(self, accumulator: list[int], accumulators: Any) -> None:
        for other in accumulators:
            accumulator[0] += other[0]
            accumulator[1] += other[1]

    def get_value(self, accumulator: list[int]) -> float | None:
        return accumulator[0] / accumulator[1] if accumulator[1] else None

    def get_result_type(self) -> Any:
        return DataTypes.DOUBLE()

    def get_accumulator_type(self) -> Any:
        return DataTypes.ARRAY(DataTypes.BIGINT())


class Words(AggregateFunction):
    """How often each word came, as text; keeps a `MapView` and takes nothing back."""

    def create_accumulator(self) -> Row:
        return Row(MapView())

    def accumulate(self, accumulator: Row, *args: Any) -> None:
        counts = accumulator[0]
        counts.put(args[0], (counts.get(args[0]) or 0) + 1)

    def get_value(self, accumulator: Row) -> str:
        return " ".join(f"{word}:{n}" for word, n in sorted(accumulator[0].items()))

    def get_result_type(self) -> Any:
        return DataTypes.STRING()

    def get_accumulator_type(self) -> Any:
        view = DataTypes.MAP_VIEW(DataTypes.STRING(), DataTypes.BIGINT())
        return DataTypes.ROW([DataTypes.FIELD("counts", view)])


class Top2(TableAggregateFunction):
    """The two largest numbers."""

    def create_accumulator(self) -> list[int]:
        return []

    def accumulate(self, accumulator: list[int], *args: Any) -> None:
        accumulator.append(args[0])
        accumulator.sort(reverse=True)
        del accumulator[2:]

    def emit_value(self, accumulator: list[int]) -> Iterator[Row]:
        for rank, value in enumerate(accumulator):
            yield Row(value, rank)

    def get_result_type(self) -> Any:
        fields = [
            DataTypes.FIELD("value", DataTypes.BIGINT()),
            DataTypes.FIELD("rank", DataTypes.INT()),
        ]
        return DataTypes.ROW(fields)

    def get_accumulator_type(self) -> Any:
        return DataTypes.ARRAY(DataTypes.BIGINT())


@udtf(result_types=["STRING", "INT"])
def split(text: str | None) -> Any:
    """Give each word with its length."""
    for word in (text or "").split():
        yield word, len(word)


@pytest.fixture(params=["thread", "process"], autouse=True)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with functions in this process, and in processes of their own."""
    monkeypatch.setenv("TIDEMILL_TEST_PLACE", request.param)


def environment(mode: str = "streaming") -> TableEnvironment:
    """Make an environment with a table and functions."""
    settings = EnvironmentSettings.new_instance()
    made = settings.in_batch_mode() if mode == "batch" else settings.in_streaming_mode()
    env = TableEnvironment.create(made.build())
    env.get_config().set("parallelism.default", "1")
    env.get_config().set("python.execution-mode", os.environ["TIDEMILL_TEST_PLACE"])
    rows = [(1, "a b"), (2, "c"), (3, "a"), (4, None)]
    env.create_temporary_view("t", env.from_elements(rows, ["n", "s"]))
    env.create_temporary_function("average", udaf(Average()))
    env.create_temporary_function("words", udaf(Words()))
    # A function of Flink's own has the name: only a system function comes before it.
    env.create_temporary_system_function("split", split)
    return env


def changes(result: Any) -> list[str]:
    """Give the changes of a query as texts."""
    with result.collect() as rows:
        return [f"{KINDS[row.get_row_kind()]} {tuple(row)}" for row in rows]


def rows(env: TableEnvironment, sql: str) -> list[str]:
    """Give the changes of an SQL query as texts."""
    return changes(env.execute_sql(sql))


def test_an_aggregate_answers_once_for_a_bundle_of_rows() -> None:
    sql = "SELECT MOD(n, 2) AS k, average(n) FROM t WHERE n < 4 GROUP BY MOD(n, 2)"
    assert rows(environment(), sql) == ["+I (1, 2.0)", "+I (0, 2.0)"]


def test_an_aggregate_over_changes_takes_rows_back() -> None:
    sql = "SELECT average(c) FROM (SELECT COUNT(*) AS c FROM t GROUP BY n > 1)"
    assert rows(environment(), sql)[-1] == "+I (2.0,)"


def test_a_function_is_not_asked_for_the_value_of_no_rows() -> None:
    class Strict(Average):
        """The mean; there is none of no numbers."""

        def get_value(self, accumulator: list[int]) -> float:
            return accumulator[0] / accumulator[1]

    env = environment()
    env.create_temporary_function("strict", udaf(Strict()))
    assert rows(env, "SELECT strict(n) FROM t") == ["+I (2.5,)"]
    changing = "(SELECT MAX(n) AS m, COUNT(*) AS c FROM t WHERE n < 4 GROUP BY n > 1)"
    found = rows(env, f"SELECT c, strict(m) FROM {changing} GROUP BY c")
    assert {"+I (1, 1.0)", "+I (2, 3.0)"} <= set(found)


def test_an_aggregate_that_cannot_take_rows_back_says_so() -> None:
    sql = "SELECT words(CAST(c AS STRING)) FROM (SELECT COUNT(*) AS c FROM t GROUP BY n > 1)"
    with pytest.raises(UserDefinedFunctionException, match="retract"):
        rows(environment(), sql)


def test_filter_and_distinct() -> None:
    sql = (
        "SELECT words(s) FILTER (WHERE n < 4), words(DISTINCT SUBSTRING(s, 1, 1)) FROM t "
        "WHERE s IS NOT NULL"
    )
    assert rows(environment(), sql)[-1] == "+I ('a:1 a b:1 c:1', 'a:1 c:1')"


def test_batch_mode_groups_and_frames() -> None:
    env = environment("batch")
    sql = "SELECT MOD(n, 2) AS k, average(n) FROM t GROUP BY MOD(n, 2)"
    assert sorted(rows(env, sql)) == ["+I (0, 3.0)", "+I (1, 2.0)"]
    sql = "SELECT average(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t"
    assert rows(env, sql) == ["+I (1.0,)", "+I (1.5,)", "+I (2.5,)", "+I (3.5,)"]


@pytest.mark.parametrize("mode", ["batch", "streaming"])
def test_a_pandas_aggregate(mode: str) -> None:
    pytest.importorskip("pandas")
    env = environment(mode)
    median = udaf(lambda n: n.median(), result_type="DOUBLE", func_type="pandas")
    env.create_temporary_function("median", median)
    assert rows(env, "SELECT median(n) FROM t WHERE n <> 3")[-1].endswith(" (2.0,)")


def test_an_aggregate_of_a_window() -> None:
    env = environment()
    env.execute_sql(
        "CREATE TABLE e (n BIGINT, ts AS TO_TIMESTAMP_LTZ(n * 1000, 3), WATERMARK FOR ts AS ts) "
        "WITH ('connector' = 'datagen', 'number-of-rows' = '6', 'fields.n.kind' = 'sequence', "
        "'fields.n.start' = '1', 'fields.n.end' = '6')"
    )
    sql = (
        "SELECT average(n) FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '3' SECOND)) "
        "GROUP BY window_start, window_end"
    )
    assert rows(env, sql) == ["+I (1.5,)", "+I (4.0,)", "+I (6.0,)"]


def test_a_failing_aggregate_shows_the_row() -> None:
    env = environment()
    sql = "SELECT average(s) FROM t"
    with pytest.raises(UserDefinedFunctionException, match=r"TypeError.*\(arguments: 'a b'\)"):
        rows(env, sql)


def test_a_table_function_in_sql() -> None:
    env = environment()
    inner = "SELECT n, w, l FROM t, LATERAL TABLE(split(s)) AS x(w, l)"
    expected = ["+I (1, 'a', 1)", "+I (1, 'b', 1)", "+I (2, 'c', 1)", "+I (3, 'a', 1)"]
    assert rows(env, inner) == expected
    left = "SELECT n, w FROM t LEFT JOIN LATERAL TABLE(split(s)) AS x(w, l) ON TRUE WHERE n > 2"
    assert rows(env, left) == ["+I (3, 'a')", "+I (4, None)"]


@pytest.mark.parametrize("call", ["TABLE(split('a b'))", "split('a b')", "LATERAL split('a b')"])
def test_a_table_function_without_another_table(call: str) -> None:
    env = environment()
    assert rows(env, f"SELECT * FROM {call} AS x(w, l)") == ["+I ('a', 1)", "+I ('b', 1)"]
    # Only LATERAL sees the columns of what stands before.
    with pytest.raises(Exception, match="column 's' not found"):
        rows(env, "SELECT * FROM t, TABLE(split(s))")


def test_rows_of_a_group() -> None:
    table = environment().from_path("t")
    top = udtaf(Top2())
    flat = table.flat_aggregate(top(col("n")).alias("v", "r")).select(col("v"), col("r"))
    # The net of the four rows, as a bundle of PyFlink's gives it.
    assert changes(flat.execute()) == ["+I (4, 0)", "+I (3, 1)"]


def test_the_rows_of_a_group_that_changes_are_deleted_and_inserted() -> None:
    env = environment()
    env.get_config().set("table.exec.mini-batch.size", "2")  # a step takes two rows
    top = udtaf(Top2())
    flat = env.from_path("t").flat_aggregate(top(col("n")).alias("v", "r"))
    assert changes(flat.select(col("v"), col("r")).execute()) == [
        *("+I (2, 0)", "+I (1, 1)"),
        *("-D (2, 0)", "-D (1, 1)", "+I (4, 0)", "+I (3, 1)"),
    ]
    counted = flat.select(col("v")).group_by(col("v")).select(col("v"), col("v").count)
    assert set(changes(counted.execute())) >= {"+I (4, 1)", "+I (3, 1)"}


def test_operations_on_rows() -> None:
    table = environment().from_path("t")
    averaged = table.group_by(col("s")).aggregate(udaf(Average())(col("n")).alias("a"))
    assert changes(averaged.select(col("a")).execute())[:2] == ["+I (1.0,)", "+I (2.0,)"]
    times = udtf(lambda row: [Row(row[0], x) for x in range(row[0])], result_types=["BIGINT"] * 2)
    flat = table.flat_map(times)
    assert changes(flat.execute())[:3] == ["+I (1, 0)", "+I (2, 0)", "+I (2, 1)"]
