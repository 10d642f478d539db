"""SQL cells: what each kind of statement shows, and what its errors look like."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest
from live_notebook import Notebook, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTER = """
CREATE TEMPORARY TABLE {name} (id INT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '{rate}',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{end}'
)
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    notebook = Notebook(tmp_path_factory.mktemp("sql"))
    notebook.settled(COUNTER.format(name="counter", rate=100_000, end=1_000))
    yield notebook
    notebook.close()


def lines(text: str) -> str:
    """Strip the indentation of an expected text."""
    return textwrap.dedent(text).strip("\n")


def plain(traceback: list[str]) -> str:
    """Join a traceback without its colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traceback))


def test_a_cell_of_sql_needs_no_magic(notebook: Notebook) -> None:
    run = notebook.settled("select 1 as a, 'x' as b")
    assert run.texts == [
        lines("""
             a | b
            ---+---
             1 | x
            ✔ finished · 1 row
        """)
    ]


def test_the_magic_forces_sql(notebook: Notebook) -> None:
    run = notebook.settled("%%sql --rows 2\nVALUES (1), (2), (3)")
    assert run.texts == [
        lines("""
             EXPR$0
            --------
                  1
                  2
             … 1 more row
            ✔ finished · 3 rows
        """)
    ]


def test_ddl_is_confirmed_in_one_line(notebook: Notebook) -> None:
    run = notebook.settled("""
        CREATE TEMPORARY VIEW few AS SELECT id FROM counter WHERE id < 3;
        SET 'pipeline.name' = 'test'; RESET 'pipeline.name';
        DROP TEMPORARY VIEW few;
    """)
    assert run.texts == [
        "✔ view few created",
        "✔ pipeline.name set to 'test'",
        "✔ pipeline.name reset",
        "✔ view few dropped",
    ]
    run = notebook.settled("DROP TABLE IF EXISTS nothing")
    assert run.texts == ["✔ table nothing dropped if it existed"]


def test_lists_are_tables_and_plans_are_text(notebook: Notebook) -> None:
    (tables,) = notebook.settled("SHOW TABLES").texts
    assert tables == lines("""
         table name
        ------------
         counter
    """)
    (description,) = notebook.settled("DESCRIBE counter").texts
    assert description.splitlines()[2].split(" | ")[:2] == [" id  ", "INT "]
    (plan,) = notebook.settled("EXPLAIN SELECT id FROM counter").texts
    assert plan.startswith("== Abstract Syntax Tree ==")
    assert "TableSourceScan" in plan


def test_each_result_is_shown_in_order(notebook: Notebook) -> None:
    run = notebook.settled("SELECT 1 AS a; -- ; no end\nSELECT 'x;y' AS b;")
    assert [text.splitlines()[2] for text in run.texts] == [" 1", " x;y"]


def test_a_bounded_aggregate_is_sorted_and_counted(notebook: Notebook) -> None:
    run = notebook.settled("SELECT id % 3 AS k, COUNT(*) AS n FROM counter GROUP BY id % 3")
    assert run.texts == [
        lines("""
             k |   n
            ---+-----
             0 | 333
             1 | 334
             2 | 333
            ✔ finished · 3 rows from 1,000 records
        """)
    ]


def test_order_by_decides_the_order(notebook: Notebook) -> None:
    run = notebook.settled(
        "SELECT id % 3 AS k, COUNT(*) AS n FROM counter GROUP BY id % 3 ORDER BY n DESC, k LIMIT 2"
    )
    assert run.texts == [
        lines("""
             k |   n
            ---+-----
             1 | 334
             0 | 333
            ✔ finished · 2 rows
        """)
    ]


def test_html_is_escaped(notebook: Notebook) -> None:
    run = notebook.settled("SELECT '<script>alert(1)</script>' AS `<b>`")
    html = run.outputs[-1]["content"]["data"]["text/html"]
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_an_error_points_at_the_place_in_the_cell(notebook: Notebook) -> None:
    run = notebook.run("%%sql\nSELECT 1 AS a;\n\nSELECT idd\nFROM counter")
    assert run.reply["status"] == "error"
    assert run.reply["ename"] == "ValidationException"
    assert run.texts[0].splitlines()[2] == " 1", "the statement before has run"
    shown = plain(run.error["traceback"])
    assert shown.startswith("ValidationException: ")
    assert "at line 4, column 8" in shown
    assert "\n  4 | SELECT idd\n    |        ^^^" in shown
    assert "did you mean 'id'" in shown
    assert "Traceback" not in shown
    assert ".py" not in shown


def test_a_script_that_cannot_be_read_does_nothing(notebook: Notebook) -> None:
    run = notebook.run("CREATE TEMPORARY VIEW half AS SELECT 1 AS a;\nSELECT FROM WHERE")
    assert run.reply["ename"] == "SqlParserException"
    assert run.texts == []
    assert "half" not in notebook.settled("SHOW VIEWS").texts[0]


def test_an_unknown_option_lists_those_that_exist(notebook: Notebook) -> None:
    run = notebook.run("%%sql --row 3\nSELECT 1")
    assert run.reply["status"] == "error"
    (message,) = [m["content"]["text"] for m in run.outputs if m["msg_type"] == "stream"]
    assert message.startswith("UsageError: unknown option '--row'; there are --rows N, ")


def test_a_bounded_insert_blocks_and_tells_how_much(notebook: Notebook) -> None:
    run = notebook.settled("""
        CREATE TEMPORARY TABLE hole (id INT) WITH ('connector' = 'blackhole');
        INSERT INTO hole SELECT id FROM counter;
    """)
    assert run.texts == [
        "✔ table hole created",
        "✔ INSERT INTO hole finished · 1,000 records in · 1,000 out",
    ]


def test_prints_of_a_job_appear_in_its_cell(notebook: Notebook) -> None:
    run = notebook.settled("""
        CREATE TEMPORARY TABLE printed (id INT) WITH ('connector' = 'print');
        INSERT INTO printed SELECT id FROM counter WHERE id < 4;
    """)
    text = "".join(m["content"]["text"] for m in run.outputs if m["msg_type"] == "stream")
    assert text == "+I[1]\n+I[2]\n+I[3]\n"


def test_python_and_sql_cells_share_the_session(notebook: Notebook) -> None:
    notebook.settled(
        """
        from tidemill.table import EnvironmentSettings, TableEnvironment
        from tidemill.table.environment import current_environment

        t_env = current_environment()
        words = t_env.from_elements([("to",), ("be",), ("to",)], ["word"])
        t_env.create_temporary_view("words", words)
    """.replace("\n        ", "\n")
    )
    run = notebook.settled("SELECT word, COUNT(*) AS n FROM words GROUP BY word")
    assert run.texts[0].splitlines()[2:4] == [" be   | 1", " to   | 2"]


def test_a_table_shows_itself(notebook: Notebook) -> None:
    run = notebook.settled("t_env.sql_query('SELECT 7 AS seven')")
    assert run.texts == [
        lines("""
             seven
            -------
                 7
            ✔ finished · 1 row
        """)
    ]


def test_a_python_function_in_a_query(notebook: Notebook) -> None:
    notebook.settled(
        lines("""
            from tidemill.table import DataTypes
            from tidemill.table.udf import udf

            @udf(result_type=DataTypes.STRING())
            def stars(n: int) -> str:
                return "*" * n

            t_env.create_temporary_function("stars", stars)
        """)
    )
    run = notebook.settled("SELECT stars(id) AS s FROM counter WHERE id < 4")
    assert run.texts[0].splitlines()[2:5] == [" *", " **", " ***"]


def test_a_function_that_fails_ends_the_cell(notebook: Notebook) -> None:
    notebook.settled(
        lines("""
            @udf(result_type=DataTypes.BIGINT())
            def broken(n: int) -> int:
                return n // 0

            t_env.create_temporary_function("broken", broken)
        """)
    )
    for live in (False, True):
        run = notebook.run("SELECT broken(id) FROM counter", live=live)
        assert run.reply["ename"] == "UserDefinedFunctionException"
        assert "ZeroDivisionError" in plain(run.error["traceback"])
        assert "Cell In[" in plain(run.error["traceback"])
    assert notebook.settled("SELECT 1 AS a").texts, "the kernel goes on"


def test_a_bounded_query_can_be_interrupted(notebook: Notebook) -> None:
    notebook.settled(COUNTER.format(name="slow", rate=20, end=100_000))
    run = notebook.start("SELECT COUNT(*) AS n FROM slow")
    wait_until(lambda: run.outputs)
    notebook.interrupt()
    notebook.wait(run, timeout=10)
    assert run.reply["ename"] == "KeyboardInterrupt"
    assert plain(run.error["traceback"]) == "KeyboardInterrupt: query stopped"
    assert "■ stopped" in run.last_text
    assert notebook.settled("jobs()[-1].state").texts == ["'stopped'"]
    running = notebook.settled("len(jobs().running())")
    assert running.texts == ["0"]


def test_names_are_completed_in_sql_cells(notebook: Notebook) -> None:
    code = "SELECT '省', i FROM counter"
    reply = notebook.ask("complete_request", code=code, cursor_pos=13)
    assert "id" in reply["matches"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (12, 13)
    reply = notebook.ask("complete_request", code="SELECT id FROM cou", cursor_pos=18)
    assert reply["matches"] == ["counter"]
    reply = notebook.ask("complete_request", code="impor", cursor_pos=5)
    assert "import" in reply["matches"], "Python is completed as before"


def test_a_table_is_inspected(notebook: Notebook) -> None:
    reply = notebook.ask(
        "inspect_request", code="SELECT id FROM counter", cursor_pos=18, detail_level=0
    )
    assert reply["found"]
    assert reply["data"]["text/plain"].splitlines()[-1] == " id     | INT"


def test_a_console_knows_when_a_statement_ends(notebook: Notebook) -> None:
    for code, status in [
        ("SELECT 1", "incomplete"),
        ("SELECT 1;", "complete"),
        ("x = 1", "complete"),
    ]:
        assert notebook.ask("is_complete_request", code=code)["status"] == status


def test_the_magic_has_help_and_can_be_called(notebook: Notebook) -> None:
    run = notebook.settled("%sql SELECT 1 AS a")
    assert run.texts[0].splitlines()[2] == " 1"
    run = notebook.settled("get_ipython().run_cell_magic('sql', '--rows 1', 'VALUES (1), (2)')")
    assert "… 1 more row" in run.texts[0]
    reply = notebook.run("%%sql?").reply
    assert "--until rows=N" in reply["payload"][0]["data"]["text/plain"]
    assert "--until rows=N" in notebook.settled("%%sql --help").outputs[0]["content"]["text"]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("selec id from counter", "did you mean 'SELECT'?"),
        ("SELECT", "is something wrong or missing behind 'SELECT'?"),
        ("-- all\ncreat table t (a int)", "did you mean 'CREATE'?"),
    ],
)
def test_what_is_no_python_may_be_meant_as_sql(notebook: Notebook, code: str, hint: str) -> None:
    shown = plain(notebook.run(code).error["traceback"])
    assert f"hint: if this is SQL, {hint} A first line of %%sql" in shown


@pytest.mark.parametrize("code", ["x = = 1", "import (", "nothing_of_this_name", "shows(1)"])
def test_what_is_meant_as_python_has_no_hint(notebook: Notebook, code: str) -> None:
    assert "%%sql" not in plain(notebook.run(code).error["traceback"])


def test_comments_alone_do_nothing(notebook: Notebook) -> None:
    run = notebook.settled("-- only a comment\n/* and another */")
    assert run.outputs == []
