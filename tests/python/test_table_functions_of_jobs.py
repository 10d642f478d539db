"""A job has functions of its own: what they keep and measure is not that of another job."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from tidemill.table import (
    AggregateFunction,
    EnvironmentSettings,
    FunctionContext,
    ScalarFunction,
    TableEnvironment,
)
from tidemill.table.udf import udaf, udf
from tidemill.util.exceptions import UserDefinedFunctionException

if TYPE_CHECKING:
    from collections.abc import Iterator

N_ROWS = 3


class Numbered(ScalarFunction):
    """Numbers the rows that it has seen."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def open(self, function_context: FunctionContext) -> None:
        """Register a counter."""
        self.calls = function_context.get_metric_group().counter("calls")

    def eval(self, *args: Any) -> int:
        """Count."""
        self.calls.inc()
        self.seen.append(args)
        return len(self.seen)


class NumberedSum(AggregateFunction):
    """Adds the numbers of the rows that it has seen, over all groups."""

    def __init__(self) -> None:
        self.n_seen = 0

    def create_accumulator(self) -> list[int]:
        """Begin with nothing."""
        return [0]

    def accumulate(self, accumulator: list[int], *args: Any) -> None:
        """Count."""
        del args
        self.n_seen += 1
        accumulator[0] += self.n_seen

    def get_value(self, accumulator: list[int]) -> int:
        """Give the sum."""
        return accumulator[0]

    def get_result_type(self) -> Any:
        """Give the type of sums."""
        return "BIGINT"

    def get_accumulator_type(self) -> Any:
        """Give the type of accumulators."""
        return "ARRAY<BIGINT>"


@pytest.fixture(params=["thread", "process"])
def env(request: pytest.FixtureRequest) -> TableEnvironment:
    made = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    made.get_config().set("parallelism.default", "1")
    made.get_config().set("python.execution-mode", request.param)
    made.create_temporary_view("t", made.from_elements([(n,) for n in range(N_ROWS)], ["n"]))
    made.create_temporary_function("numbered", udf(Numbered(), result_type="BIGINT"))
    made.create_temporary_function("numbered_sum", udaf(NumberedSum()))
    return made


def last(env: TableEnvironment, sql: str) -> Any:
    return [row[0] for row in env.execute_sql(sql).collect()][-1]


def test_each_job_begins_with_the_function_as_it_was_registered(env: TableEnvironment) -> None:
    for _ in range(2):
        assert last(env, "SELECT numbered(n) FROM t") == N_ROWS
        assert last(env, "SELECT numbered_sum(n) FROM t") == 1 + 2 + 3
    env.execute_sql("SET 'execution.runtime-mode' = 'batch'")
    assert last(env, "SELECT numbered(n) FROM t") == N_ROWS


def test_queries_of_one_job_share_a_function(env: TableEnvironment) -> None:
    found = [
        row[0]
        for row in env.execute_sql(
            "SELECT numbered(n) FROM t UNION ALL SELECT numbered(n) FROM t WHERE n > 0"
        ).collect()
    ]
    assert sorted(found) == [1, 2, 3, 4, 5]


def test_jobs_at_the_same_time_measure_for_themselves(env: TableEnvironment) -> None:
    end = threading.Event()

    def numbers(n_rows: int) -> Any:
        def rows() -> Iterator[tuple[int]]:
            yield from ((n,) for n in range(n_rows))
            end.wait()

        return rows

    jobs = []
    for name, n_rows in (("few", 2), ("many", 5)):
        env.create_temporary_view(name, env.from_iterable(numbers(n_rows), "ROW<n BIGINT>"))
        env.execute_sql(f"CREATE TABLE {name}_out (n BIGINT) WITH ('connector' = 'blackhole')")
        started = env.execute_sql(f"INSERT INTO {name}_out SELECT numbered(n) FROM {name}")
        jobs.append(started)
    end.set()
    for job in jobs:
        job.wait()
    measured = []
    for job in jobs:
        client = job.get_job_client()
        assert client is not None
        measured.append(client._job.metrics()["functions"]["numbered"])
    assert measured == [{"calls": 2}, {"calls": 5}]


def test_a_failure_names_the_query(env: TableEnvironment) -> None:
    env.create_temporary_function("fails", udf(lambda n: 1 // n, result_type="BIGINT"))
    with pytest.raises(UserDefinedFunctionException) as failure:
        last(env, "SELECT  fails(n) FROM t")
    first, *_, query = str(failure.value).splitlines()
    assert first.startswith("function 'fails' failed: ZeroDivisionError")
    assert query == "In the job: SELECT fails(n) FROM t"


def test_a_function_sees_the_time_zone_of_its_job(env: TableEnvironment) -> None:
    env.create_temporary_function("shown", udf(lambda ts: ts.isoformat(), result_type="STRING"))
    env.get_config().set_local_timezone("Asia/Shanghai")
    found = last(env, "SELECT shown(TO_TIMESTAMP_LTZ(n * 1000, 3)) FROM t WHERE n = 1")
    assert found == "1970-01-01T08:00:01+08:00"


def test_pandas_aggregates_get_series_of_their_arguments_types(env: TableEnvironment) -> None:
    pytest.importorskip("pandas")
    kind = udaf(lambda column: str(column.dtype), result_type="STRING", func_type="pandas")
    env.create_temporary_function("kind", kind)
    found = env.execute_sql(
        "SELECT kind(CAST(n AS FLOAT)), kind(CAST(n AS TINYINT)), kind(NULLIF(n, 1)),"
        " kind(TO_TIMESTAMP_LTZ(n, 3)), kind(n > 1) FROM t"
    ).collect()
    kinds = ["float32", "int8", "float64", "datetime64[ms, UTC]", "bool"]
    assert list([tuple(row) for row in found][-1]) == kinds


def test_functions_in_the_body_of_a_sql_function_too() -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    env.create_temporary_function("numbered", udf(Numbered(), ["INT"], "INT", deterministic=False))
    env.execute_sql("CREATE FUNCTION outer_one(i INT) RETURNS INT LANGUAGE SQL AS 'numbered(i)'")
    env.execute_sql("CREATE FUNCTION outermost(i INT) RETURNS INT LANGUAGE SQL AS 'outer_one(i)'")
    for _ in range(2):
        query = "SELECT outermost(i) FROM (VALUES (5), (6), (7)) AS t(i)"
        with env.execute_sql(query).collect() as rows:
            assert [row[0] for row in rows] == [1, 2, 3]
