"""``tidemill run`` and ``tidemill sql``."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tidemill.client.sql_client import SqlClient
from tidemill.client.statements import is_complete, split_statements, statements_with_lines
from tidemill.table import EnvironmentSettings, TableEnvironment

PROGRAM = """\
import sys
from pyflink.common import Row
from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col, lit
from pyflink.table.udf import udtf
import pyflink.table.udf
import tidemill.table.udf
from helper import LINES

assert pyflink.table.udf is tidemill.table.udf
assert __name__ == "__main__"
t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
print(sys.argv[1:], t_env.get_config().get("parallelism.default", None))
t_env.execute_sql("CREATE TABLE sink (word STRING, n BIGINT) WITH ('connector' = 'print')")


@udtf(result_types=["STRING"])
def split(line: Row):
    for word in line[0].split():
        yield Row(word)


table = t_env.from_elements([(line,) for line in LINES], ["line"]).flat_map(split).alias("word")
# Nobody waits: the command does.
table.group_by(col("word")).select(col("word"), lit(1).count).execute_insert("sink")
"""


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    package = str(Path(__file__).parents[2] / "python")
    path = os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "tidemill.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_runs_with_pyflink_meaning_this_package(tmp_path: Path) -> None:
    (tmp_path / "word_count.py").write_text(PROGRAM)
    (tmp_path / "helper.py").write_text("LINES = ['to be', 'be']\n")
    options = ["run", "-p", "1", "-D", "pipeline.name=x", "word_count.py", "--input", "-p", "7"]
    done = run(options, tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['--input', '-p', '7'] 1",
        "+I[to, 1]",
        "+I[be, 1]",
        "-U[be, 1]",
        "+U[be, 2]",
    ]
    assert done.returncode == 0


CATCHES = """\
from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JError, Py4JJavaError
from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.util.exceptions import JavaException, TableException

t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
for statement in ("SELECT missing", "SELEC 1", "USE CATALOG nowhere", "SELECT 1/0"):
    try:
        list(t_env.execute_sql(statement).collect())
    except Py4JJavaError as error:
        cause = error.java_exception
        print(type(error).__name__, cause.getClass().getName(), isinstance(error, JavaException))
        assert cause.toString() == f"{cause.getClass().getName()}: {cause.getMessage()}"
        assert cause.getMessage() in str(error)
"""


def test_a_program_catches_what_it_catches_of_pyflink(tmp_path: Path) -> None:
    (tmp_path / "catches.py").write_text(CATCHES)
    done = run(["run", "catches.py"], tmp_path)
    assert done.stderr == ""
    api = "org.apache.flink.table"
    assert done.stdout.splitlines() == [
        f"ValidationException {api}.api.ValidationException True",
        f"SqlParserException {api}.api.SqlParserException True",
        f"CatalogException {api}.catalog.exceptions.CatalogException True",
        "DataException java.lang.RuntimeException True",
    ]


IMPORTS_IN_A_WORKER = """\
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import udf

t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
t_env.get_config().set("python.execution-mode", "process")


@udf(result_type=DataTypes.STRING())
def named(value):
    from pyflink.common import Row

    return str(Row(n=value))


numbers = t_env.from_elements([(1,)], ["n"])
print([row[0] for row in numbers.select(named(col("n"))).execute().collect()])
"""


def test_functions_in_workers_import_by_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(IMPORTS_IN_A_WORKER)
    done = run(["run", "program.py"], tmp_path)
    assert (done.stdout, done.stderr) == ("['Row(n=1)']\n", "")


def test_a_program_that_fails_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise SystemExit(3)\n")
    assert run(["run", "bad.py"], tmp_path).returncode == 3
    missing = run(["run", "nope.py"], tmp_path)
    assert (missing.returncode, missing.stderr) == (2, "there is no script 'nope.py'\n")
    assert run(["run"], tmp_path).returncode == 2


def test_sql_from_files_and_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "init.sql").write_text("CREATE VIEW v AS SELECT * FROM (VALUES (1), (2)) t(a);")
    (tmp_path / "udfs.py").write_text(
        "from pyflink.table import DataTypes\nfrom pyflink.table.udf import udf\n\n"
        "@udf(result_type=DataTypes.INT())\ndef add_one(i):\n    return i + 1\n"
    )
    (tmp_path / "env.yaml").write_text(
        "tables:\n- name: sink\n  type: sink-table\n  update-mode: append\n"
        "  schema: [{name: a, type: INT}]\n  connector: {type: print}\n"
        "functions:\n- {name: add_one, from: python, fully-qualified-name: udfs.add_one}\n"
        "execution: {parallelism: 1}\n"
    )
    pytest.importorskip("yaml")
    done = run(
        [
            *["sql", "embedded", "-i", "init.sql", "--environment", "env.yaml"],
            *["-pyfs", "udfs.py", "--update", "INSERT INTO sink SELECT add_one(a) FROM v"],
        ],
        tmp_path,
    )
    assert "[INFO] SQL update statement has been successfully submitted." in done.stdout
    assert done.stdout.endswith("+I[2]\n+I[3]\n")
    assert done.returncode == 0
    (tmp_path / "bad.sql").write_text("SHOW TABLES;\nSELECT nope FROM v;\nSHOW VIEWS;")
    failed = run(["sql", "-i", "init.sql", "-f", "bad.sql"], tmp_path)
    assert "[ERROR] ValidationException: column 'nope' not found" in failed.stdout
    assert "[ERROR] that was the statement in line 2 of 'bad.sql'" in failed.stdout
    assert "view name" not in failed.stdout
    assert failed.returncode == 1


@pytest.fixture
def client() -> SqlClient:
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    return SqlClient(env, io.StringIO())


def output(client: SqlClient, statement: str) -> str:
    assert isinstance(client.out, io.StringIO)
    client.out.seek(0)
    client.out.truncate()
    client.is_script = False
    client.run_text(statement)
    return client.out.getvalue()


def test_result_modes(client: SqlClient) -> None:
    values = "SELECT COUNT(*) AS n FROM (VALUES (1), (2)) t(a)"
    assert output(client, f"{values};").splitlines()[3:6] == [
        "| +I |                    1 |",
        "| -U |                    1 |",
        "| +U |                    2 |",
    ]
    output(client, "SET 'sql-client.execution.result-mode' = 'table'")
    assert output(client, values).splitlines()[:5] == [
        "+---+",
        "| n |",
        "+---+",
        "| 2 |",
        "+---+",
    ]
    assert "[ERROR]" in output(client, "SET 'sql-client.execution.result-mode' = 'nope'")


def test_commands(client: SqlClient) -> None:
    assert "QUIT, EXIT" in output(client, "HELP;")
    assert output(client, "CREATE DATABASE d") == "[INFO] Execute statement succeeded.\n"
    assert "d" in output(client, "SHOW DATABASES")
    assert output(client, "quit; SHOW TABLES") == ""
    assert client.has_ended


def test_statements_end_with_semicolons() -> None:
    text = "SELECT ';' -- a; b\n, `a;b` /* ; */; ; SELECT 2;SELECT 3"
    assert split_statements(text) == [
        "SELECT ';' -- a; b\n, `a;b` /* ; */",
        "SELECT 2",
        "SELECT 3",
    ]
    assert split_statements("EXECUTE STATEMENT SET BEGIN INSERT a; INSERT b; END; SELECT 1") == [
        "EXECUTE STATEMENT SET BEGIN INSERT a; INSERT b; END",
        "SELECT 1",
    ]
    assert split_statements("BEGIN STATEMENT SET; INSERT a; END;") == [
        "EXECUTE STATEMENT SET BEGIN INSERT a; END"
    ]
    assert split_statements("-- nothing\n") == []
    assert is_complete("SELECT 1;")
    assert not is_complete("SELECT 1; SELECT")
    assert not is_complete("SELECT 'a;")


def test_batch_mode_shows_rows_as_wide_as_they_are(client: SqlClient) -> None:
    output(client, "SET 'execution.runtime-mode' = 'batch'")
    query = "SELECT * FROM (VALUES (1, 'a'), (2, '日本'), (1, 'a')) t(i, s)"
    assert output(client, query).splitlines()[:7] == [
        "+---+------+",
        "| i |    s |",
        "+---+------+",
        "| 1 |    a |",
        "| 2 | 日本 |",
        "| 1 |    a |",
        "+---+------+",
    ]


def test_statements_have_lines() -> None:
    text = "\n-- first\nSELECT 1;\n\nSELECT\n2; SELECT 3;\nSELECT 4"
    assert statements_with_lines(text) == [
        (2, "-- first\nSELECT 1"),
        (5, "SELECT\n2"),
        (6, "SELECT 3"),
        (7, "SELECT 4"),
    ]


def test_what_the_client_does_not_take(tmp_path: Path) -> None:
    jar = run(["sql", "-j", "a.jar", "-e", "SELECT 1"], tmp_path)
    assert (jar.returncode, jar.stdout) == (2, "")
    assert "'a.jar' cannot be loaded: there is no JVM" in jar.stderr
    mode = run(["sql", "gateway"], tmp_path)
    assert (mode.returncode, "the mode 'gateway' is not supported" in mode.stderr) == (2, True)
