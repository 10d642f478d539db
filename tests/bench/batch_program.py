"""One question over bounded rows, for Tidemill and for DuckDB.

    python batch_program.py write ROWS FOLDER
    python batch_program.py ENGINE QUESTION ROWS FOLDER

ENGINE is ``incremental`` (Tidemill's graph: the result is kept up to date step by step, its final
rows are the answer), ``batch`` (Tidemill in batch mode: DataFusion's operators) or ``duckdb``.
``write`` leaves Parquet files in the folder, which all read, on one thread. Prints a JSON object:
the rows of the answer, and the CPU and wall seconds of the query.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from typing import Any

TABLES = {
    "t": "few BIGINT, k BIGINT, many BIGINT, name STRING, v BIGINT",
    "d": "k BIGINT, city STRING",
}

QUESTIONS = {
    "1k integers": "SELECT few, COUNT(*) AS n, SUM(v) AS s, MAX(v) AS m FROM t GROUP BY few",
    "100k integers": "SELECT k, COUNT(*) AS n, SUM(v) AS s, MAX(v) AS m FROM t GROUP BY k",
    "1M integers": "SELECT many, COUNT(*) AS n, SUM(v) AS s, MAX(v) AS m FROM t GROUP BY many",
    "100k texts": "SELECT name, COUNT(*) AS n, SUM(v) AS s, MAX(v) AS m FROM t GROUP BY name",
    "join 100k": "SELECT city, COUNT(*) AS n, SUM(v) AS s FROM t JOIN d ON t.k = d.k GROUP BY city",
}


#: Without it the generator makes 10,000 rows a second, as Flink's does.
FAST = "'rows-per-second' = '100000000'"


def main() -> None:
    """Write the rows, or answer one question."""
    if sys.argv[1] == "write":
        write(int(sys.argv[2]), sys.argv[3])
        return
    engine, question, n_rows, folder = sys.argv[1:]
    answer = duckdb_answer if engine == "duckdb" else tidemill_answer
    report = answer(QUESTIONS[question], folder, engine)
    print(json.dumps({"rows": int(n_rows), **report}))


def environment(mode: str) -> Any:
    """Give a session with one worker."""
    module = importlib.import_module("tidemill.table")
    settings = module.EnvironmentSettings
    batch = mode == "batch"
    created = module.TableEnvironment.create(
        settings.in_batch_mode() if batch else settings.in_streaming_mode()
    )
    options = {
        "parallelism.default": "1",
        "table.exec.mini-batch.enabled": "true",
        "table.exec.mini-batch.allow-latency": "1 s",
        "table.exec.mini-batch.size": "10000000",
    }
    for key, value in options.items():
        created.get_config().set(key, value)
    return created


def ddl(name: str, folder: str) -> str:
    """Give the DDL of a table in Parquet files."""
    return (
        f"CREATE TEMPORARY TABLE {name} ({TABLES[name]}) WITH ('connector' = 'filesystem', "
        f"'format' = 'parquet', 'path' = '{folder}/{name}')"
    )


def write(n_rows: int, folder: str) -> None:
    """Write the tables."""
    session = environment("streaming")
    for name in TABLES:
        session.execute_sql(ddl(name, folder))
    session.execute_sql(
        "CREATE TEMPORARY TABLE made (k INT, many INT, v INT) WITH ('connector' = 'datagen', "
        f"'number-of-rows' = '{n_rows}', {FAST}, 'fields.k.min' = '0', 'fields.k.max' = '99999', "
        "'fields.many.min' = '0', 'fields.many.max' = '999999', 'fields.v.min' = '0', "
        "'fields.v.max' = '999')"
    )
    session.execute_sql(
        "INSERT INTO t SELECT MOD(k, 1000), k, many, 'user ' || CAST(k AS STRING), v FROM made"
    ).wait()
    session.execute_sql(
        f"CREATE TEMPORARY TABLE keys (k INT) WITH ('connector' = 'datagen', {FAST}, "
        "'fields.k.kind' = 'sequence', 'fields.k.start' = '0', 'fields.k.end' = '99999')"
    )
    session.execute_sql(
        "INSERT INTO d SELECT k, 'city ' || CAST(MOD(k, 500) AS STRING) FROM keys"
    ).wait()


def tidemill_answer(sql: str, folder: str, mode: str) -> dict[str, float]:
    """Answer with Tidemill; the result is thrown away."""
    session = environment(mode)
    for name in TABLES:
        session.execute_sql(ddl(name, folder))
    before = cpu_seconds()
    started = time.perf_counter()
    session.execute_sql(f"CREATE TABLE answer WITH ('connector' = 'blackhole') AS {sql}").wait()
    return {"cpu": cpu_seconds() - before, "wall": time.perf_counter() - started}


def duckdb_answer(sql: str, folder: str, _mode: str) -> dict[str, float]:
    """Answer with DuckDB; the result is fetched as Arrow columns and thrown away."""
    duckdb = importlib.import_module("duckdb")
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    for name in TABLES:
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder}/{name}/part-*')"
        )
    before = cpu_seconds()
    started = time.perf_counter()
    connection.execute(f"CREATE TEMPORARY TABLE answer AS {sql}")
    return {"cpu": cpu_seconds() - before, "wall": time.perf_counter() - started}


def cpu_seconds() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
