"""Slow functions hold up neither results nor the end of a job."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tidemill.common import JobStatus
from tidemill.table import AggregateFunction, EnvironmentSettings, TableEnvironment
from tidemill.table.udf import udaf, udf
from tidemill.table.udf_async import ConcurrentCalls


def slow_environment() -> TableEnvironment:
    """Make an environment with a function that needs 10 ms a row, and a table of 5,000 rows."""
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())

    @udf(result_type="BIGINT")
    def slow(n: int) -> int:
        time.sleep(0.01)
        return n

    env.create_temporary_function("slow", slow)
    env.create_temporary_view("t", env.from_elements([(n,) for n in range(5000)], ["n"]))
    return env


def test_first_rows_come_before_the_last_are_computed() -> None:
    env = slow_environment()
    started = time.monotonic()
    with env.execute_sql("SELECT slow(n) FROM t").collect() as rows:
        assert next(rows)[0] == 0
    assert time.monotonic() - started < 10


def test_a_job_of_slow_calls_is_cancelled() -> None:
    env = slow_environment()
    env.execute_sql("CREATE TABLE s (n BIGINT) WITH ('connector' = 'blackhole')")
    client = env.execute_sql("INSERT INTO s SELECT slow(n) FROM t").get_job_client()
    assert client is not None
    time.sleep(0.1)
    started = time.monotonic()
    client.cancel().result()
    assert time.monotonic() - started < 10
    assert client.get_job_status().result() is JobStatus.CANCELED


def test_a_timeout_of_the_function_itself_is_its_error() -> None:
    async def impatient(n: int) -> int:
        return await asyncio.wait_for(asyncio.sleep(60, n), 0.01)

    calls = ConcurrentCalls(impatient, {"table.exec.async-scalar.retry-strategy": "NO_RETRY"})
    with pytest.raises(TimeoutError) as raised:
        list(calls.map_batch([1]))
    assert "no answer within" not in str(raised.value)
    late = ConcurrentCalls(
        lambda n: asyncio.sleep(60, n), {"table.exec.async-scalar.timeout": "20 ms"}
    )
    with pytest.raises(TimeoutError, match=r"no answer within 0\.02 s"):
        list(late.map_batch([1]))


async def waits_for_ever(n: int) -> int:
    await asyncio.sleep(3600)
    return n


def runs_for_ever(n: int) -> int:
    while n < 5000:
        n = abs(n)
    return n


def sleeps_long(n: int) -> int:
    time.sleep(3600)
    return n


class Hanging(AggregateFunction):
    """Does not come to an end with its first row."""

    def create_accumulator(self) -> list[int]:
        """Begin with nothing."""
        return [0]

    def accumulate(self, accumulator: list[int], n: int) -> None:
        """Never end."""
        accumulator[0] = runs_for_ever(n)

    def get_value(self, accumulator: list[int]) -> int:
        """Give what nobody gets to see."""
        return accumulator[0]


@pytest.mark.parametrize(
    ("function", "mode"),
    [
        (udf(waits_for_ever, result_type="BIGINT"), "thread"),
        (udf(runs_for_ever, result_type="BIGINT"), "thread"),
        (udaf(Hanging(), result_type="BIGINT", accumulator_type="ARRAY<BIGINT>"), "thread"),
        (udf(sleeps_long, result_type="BIGINT"), "process"),
    ],
)
def test_a_function_that_hangs_does_not_hold_up_the_end_of_its_job(
    function: Any, mode: str
) -> None:
    env = slow_environment()
    env.get_config().set("python.execution-mode", mode)
    env.create_temporary_function("hangs", function)
    env.execute_sql("CREATE TABLE s (n BIGINT) WITH ('connector' = 'blackhole')")
    client = env.execute_sql("INSERT INTO s SELECT hangs(n) FROM t").get_job_client()
    assert client is not None
    time.sleep(3 if mode == "process" else 0.5)
    assert client.get_job_status().result() is JobStatus.RUNNING
    started = time.monotonic()
    client.cancel().result()
    assert time.monotonic() - started < 30
    assert client.get_job_status().result() is JobStatus.CANCELED
    # The function's own interpreter and its loop are as good as before.
    with env.execute_sql("SELECT slow(n) FROM t").collect() as rows:
        assert next(rows)[0] == 0
