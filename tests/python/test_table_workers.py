"""Functions in worker processes: same results, own interpreter, and no harm when one dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tidemill.table import AggregateFunction, EnvironmentSettings, TableEnvironment
from tidemill.table.udf import udaf, udf
from tidemill.util.exceptions import UserDefinedFunctionException


def environment(**options: str) -> TableEnvironment:
    """Make an environment with a table of the numbers 1 to 2,500."""
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    config = env.get_config()
    config.set("python.fn-execution.bundle.size", "1000")
    for key, value in options.items():
        config.set(f"python.{key.replace('_', '-')}", value)
    env.create_temporary_view("t", env.from_elements([(n,) for n in range(1, 2501)], ["n"]))
    return env


def values(env: TableEnvironment, sql: str) -> list[Any]:
    """Give the first column of a query's rows."""
    with env.execute_sql(sql).collect() as rows:
        return [row[0] for row in rows]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what workers need in a folder of the test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.mark.parametrize("func_type", ["general", "pandas", "arrow"])
def test_a_worker_gives_what_the_process_itself_gives(func_type: Any) -> None:
    if func_type != "general":
        pytest.importorskip("pandas")
    offset = 40
    results = []
    for mode in ("thread", "process"):
        env = environment(execution_mode=mode)

        def add(n: Any) -> Any:
            if func_type == "arrow":
                import pyarrow.compute as pc

                return pc.add(n, offset)
            return n + offset

        env.create_temporary_function("add", udf(add, result_type="BIGINT", func_type=func_type))
        results.append(sorted(values(env, "SELECT add(n) FROM t")))
    assert results[0] == results[1] == list(range(41, 2541))


def test_all_kinds_of_values_travel() -> None:
    env = environment(execution_mode="process")
    types = "ROW<a INT, b STRING>", "ARRAY<DECIMAL(10, 2)>", "MAP<STRING, TIMESTAMP(3)>", "BYTES"
    literals = (
        "CAST(ROW(1, 'x') AS ROW<a INT, b STRING>)",
        "ARRAY[CAST(1.25 AS DECIMAL(10, 2)), NULL]",
        "MAP['k', TIMESTAMP '2026-01-02 03:04:05.678']",
        "x'00ff'",
    )
    for idx, (text, literal) in enumerate(zip(types, literals, strict=True)):
        env.create_temporary_function(f"f{idx}", udf(lambda value: value, result_type=text))
        if idx != 0:  # a constant row needs its constructor
            same = values(env, f"SELECT f{idx}(v) FROM (SELECT {literal} AS v FROM t LIMIT 1)")
            assert same == values(env, f"SELECT v FROM (SELECT {literal} AS v FROM t LIMIT 1)")
    assert values(env, "SELECT f3(CAST(NULL AS BYTES)) FROM t LIMIT 1") == [None]


def test_the_mode_is_looked_at_when_a_query_runs() -> None:
    env = environment()
    env.create_temporary_function("pid", udf(lambda _: os.getpid(), result_type="INT"))
    env.get_config().set("python.executable", sys.executable)
    assert set(values(env, "SELECT pid(n) FROM t")) == {os.getpid()}
    env.get_config().set("python.execution-mode", "process")
    assert os.getpid() not in set(values(env, "SELECT pid(n) FROM t"))


def test_an_exception_is_told_as_in_the_process_itself() -> None:
    messages = []
    for mode in ("thread", "process"):
        env = environment(execution_mode=mode)
        env.create_temporary_function("bad", udf(lambda n: 1 // (n - 1500), result_type="INT"))
        with pytest.raises(UserDefinedFunctionException) as failure:
            values(env, "SELECT bad(n) FROM t")
        messages.append(str(failure.value))
    assert messages[0] == messages[1]
    assert "ZeroDivisionError" in messages[0]
    assert "(arguments: 1500)" in messages[0]


def test_a_worker_that_dies_fails_its_job_and_the_next_has_a_new_one() -> None:
    env = environment(execution_mode="process")
    env.get_config().set("parallelism.default", "1")

    def leave(n: int) -> int:
        if n == 1500:
            os._exit(3)
        return n

    env.create_temporary_function("leave", udf(leave, result_type="BIGINT"))
    with pytest.raises(UserDefinedFunctionException) as failure:
        values(env, "SELECT leave(n) FROM t")
    told = re.fullmatch(
        r"function 'leave' failed: its worker process, at rows (\d+) to (\d+), "
        r"ended with exit code 3\nIn the job: SELECT leave\(n\) FROM t",
        str(failure.value),
    )
    assert told is not None
    assert int(told[1]) <= 1500 <= int(told[2]) < int(told[1]) + 1000
    assert len(values(env, "SELECT leave(n) FROM t WHERE n < 1500")) == 1499


def test_what_a_function_prints_comes_out_here(capsys: pytest.CaptureFixture[str]) -> None:
    env = environment(execution_mode="process")
    env.create_temporary_function("say", udf(lambda n: print("number", n), result_type="INT"))
    values(env, "SELECT say(n) FROM t WHERE n < 3")
    deadline = time.monotonic() + 10
    said = ""
    while "number 2\n" not in said and time.monotonic() < deadline:
        said += capsys.readouterr().out
        time.sleep(0.01)
    assert said == "number 1\nnumber 2\n"


def test_a_slow_function_can_be_limited() -> None:
    env = environment(execution_mode="process", **{"fn-execution.timeout-ms": "200"})
    env.create_temporary_function("sleep", udf(lambda _: time.sleep(60), result_type="INT"))
    with pytest.raises(UserDefinedFunctionException, match="more than 200 ms"):
        values(env, "SELECT sleep(n) FROM t")


def test_files_and_archives_are_reached(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "helper_of_test.py").write_text("def twice(n):\n    return 2 * n\n")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("numbers/seven.txt", "7")
    env = environment(
        files=str(tmp_path / "helper_of_test.py"), archives=f"{tmp_path / 'data.zip'}#data"
    )

    def compute(n: int) -> int:
        from helper_of_test import twice

        return int(twice(n)) + int(Path("data/numbers/seven.txt").read_text())

    env.create_temporary_function("compute", udf(compute, result_type="BIGINT"))
    assert values(env, "SELECT compute(n) FROM t WHERE n <= 2") == [9, 11]
    assert [it.name for it in cache.iterdir()] == ["tidemill"]


@pytest.mark.usefixtures("cache")
def test_requirements_are_installed_for_the_functions_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "only_there-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("only_there.py", "ANSWER = 42\n")
        info = "only_there-1.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: only-there\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (tmp_path / "requirements.txt").write_text("only-there==1.0\n")
    env = environment(requirements=f"{tmp_path / 'requirements.txt'}#{tmp_path}")

    def answer(_: int) -> int:
        import only_there

        found: int = only_there.ANSWER
        return found

    env.create_temporary_function("answer", udf(answer, result_type="INT"))
    assert values(env, "SELECT answer(n) FROM t LIMIT 1") == [42]
    with pytest.raises(ModuleNotFoundError):
        answer(1)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("executable", "/no/such/python", "there is no Python interpreter '/no/such/python'"),
        ("archives", "/no/such.zip", "the archive '/no/such.zip' does not exist"),
        ("requirements", "/no/such.txt", "the requirements file '/no/such.txt' does not exist"),
        ("files", "/no/such.py", "the Python file '/no/such.py' does not exist"),
    ],
)
def test_what_is_missing_is_named(option: str, value: str, message: str) -> None:
    env = environment(**{option: value})
    env.create_temporary_function("f", udf(lambda n: n, result_type="BIGINT"))
    with pytest.raises(UserDefinedFunctionException, match=message):
        values(env, "SELECT f(n) FROM t")


PARENT = """
import os, sys
from tidemill.table import AggregateFunction, EnvironmentSettings, TableEnvironment
from tidemill.table.udf import udaf, udf
env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
env.get_config().set("python.execution-mode", "process")
def sleep(n):
    print(os.getpid(), flush=True)
    __import__("time").sleep(600)
env.create_temporary_function("f", udf(sleep, result_type="BIGINT"))
env.create_temporary_view("t", env.from_elements([(1,)], ["n"]))
list(env.execute_sql("SELECT f(n) FROM t").collect())
"""


def test_a_worker_does_not_outlive_who_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _is_alive(worker)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class Fatal(AggregateFunction):
    """An aggregate that ends its process at some number."""

    def create_accumulator(self) -> list[int]:
        """Begin with nothing."""
        return [0]

    def accumulate(self, accumulator: list[int], *args: Any) -> None:
        """Add a number, unless it is the fatal one."""
        if args[0] == 1500:
            os._exit(4)
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


def test_an_aggregate_that_dies_fails_its_job_and_the_next_has_a_new_worker() -> None:
    env = environment(execution_mode="process")
    env.get_config().set("parallelism.default", "1")
    env.create_temporary_function("fatal", udaf(Fatal()))
    with pytest.raises(UserDefinedFunctionException) as failure:
        values(env, "SELECT fatal(n) FROM t")
    told = re.fullmatch(
        r"function 'fatal' failed: its worker process, at rows (\d+) to (\d+), "
        r"ended with exit code 4\nIn the job: SELECT fatal\(n\) FROM t",
        str(failure.value),
    )
    assert told is not None
    assert int(told[1]) <= 1500 <= int(told[2]) <= 2500
    assert values(env, "SELECT fatal(n) FROM t WHERE n < 1500")[-1] == 1124250


def test_a_function_in_a_worker_may_import_the_package() -> None:
    env = environment(execution_mode="process")

    def describe(n: int) -> str:
        import tidemill.table
        from tidemill.common import Configuration, Row
        from tidemill.table import DataTypes

        assert Configuration.__module__ == "tidemill.common.configuration"
        return f"{DataTypes.INT()} {Row(n)} {tidemill.table.Row is Row}"

    env.create_temporary_function("describe", udf(describe, result_type="STRING"))
    assert values(env, "SELECT describe(n) FROM t LIMIT 1") == ["INT <Row(1)> True"]
