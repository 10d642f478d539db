"""Results: changelogs as rows, values of all types, and Flink's printed tables."""

from __future__ import annotations

import datetime as dt
import signal
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from tidemill.common import Row, RowKind
from tidemill.table import EnvironmentSettings, TableEnvironment
from tidemill.table.udf import udf

if TYPE_CHECKING:
    from collections.abc import Iterator

UNBOUNDED = (
    "CREATE TABLE ticks (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100')"
)


@pytest.fixture
def env() -> TableEnvironment:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    env.get_config().set("table.local-time-zone", "Asia/Shanghai")
    env.create_temporary_view(
        "words", env.from_elements([("hello", 1), ("hi", 2), ("hello", 3)], ["w", "n"])
    )
    return env


def test_a_changelog_has_kinds_and_names(env: TableEnvironment) -> None:
    with env.execute_sql("SELECT w, SUM(n) AS s FROM words GROUP BY w").collect() as rows:
        changes = [(str(row.get_row_kind()), row.as_dict()) for row in rows]
    assert changes == [
        ("+I", {"w": "hello", "s": 1}),
        ("+I", {"w": "hi", "s": 2}),
        ("-U", {"w": "hello", "s": 1}),
        ("+U", {"w": "hello", "s": 4}),
    ]


def test_batch_gives_final_rows() -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    env.create_temporary_view("words", env.from_elements([("a", 1), ("a", 2)], ["w", "n"]))
    rows = list(env.execute_sql("SELECT w, SUM(n) FROM words GROUP BY w").collect())
    assert rows == [Row("a", 3)]
    assert rows[0].get_row_kind() is RowKind.INSERT


def test_batch_prints_no_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    result = env.execute_sql("SELECT COUNT(*) AS c FROM (VALUES (1), (2)) AS t(a)")
    # Rows wait for their reader: there is nothing else to wait for.
    result.wait()
    result.print()
    assert capsys.readouterr().out.splitlines() == [
        "+----------------------+",
        "|                    c |",
        "+----------------------+",
        "|                    2 |",
        "+----------------------+",
        "1 row in set",
    ]


VALUES = [
    ("TRUE", True),
    ("CAST(1 AS TINYINT)", 1),
    ("CAST(1.5 AS DECIMAL(10, 2))", Decimal("1.50")),
    ("1.5E0", 1.5),
    ("'广东省'", "广东省"),
    ("X'4142'", b"AB"),
    ("DATE '2020-01-02'", dt.date(2020, 1, 2)),
    ("TIME '10:11:12'", dt.time(10, 11, 12)),
    ("TIMESTAMP '2020-01-02 03:04:05.678'", dt.datetime(2020, 1, 2, 3, 4, 5, 678000)),  # noqa: DTZ001
    (
        "CAST(TIMESTAMP '1970-01-01 08:00:00' AS TIMESTAMP_LTZ(3))",
        dt.datetime(1970, 1, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai")),
    ),
    ("ARRAY[1, 2]", [1, 2]),
    ("MAP['k', 1]", {"k": 1}),
    ("CAST(NULL AS INT)", None),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_values(env: TableEnvironment, expression: str, value: object) -> None:
    (row,) = env.execute_sql(f"SELECT {expression}").collect()
    assert row[0] == value
    assert type(row[0]) is type(value)


def test_print(env: TableEnvironment, capsys: pytest.CaptureFixture[str]) -> None:
    env.execute_sql("SELECT w AS word, SUM(n) AS cnt FROM words GROUP BY w").print()
    assert (
        capsys.readouterr().out
        == """\
+----+--------------------------------+----------------------+
| op |                           word |                  cnt |
+----+--------------------------------+----------------------+
| +I |                          hello |                    1 |
| +I |                             hi |                    2 |
| -U |                          hello |                    1 |
| +U |                          hello |                    4 |
+----+--------------------------------+----------------------+
4 rows in set
"""
    )


def test_print_cells(env: TableEnvironment, capsys: pytest.CaptureFixture[str]) -> None:
    env.execute_sql(
        "SELECT TRUE AS b, CAST(NULL AS INT) AS n, 1.0E10 AS d, CAST(2.5 AS DECIMAL(4, 1)) AS m, "
        "DATE '2020-01-02' AS t, ARRAY['x', CAST(NULL AS STRING)] AS a, "
        "REPEAT('ab', 20) AS s, '广东省' AS p"
    ).print()
    row = capsys.readouterr().out.splitlines()[3]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "+I",
        "TRUE",
        "<NULL>",
        "1.0E10",
        "2.5",
        "2020-01-02",
        "[x, NULL]",
        "ababababababababababababababa"[:27] + "...",
        "广东省",
    ]


def test_print_of_statements(env: TableEnvironment, capsys: pytest.CaptureFixture[str]) -> None:
    env.execute_sql("CREATE TABLE s (w STRING) WITH ('connector' = 'blackhole')").print()
    env.execute_sql("INSERT INTO s SELECT w FROM words").print()
    env.execute_sql("SHOW DATABASES").print()
    env.execute_sql("SELECT w FROM words WHERE n > 9").print()
    assert (
        capsys.readouterr().out
        == """\
OK
-1
+------------------+
|    database name |
+------------------+
| default_database |
+------------------+
1 row in set
Empty set
"""
    )


def test_an_endless_result_is_read_as_long_as_wanted(env: TableEnvironment) -> None:
    env.execute_sql(UNBOUNDED)
    result = env.execute_sql("SELECT n FROM ticks")
    with result.collect() as rows:
        assert len([next(rows) for _ in range(5)]) == 5
    client = result.get_job_client()
    assert client is not None
    deadline = time.monotonic() + 10
    while not client.get_job_status().result().is_terminal_state():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise, also where the tests were started in the background and it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_wait(env: TableEnvironment) -> None:
    env.execute_sql(UNBOUNDED)
    rows = env.execute_sql("SELECT n FROM ticks WHERE n IS NULL").collect()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(rows)
    assert time.monotonic() - started < 5
    rows.close()


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_query_that_is_collected(env: TableEnvironment) -> None:
    env.execute_sql(UNBOUNDED)
    result = env.execute_sql("SELECT n FROM ticks")
    client = result.get_job_client()
    assert client is not None
    rows = result.collect()
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        list(rows)
    # The iterator is still held, as a notebook holds the frames of its last error.
    deadline = time.monotonic() + 10
    while not client.get_job_status().result().is_terminal_state():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_batch_mode_prints_rows_without_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    env.execute_sql("SELECT 1 AS a").print()
    assert capsys.readouterr().out.splitlines() == [
        "+-------------+",
        "|           a |",
        "+-------------+",
        "|           1 |",
        "+-------------+",
        "1 row in set",
    ]


def test_an_awaited_insert_can_be_interrupted(env: TableEnvironment) -> None:
    env.execute_sql(UNBOUNDED)
    env.execute_sql("CREATE TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole')")
    env.get_config().set("table.dml-sync", "true")
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        env.execute_sql("INSERT INTO nowhere SELECT n FROM ticks")
    # The job is gone, too.
    assert [job.name for job in env.session.jobs() if job.state == "running"] == []


def test_a_float_is_the_number_that_one_reads(env: TableEnvironment) -> None:
    query = "SELECT CAST(1.1 AS FLOAT), ARRAY[CAST(0.1 AS FLOAT)], ROW(CAST(16777217 AS FLOAT))"
    with env.execute_sql(query).collect() as rows:
        assert [tuple(row) for row in rows] == [(1.1, [0.1], Row(16777216.0))]
    # A function gets the number itself.
    env.create_temporary_function("shown", udf(repr, ["FLOAT"], "STRING"))
    with env.execute_sql("SELECT shown(CAST(1.1 AS FLOAT))").collect() as rows:
        assert [tuple(row) for row in rows] == [("1.100000023841858",)]
