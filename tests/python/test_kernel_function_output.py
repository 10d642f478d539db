"""What functions print reaches the cell that started their job, and not more than a page shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = """
import time
from tidemill.table.udf import udf
st_env.get_config().set("python.execution-mode", "{place}")
st_env.get_config().set("parallelism.default", "1")

@udf(result_type="BIGINT")
def say(n):
    time.sleep(1)
    print("saw", n)
    return n

st_env.create_temporary_function("say", say)
st_env.create_temporary_view("t", st_env.from_elements([(1,)], ["n"]))
st_env.execute_sql("CREATE TABLE s (n BIGINT) WITH ('connector' = 'blackhole')")
"""


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    """Run a kernel of its own: its jobs end with it."""
    opened = Notebook()
    yield opened
    opened.close()


@pytest.mark.parametrize("place", ["thread", "process"])
def test_a_function_prints_into_the_cell_of_its_job(notebook: Notebook, place: str) -> None:
    notebook.ok(SETUP.format(place=place))
    first = notebook.send('job = st_env.execute_sql("INSERT INTO s SELECT say(n) FROM t")')
    said = notebook.outcome(first).text()
    second = notebook.send("job.wait(); print('now')")
    said = said or notebook.next_message(first, "stream")["content"]["text"]
    assert said == "saw 1\n"
    assert notebook.outcome(second).text() == "now\n"


def test_what_is_too_much_is_counted(notebook: Notebook) -> None:
    chatty = """
    from tidemill.table.udf import udf
    chat = udf(lambda n: print("x" * 999), result_type="INT")
    st_env.create_temporary_function("chat", chat)
    t = st_env.from_elements([(n,) for n in range(5000)], ["n"])
    st_env.create_temporary_view("t", t)
    st_env.execute_sql("CREATE TABLE s (n INT) WITH ('connector' = 'blackhole')")
    st_env.execute_sql("INSERT INTO s SELECT chat(n) FROM t").wait()
    """
    code = "\n".join(line.strip() for line in chatty.splitlines())
    shown = notebook.ok(code).text()
    left_out = [int(it.replace(",", "")) for it in re.findall(r"\[([\d,]+) more characters", shown)]
    assert left_out
    assert shown.count("x") + sum(left_out) >= 5000 * 999
    assert len(shown) < 1_000_000
