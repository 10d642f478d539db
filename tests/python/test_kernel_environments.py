"""``st_env`` and ``bt_env``: what a notebook has without making it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    it = Notebook()
    yield it
    it.close()


def test_the_default_environment_is_that_of_sql_cells(notebook: Notebook) -> None:
    notebook.ok("def path(): return __import__('sys').modules.get('tidemill.table.table')")
    assert notebook.ok("path() is None").shown() == ["execute_result: True"], "a short start"
    notebook.ok("CREATE TEMPORARY VIEW single AS SELECT 1 AS a")
    tables = notebook.ok("st_env.list_views(), type(st_env).__name__").shown()
    assert tables == ["execute_result: (['single'], 'StreamTableEnvironment')"]


def test_the_default_environments_do_not_become_the_current_one(notebook: Notebook) -> None:
    notebook.ok("from tidemill.table.environment import current_environment")
    notebook.ok("bt_env.execute_sql('CREATE TEMPORARY VIEW b AS SELECT 1 AS a')")
    assert notebook.ok("current_environment() is st_env").shown() == ["execute_result: True"]
    notebook.ok(
        "from tidemill.table import EnvironmentSettings, TableEnvironment\n"
        "t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())"
    )
    notebook.ok("bt_env, st_env")
    assert notebook.ok("current_environment() is t_env").shown() == ["execute_result: True"]


def test_an_environment_that_is_used_late_counts_as_old(notebook: Notebook) -> None:
    notebook.ok(
        "from tidemill.table import EnvironmentSettings, TableEnvironment\n"
        "from tidemill.table.environment import current_environment\n"
        "t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())"
    )
    notebook.ok("st_env")
    assert notebook.ok("current_environment() is t_env").shown() == ["execute_result: True"]


def test_the_users_own_name_wins(notebook: Notebook) -> None:
    notebook.ok("st_env = 1")
    assert notebook.ok("st_env").shown() == ["execute_result: 1"]


def test_the_names_are_completed(notebook: Notebook) -> None:
    reply = notebook.ask("complete_request", {"code": "st_env.sql_q", "cursor_pos": 12})
    assert any("sql_query" in match for match in reply["matches"])


def test_a_program_of_pyflink_runs_as_it_is(notebook: Notebook) -> None:
    notebook.ok(
        "from pyflink.table import EnvironmentSettings, TableEnvironment\n"
        "from pyflink.table.expressions import col\n"
        "t_env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())\n"
        "words = t_env.from_elements([('a',), ('b',), ('a',)], ['word'])\n"
        "counted = words.group_by(col('word')).select(col('word'), col('word').count)"
    )
    assert notebook.ok("sorted(tuple(row) for row in counted.execute().collect())").shown() == [
        "execute_result: [('a', 2), ('b', 1)]"
    ]
    notebook.ok("import tidemill.table, pyflink.table; assert pyflink.table is tidemill.table")
