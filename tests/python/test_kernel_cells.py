"""What a cell puts out, and in which order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

D = "from IPython.display import display, update_display, clear_output, HTML\n"


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    it = Notebook()
    yield it
    it.close()


def test_outputs_keep_their_order(notebook: Notebook) -> None:
    cell = notebook.ok(
        D + "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\ndisplay(1)\n"
        "print('d')\n42"
    )
    assert cell.shown() == [
        "stdout: 'a\\n'",
        "stderr: 'b\\n'",
        "stdout: 'c\\n'",
        "display_data: 1",
        "stdout: 'd\\n'",
        "execute_result: 42",
    ]


def test_a_hundred_thousand_lines_arrive_in_few_messages(notebook: Notebook) -> None:
    cell = notebook.ok("for i in range(100_000): print('line', i)")
    assert cell.text().splitlines() == [f"line {i}" for i in range(100_000)]
    assert len(cell.of("stream")) < 1000


def test_descriptors_and_children_write_into_the_cell(notebook: Notebook) -> None:
    cell = notebook.ok(
        "import os, subprocess, sys\nos.write(1, 'fd 1: é\\n'.encode())\nos.write(2, b'fd 2\\n')\n"
        "_ = subprocess.run(['echo', 'child'])\n"
        "pid = os.fork()\nif pid == 0:\n    print('fork'); os._exit(0)\n_ = os.waitpid(pid, 0)"
    )
    assert cell.text() == "fd 1: é\nchild\nfork\n"
    assert cell.text("stderr") == "fd 2\n"


def test_what_c_code_prints_is_seen_without_flushing(notebook: Notebook) -> None:
    cell = notebook.send(
        "import ctypes, time\nlibc = ctypes.CDLL(None)\n_ = libc.printf(b'a line\\n')\n"
        "time.sleep(0.2)\n_ = libc.printf(b'a rest')"
    )
    assert notebook.next_message(cell, "stream")["content"]["text"] == "a line\n"
    assert notebook.outcome(cell).text() == "a rest"


def test_lone_surrogates_and_bytes_are_shown(notebook: Notebook) -> None:
    cell = notebook.ok("import sys\nprint('\\ud800x')\n_ = sys.stdout.buffer.write('é'.encode())")
    assert cell.text() == "?x\né"


def test_an_update_reaches_its_display_from_a_later_cell(notebook: Notebook) -> None:
    first = notebook.ok(D + "handle = display(HTML('one'), display_id='d')")
    second = notebook.ok("handle.update(HTML('two'))")
    (shown,), (update,) = first.of("display_data"), second.of("update_display_data")
    assert shown["content"]["transient"] == update["content"]["transient"] == {"display_id": "d"}
    assert update["content"]["data"]["text/html"] == "two"


def test_a_client_that_reads_gets_all_updates_in_order(notebook: Notebook) -> None:
    cell = notebook.ok(
        D + "handle = display({'text/plain': ''}, raw=True, display_id=True)\n"
        "for i in range(2000): handle.update({'text/plain': str(i)}, raw=True)"
    )
    updates = [it["content"]["data"]["text/plain"] for it in cell.of("update_display_data")]
    assert [int(update) for update in updates] == list(range(2000))


def test_clear_output_says_whether_it_waits(notebook: Notebook) -> None:
    cell = notebook.ok(D + "clear_output(); clear_output(wait=True)")
    assert cell.shown() == ["clear_output: False", "clear_output: True"]


def test_what_json_does_not_know_is_shown_anyway(notebook: Notebook) -> None:
    cell = notebook.ok(
        D + "import datetime\n"
        "data = {'nan': float('nan'), 1: [b'\\x00', 10**30], 'day': datetime.date(2026, 1, 2)}\n"
        "display({'application/json': data, 'text/plain': ''}, raw=True)"
    )
    (shown,) = cell.of("display_data")
    assert shown["content"]["data"]["application/json"] == {
        "nan": "NaN",
        "1": ["AA==", str(10**30)],
        "day": "2026-01-02",
    }


def test_a_thread_writes_into_the_cell_that_started_it(notebook: Notebook) -> None:
    first = notebook.send(
        "import threading\ngate = threading.Event()\n"
        "def late():\n    gate.wait(10); print('late')\nthread = threading.Thread(target=late)\n"
        "thread.start()"
    )
    notebook.outcome(first)
    second = notebook.send("gate.set(); thread.join(); print('now')")
    late = notebook.next_message(first, "stream")
    assert late["content"]["text"] == "late\n"
    assert notebook.outcome(second).text() == "now\n"


def test_a_task_writes_into_the_cell_that_started_it(notebook: Notebook) -> None:
    first = notebook.send(
        "import asyncio\nasync def tick():\n    await asyncio.sleep(0.05); print('tick')\n"
        "task = asyncio.create_task(tick())"
    )
    notebook.outcome(first)
    assert notebook.next_message(first, "stream")["content"]["text"] == "tick\n"


def test_top_level_await_and_context_variables_last(notebook: Notebook) -> None:
    notebook.ok("import asyncio, contextvars\nvar = contextvars.ContextVar('var')\nvar.set(1)")
    notebook.ok("await asyncio.sleep(0)\nvar.set(var.get() + 1)")
    assert notebook.ok("var.get()").shown() == ["execute_result: 2"]


def test_errors_name_the_cell_and_end_the_reply(notebook: Notebook) -> None:
    cell = notebook.run("def deep():\n    return 1 / 0\ndeep()")
    assert cell.shown() == ["error: ZeroDivisionError: division by zero"]
    assert cell.reply["status"] == "error"
    assert (cell.reply["ename"], cell.reply["evalue"]) == ("ZeroDivisionError", "division by zero")
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(cell.reply["traceback"]))
    assert "return 1 / 0" in traceback
    assert "Cell In[" in traceback


def test_an_error_may_render_its_own_traceback(notebook: Notebook) -> None:
    cell = notebook.run(
        "class Plain(Exception):\n    def _render_traceback_(self):\n        return ['just this']\n"
        "raise Plain('why')"
    )
    assert cell.reply["traceback"] == ["just this"]
    assert (cell.reply["ename"], cell.reply["evalue"]) == ("Plain", "why")


def test_a_value_that_cannot_be_shown_fails_the_cell(notebook: Notebook) -> None:
    cell = notebook.run(
        "class Bad:\n    def __repr__(self):\n        raise ValueError('no')\nBad()"
    )
    assert (cell.reply["status"], cell.reply["ename"]) == ("error", "ValueError")
    # An error that the cell has shown itself does not.
    notebook.ok("try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()")


def test_counts_and_history_leave_out_what_is_not_stored(notebook: Notebook) -> None:
    count = notebook.ok("'stored'").reply["execution_count"]
    notebook.ok("'silent'", silent=True)
    notebook.ok("'unstored'", store_history=False)
    assert notebook.ok("'next'").reply["execution_count"] == count + 1
    tail = notebook.ask(
        "history_request", {"hist_access_type": "tail", "n": 2, "raw": True, "output": False}
    )
    assert [item[2] for item in tail["history"]] == ["'stored'", "'next'"]


def test_a_reset_shell_counts_from_one(notebook: Notebook) -> None:
    notebook.ok("get_ipython().reset()")
    # IPython 8 counts a cell when it has run, IPython 9 when it begins.
    assert notebook.ok("1").reply["execution_count"] in (1, 2)
    assert notebook.ok("In[1]").shown() == ["execute_result: '1'"]


def test_user_expressions_payloads_and_semicolons(notebook: Notebook) -> None:
    cell = notebook.ok("x = 1; x;", user_expressions={"good": "x + 1", "bad": "1 / 0"})
    assert cell.shown() == []
    assert cell.reply["user_expressions"]["good"]["data"]["text/plain"] == "2"
    assert cell.reply["user_expressions"]["bad"]["ename"] == "ZeroDivisionError"
    (payload,) = notebook.ok("len?").reply["payload"]
    assert payload["source"] == "page"


def test_magics_and_shell_commands(notebook: Notebook) -> None:
    cell = notebook.ok(
        "word = 'é'\nprint(1)\n!echo {word}; echo two >&2; cat; exit 3\nprint(_exit_code)"
    )
    assert cell.text() == "1\né\ntwo\n3\n"
    assert notebook.ok("lines = !echo a\nlines").shown() == ["execute_result: ['a']"]
    assert notebook.ok("%%capture hidden\nprint('x')").shown() == []
    assert notebook.ok("hidden.stdout").shown() == ["execute_result: 'x\\n'"]


def test_figures_are_shown_inline(notebook: Notebook) -> None:
    pytest.importorskip("matplotlib")
    cell = notebook.ok("import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])")
    (figure,) = cell.of("display_data")
    assert figure["content"]["data"]["image/png"].startswith("iVBOR")


def test_widgets_hear_the_page(notebook: Notebook) -> None:
    pytest.importorskip("ipywidgets")
    cell = notebook.ok(
        "import ipywidgets\nslider = ipywidgets.IntSlider()\nseen = []\n"
        "slider.observe(lambda change: seen.append(change['new']), 'value')\nslider.model_id"
    )
    (result,) = cell.of("execute_result")
    model_id = result["content"]["data"]["text/plain"].strip("'")
    data = {"method": "update", "state": {"value": 9}, "buffer_paths": []}
    message = notebook.client.session.msg("comm_msg", content={"comm_id": model_id, "data": data})
    notebook.client.shell_channel.send(message)
    notebook.messages(message["header"]["msg_id"])
    assert notebook.ok("seen").shown() == ["execute_result: [9]"]


def test_an_output_widget_captures_displays(notebook: Notebook) -> None:
    pytest.importorskip("ipywidgets")
    cell = notebook.ok(
        D
        + "import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    display(1)\nprint('after')"
    )
    assert cell.text() == "after\n"


def test_completion_and_inspection(notebook: Notebook) -> None:
    notebook.ok("class Thing:\n    'the doc'\n    alpha = 1\nthing = Thing()")
    code = "'😀'; thing.al"
    reply = notebook.ask("complete_request", {"code": code, "cursor_pos": len(code)})
    start, end = reply["cursor_start"], reply["cursor_end"]
    assert "'😀'; thing.alpha" in [code[:start] + it + code[end:] for it in reply["matches"]]
    found = notebook.ask("inspect_request", {"code": "Thing", "cursor_pos": 3, "detail_level": 0})
    assert "the doc" in found["data"]["text/plain"]
    missing = notebook.ask("inspect_request", {"code": "nope", "cursor_pos": 2, "detail_level": 0})
    assert (missing["status"], missing["found"]) == ("ok", False)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1", {"status": "complete"}),
        ("def f():", {"status": "incomplete", "indent": "    "}),
        ("import = 7q", {"status": "invalid"}),
    ],
)
def test_completeness(notebook: Notebook, code: str, expected: dict[str, str]) -> None:
    assert notebook.ask("is_complete_request", {"code": code}) == expected
