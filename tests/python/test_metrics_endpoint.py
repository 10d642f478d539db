"""The metrics of jobs for Prometheus: on request, by Flink's names."""

from __future__ import annotations

import socket
import urllib.request
from typing import TYPE_CHECKING, Any

from tidemill.table import EnvironmentSettings, ScalarFunction, TableEnvironment
from tidemill.table.udf import udf

if TYPE_CHECKING:
    from pathlib import Path

REPORTER = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"


class Counted(ScalarFunction):
    """Gives its argument, and counts."""

    def open(self, function_context: Any) -> None:
        """Register a counter of a key and a value."""
        group = function_context.get_metric_group().add_group("lang", "de")
        self.seen = group.counter("seen")

    def eval(self, *args: Any) -> Any:
        """Count a row."""
        self.seen.inc()
        return args[0]


def free_port() -> int:
    """Give a port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def scraped(port: int) -> dict[str, float]:
    """Give the samples, by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


def test_jobs_operators_and_functions_are_served() -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    port = free_port()
    config = env.get_config()
    config.set("metrics.reporter.prom.factory.class", REPORTER)
    config.set("metrics.reporter.prom.port", f"{port}-{port + 5}")
    config.set("pipeline.name", 'late "rows"')
    env.create_temporary_function("counted", udf(Counted(), result_type="BIGINT"))
    env.create_temporary_view("given", env.from_elements([(n,) for n in range(4)], ["n"]))
    env.execute_sql("CREATE TABLE plain (n BIGINT) WITH ('connector' = 'blackhole')")
    result = env.execute_sql("INSERT INTO plain SELECT counted(n) FROM given")
    result.wait()
    samples = scraped(port)
    client = result.get_job_client()
    assert client is not None
    job = f'job_id="{client.get_job_id()}",job_name="late \\"rows\\""'
    operator = "flink_taskmanager_job_task_operator"
    assert samples[f'{operator}_lang_seen{{{job},operator_name="counted",lang="de"}}'] == 4
    read = [value for name, value in samples.items() if f"{operator}_numRecordsIn{{{job}" in name]
    assert 4.0 in read
    assert samples[f"flink_jobmanager_job_runningTime{{{job}}}"] >= 0
    assert "flink_jobmanager_numRunningJobs" in samples


def test_late_records_and_watermarks_are_counted(tmp_path: Path) -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("pipeline.auto-watermark-interval", "0")
    times = ("00:01:00", "00:02:00", "00:00:01", "00:03:00")
    (tmp_path / "t.csv").write_text("".join(f"2026-01-01 {time}\n" for time in times))
    env.execute_sql(
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ("
        f"'connector' = 'filesystem', 'path' = '{tmp_path}', 'format' = 'csv')"
    )
    env.execute_sql("CREATE TABLE s (n BIGINT) WITH ('connector' = 'blackhole')")
    windows = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
    grouped = f"SELECT COUNT(*) FROM {windows} GROUP BY window_start, window_end"
    result = env.execute_sql(f"INSERT INTO s {grouped}")
    result.wait()
    client = result.get_job_client()
    assert client is not None
    nodes = client._job.metrics()["nodes"]
    assert sum(node["late_records"] for node in nodes) == 1
    assert {node["watermark_ms"] for node in nodes} == {2**63 - 1}
