"""Python functions in one program, for Tidemill and for PyFlink: only the package's name differs.

    python functions_program.py PACKAGE FUNCTION RECORDS {process|thread}

Calls FUNCTION (``add``, ``upper``, ``pandas_add`` or ``mean``, an aggregate over 1,000 groups) for
RECORDS rows of a generated table, and prints a JSON object: seconds from the start of the job to
its end, and the number of records.
"""

from __future__ import annotations

import importlib
import json
import sys
import sysconfig
import time
from typing import Any

SOURCE = """
CREATE TEMPORARY TABLE numbers (i BIGINT, j BIGINT) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '1000000000',
    'number-of-rows' = '{records}',
    'fields.i.kind' = 'sequence',
    'fields.i.start' = '1',
    'fields.i.end' = '{records}',
    'fields.j.min' = '0',
    'fields.j.max' = '999'
)
"""

QUERIES = {
    "add": ("r BIGINT", "SELECT f(i, j) FROM numbers"),
    "upper": ("r STRING", "SELECT f(CAST(i AS STRING)) FROM numbers"),
    "pandas_add": ("r BIGINT", "SELECT f(i, j) FROM numbers"),
    "mean": ("j BIGINT, r DOUBLE", "SELECT j, f(i) FROM numbers GROUP BY j"),
}


def function(table: Any, name: str) -> Any:
    """Make the function to be measured."""
    udf = table.udf
    types = table.DataTypes
    if name == "add":
        return udf.udf(lambda i, j: i + j, result_type=types.BIGINT())
    if name == "upper":
        return udf.udf(lambda text: f"<{text}>".upper(), result_type=types.STRING())
    if name == "pandas_add":
        return udf.udf(lambda i, j: i + j, result_type=types.BIGINT(), func_type="pandas")

    class Mean(udf.AggregateFunction):  # type: ignore[misc, name-defined]
        """The mean of a column."""

        def create_accumulator(self) -> Any:
            return [0, 0]

        def accumulate(self, accumulator: Any, *args: Any) -> None:
            accumulator[0] += args[0]
            accumulator[1] += 1

        def get_value(self, accumulator: Any) -> Any:
            return accumulator[0] / accumulator[1] if accumulator[1] else None

        def get_accumulator_type(self) -> Any:
            return types.ARRAY(types.BIGINT())

        def get_result_type(self) -> Any:
            return types.DOUBLE()

    return udf.udaf(Mean())


def main() -> None:
    """Run the program that the module page describes."""
    package, name, records, mode = sys.argv[1:5]
    table = importlib.import_module(f"{package}.table")
    importlib.import_module(f"{package}.table.udf")
    env = table.TableEnvironment.create(table.EnvironmentSettings.in_streaming_mode())
    config = env.get_config()
    config.set("table.exec.mini-batch.enabled", "true")
    config.set("table.exec.mini-batch.allow-latency", "1 s")
    config.set("table.exec.mini-batch.size", "50000")
    config.set("pipeline.object-reuse", "true")
    config.set("parallelism.default", "2")
    config.set("python.fn-execution.bundle.size", "100000")
    config.set("python.executable", sys.executable)
    config.set("python.execution-mode", mode)
    if package == "pyflink":
        # The interpreter inside of its JVM does not look where this one's packages are.
        config.set("python.pythonpath", sysconfig.get_paths()["purelib"])
    columns, query = QUERIES[name]
    if name == "mean":
        env.create_temporary_function("f", function(table, name))
    else:
        env.create_temporary_system_function("f", function(table, name))
    env.execute_sql(SOURCE.format(records=records))
    env.execute_sql(f"CREATE TEMPORARY TABLE s ({columns}) WITH ('connector' = 'blackhole')")
    started = time.perf_counter()
    env.execute_sql(f"INSERT INTO s {query}").wait()
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "records": int(records)}))


if __name__ == "__main__":
    main()
