"""What functions measure, wherever they run, is seen in their job."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.table import AggregateFunction, EnvironmentSettings, ScalarFunction, TableEnvironment
from tidemill.table.udf import udaf, udf


class Measured(ScalarFunction):
    """Gives its argument, with one metric of each kind."""

    def open(self, function_context: Any) -> None:
        """Register them."""
        group = function_context.get_metric_group().add_group("rows")
        self.seen = group.counter("seen")
        self.even = group.add_group("parity", "even").counter("seen")
        self.sizes = group.distribution("sizes")
        self.events = group.meter("events")
        group.gauge("limit", lambda: 42)

    def eval(self, *args: Any) -> Any:
        """Count a number."""
        self.seen.inc()
        self.even.inc(int(args[0] % 2 == 0))
        self.sizes.update(args[0])
        self.events.mark_event()
        return args[0]


class Sum(AggregateFunction):
    """Adds up, and counts what it adds."""

    def open(self, function_context: Any) -> None:
        """Register a counter."""
        self.added = function_context.get_metric_group().counter("added")

    def create_accumulator(self) -> list[int]:
        """Begin with nothing."""
        return [0]

    def accumulate(self, accumulator: list[int], *args: Any) -> None:
        """Add a number."""
        self.added.inc()
        accumulator[0] += args[0]

    def get_value(self, accumulator: list[int]) -> int:
        """Give the sum."""
        return accumulator[0]

    def get_result_type(self) -> Any:
        """Give the type of sums."""
        return "BIGINT"

    def get_accumulator_type(self) -> Any:
        """Give the type of accumulators."""
        return "ARRAY<BIGINT>"


def environment(place: str) -> TableEnvironment:
    """Make an environment with a table of the numbers 1 to 2,000, read by two workers."""
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("python.execution-mode", place)
    env.get_config().set("tidemill.worker.min-rows", "1")
    env.create_temporary_view("t", env.from_elements([(n,) for n in range(1, 2001)], ["n"]))
    env.create_temporary_function("measured", udf(Measured(), result_type="BIGINT"))
    env.create_temporary_function("total", udaf(Sum()))
    env.execute_sql("CREATE TABLE s (n BIGINT) WITH ('connector' = 'blackhole')")
    return env


def metrics_of(env: TableEnvironment, sql: str) -> Any:
    """Run an INSERT to its end and give what its functions measured."""
    result = env.execute_sql(sql)
    result.wait()
    client = result.get_job_client()
    assert client is not None
    return client._job.metrics()["functions"]


@pytest.mark.parametrize("place", ["thread", "process"])
def test_every_kind_of_metric(place: str) -> None:
    env = environment(place)
    for _ in range(2):  # each job counts from nothing
        metrics = metrics_of(env, "INSERT INTO s SELECT measured(n) FROM t")["measured"]
        assert metrics["rows.seen"] == 2000
        assert metrics["rows.parity.even.seen"] == 1000
        assert metrics["rows.sizes"] == {"count": 2000, "sum": 2001000, "min": 1, "max": 2000}
        assert metrics["rows.events"]["count"] == 2000
        assert metrics["rows.events"]["rate"] > 0
        assert metrics["rows.limit"] == 42


@pytest.mark.parametrize("place", ["thread", "process"])
def test_metrics_of_aggregates_and_what_describe_job_shows(place: str) -> None:
    env = environment(place)
    result = env.execute_sql("INSERT INTO s SELECT total(n) FROM t GROUP BY n")
    result.wait()
    client = result.get_job_client()
    assert client is not None
    with env.execute_sql(f"DESCRIBE JOB '{client.get_job_id()}'").collect() as rows:
        shown = {row[0]: row[1] for row in rows}
    assert shown["total.added"] == "2000"


def test_a_gauge_that_fails_does_not_fail_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    class Broken(ScalarFunction):
        """Has a gauge that cannot be read."""

        def open(self, function_context: Any) -> None:
            """Register it."""
            function_context.get_metric_group().gauge("g", lambda: 1 // 0)

        def eval(self, *args: Any) -> Any:
            """Give the argument."""
            return args[0]

    env = environment("thread")
    env.create_temporary_function("broken", udf(Broken(), result_type="BIGINT"))
    assert metrics_of(env, "INSERT INTO s SELECT broken(n) FROM t") == {}
    assert {type(failure.exc_value) for failure in told} == {ZeroDivisionError}
