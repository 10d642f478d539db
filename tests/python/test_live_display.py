"""Live displays: how often they change, to which cell they belong, and how they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from live_notebook import Notebook, Run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    notebook = Notebook(tmp_path_factory.mktemp("live"))
    notebook.settled("""
        CREATE TEMPORARY TABLE clock (id INT) WITH (
          'connector' = 'datagen', 'rows-per-second' = '200',
          'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '100000000'
        )
    """)
    notebook.settled("""
        CREATE TEMPORARY TABLE drops (id INT) WITH (
          'connector' = 'datagen', 'rows-per-second' = '200',
          'fields.id.min' = '0', 'fields.id.max' = '2'
        )
    """)
    yield notebook
    notebook.close()


@pytest.fixture(autouse=True)
def nothing_runs(notebook: Notebook) -> Iterator[None]:
    yield
    notebook.settled("jobs().running().stop()")


def drops(options: str = "") -> str:
    """Give a query that never ends by itself."""
    return f"%%sql {options}\nSELECT id, COUNT(*) AS n FROM drops GROUP BY id"


def counted(run: Run) -> int:
    """Sum of the counts in the newest picture."""
    rows = [line.split("|") for line in run.last_text.splitlines()[2:] if "|" in line]
    return sum(int(row[1]) for row in rows)


def test_an_unbounded_query_returns_at_once_and_goes_on(notebook: Notebook) -> None:
    run = notebook.run(drops())
    assert run.reply["status"] == "ok"
    assert run.seconds < 5
    wait_until(lambda: len(run.updates) >= 3)
    first = counted(run)
    wait_until(lambda: counted(run) > first)
    assert "● running · 3 rows" in run.last_text


def test_updates_belong_to_the_cell_that_made_them(notebook: Notebook) -> None:
    run = notebook.run(drops())
    wait_until(lambda: run.updates)
    other = notebook.run("x = 1")
    n_updates = len(run.updates)
    wait_until(lambda: len(run.updates) > n_updates)
    assert other.outputs == []
    (shown,) = [m for m in run.outputs if m["msg_type"] == "display_data"]
    ids = {m["content"]["transient"]["display_id"] for m in [shown, *run.updates]}
    assert len(ids) == 1


def test_the_rate_is_what_was_asked_for(notebook: Notebook) -> None:
    for options, at_least, at_most in [("", 2, 9), ("--hz 10", 5, 22), ("--hz 1", 1, 3)]:
        run = notebook.run(drops(options))
        time.sleep(2)
        n_updates = len(run.updates)
        assert at_least <= n_updates <= at_most, (options, n_updates)
        notebook.settled("jobs().running().stop()")


def test_displays_go_on_while_python_holds_the_interpreter(notebook: Notebook) -> None:
    run = notebook.run(drops("--hz 10"))
    wait_until(lambda: run.updates)
    busy = notebook.start("_ = sum(range(10**8))")
    started = time.monotonic()
    notebook.wait(busy)
    ended = time.monotonic()
    arrived = [m["arrived"] for m in run.updates if started < m["arrived"] < ended]
    assert len(arrived) >= 3 * (ended - started), "at least three a second"


def test_stopping_leaves_the_last_rows(notebook: Notebook) -> None:
    run = notebook.run(drops("--name drops"))
    wait_until(lambda: counted(run) > 0)
    notebook.settled("stop(jobs().running()[0].id)")
    wait_until(lambda: "■ drops stopped · 3 rows from " in run.last_text)
    assert counted(run) > 0
    n_updates = len(run.updates)
    time.sleep(0.6)
    assert len(run.updates) == n_updates, "nothing after the last picture"


def test_running_a_cell_again_replaces_its_query(notebook: Notebook) -> None:
    first = notebook.run(drops(), cell_id="cell-1")
    other = notebook.run(drops(), cell_id="cell-2")
    second = notebook.run(drops(), cell_id="cell-1")
    wait_until(lambda: "■ replaced by a newer run" in first.last_text)
    wait_until(lambda: second.updates)
    assert "● running" in other.last_text
    assert "● running" in second.last_text
    assert notebook.settled("len(jobs().running())").texts == ["2"]
    third = notebook.run("x = 'no query any more'", cell_id="cell-1")
    assert third.reply["status"] == "ok"
    wait_until(lambda: "■ replaced by a newer run" in second.last_text)


def test_a_function_that_sleeps_does_not_block_the_next_run(notebook: Notebook) -> None:
    notebook.settled("""
        CREATE TEMPORARY TABLE single (id INT) WITH (
          'connector' = 'datagen', 'rows-per-second' = '1'
        )
    """)
    notebook.settled(
        "import time\n"
        "from tidemill.table import DataTypes\n"
        "from tidemill.table.environment import current_environment\n"
        "from tidemill.table.udf import udf\n"
        "def doze(n):\n"
        "    time.sleep(5)\n"
        "    return n\n"
        "doze = udf(doze, result_type=DataTypes.INT())\n"
        "current_environment().create_temporary_function('doze', doze)\n"
    )
    sleepy = notebook.run("SELECT doze(id) AS id FROM single", cell_id="s")
    time.sleep(0.5)
    again = notebook.run("x = 1", cell_id="s")
    assert again.seconds < 4
    wait_until(lambda: "■ replaced by a newer run" in sleepy.last_text, timeout=60)


def test_until_stops_a_live_query(notebook: Notebook) -> None:
    run = notebook.run(drops("--until records=100"))
    wait_until(lambda: "■ stopped" in run.last_text)
    assert run.last_text.endswith("until records=100")


def test_a_failing_query_says_why_and_keeps_its_rows(notebook: Notebook) -> None:
    run = notebook.run("SELECT id, 10 / (60 - id) AS x FROM clock")
    wait_until(lambda: "failed" in run.last_text)
    assert "division by zero" in run.last_text.lower()


def test_a_python_table_is_live_too(notebook: Notebook) -> None:
    run = notebook.run(
        "from tidemill.table.environment import current_environment\n"
        "current_environment().sql_query('SELECT id, COUNT(*) AS n FROM drops GROUP BY id')"
    )
    assert run.reply["status"] == "ok"
    wait_until(lambda: len(run.updates) >= 2)
    assert "● running" in run.last_text


def test_settled_cells_show_each_result_once(notebook: Notebook) -> None:
    run = notebook.settled("%%sql --until rows=5\nSELECT id FROM clock")
    assert run.texts == [
        " id\n----\n  1\n  2\n  3\n  4\n  5\n■ stopped · 5 rows · until rows=5",
    ]
    time.sleep(0.4)
    assert run.updates == []
    assert notebook.settled("len(jobs().running())").texts == ["0"]


def test_settled_and_live_runs_end_with_the_same_picture(notebook: Notebook) -> None:
    notebook.settled("""
        CREATE TEMPORARY TABLE short (id INT) WITH (
          'connector' = 'datagen', 'rows-per-second' = '500',
          'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '600'
        )
    """)
    query = "SELECT id % 3 AS k, COUNT(*) AS n FROM short GROUP BY id % 3"
    live, settled = notebook.run(query), notebook.settled(query)
    assert live.updates, "it showed its progress"
    assert settled.updates == []
    last, only = live.outputs[-1]["content"], settled.outputs[-1]["content"]
    assert last["data"] == only["data"]


def test_live_can_be_turned_off_and_on(notebook: Notebook) -> None:
    assert notebook.settled("%live off --rows 2").texts == ["live off, 4 times a second, 2 rows"]
    run = notebook.run("%%sql --until records=50\nSELECT id, COUNT(*) AS n FROM drops GROUP BY id")
    assert run.updates == []
    assert "… 1 more row" in run.last_text
    assert notebook.settled("%live auto --rows 50").texts == [
        "live auto, 4 times a second, 50 rows"
    ]
    wrong = notebook.run("%live --hz 99")
    assert wrong.reply["status"] == "error"


def test_live_results_can_be_shown_again(notebook: Notebook) -> None:
    first = notebook.run(drops())
    wait_until(lambda: first.updates)
    again = notebook.run("%live resume")
    (shown,) = again.outputs
    ids = [m["content"]["transient"]["display_id"] for m in (shown, first.updates[0])]
    assert ids[0] == ids[1], "updates of the first arrive in both"
    notebook.settled("jobs().running().stop()")
    wait_until(lambda: "■ stopped" in first.last_text)
    assert notebook.run("%live resume").texts == ["nothing is live"]


def test_jobs_are_listed_and_can_be_stopped(notebook: Notebook) -> None:
    notebook.run(drops())
    run = notebook.run("%jobs running")
    assert "● running" in run.last_text
    assert "SELECT id, COUNT(*) AS n FROM drops GROUP BY id" in run.last_text
    assert "<table" in run.outputs[-1]["content"]["data"]["text/html"]
    notebook.settled("import tidemill; tidemill.jobs().running()[0].stop()")
    assert notebook.run("%jobs running").texts == ["no jobs"]
    unknown = notebook.run("stop('4711')")
    assert unknown.error["evalue"].startswith("there is no job '4711'")


def test_shutdown_leaves_a_last_picture(tmp_path_factory: pytest.TempPathFactory) -> None:
    notebook = Notebook(tmp_path_factory.mktemp("shutdown"))
    notebook.settled("""
        CREATE TEMPORARY TABLE drops (id INT) WITH (
          'connector' = 'datagen', 'rows-per-second' = '200',
          'fields.id.min' = '0', 'fields.id.max' = '2'
        )
    """)
    run = notebook.run(drops())
    wait_until(lambda: run.updates)
    notebook.close()
    assert "■ stopped" in run.last_text
    assert run.last_text.endswith("the kernel was shut down")
