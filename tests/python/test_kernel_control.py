"""What happens beside and against a running cell: questions, interrupts, attacks, the end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Holds the interpreter in C code, where nothing of Python runs, for a second or more.
HOLD_INTERPRETER = "_ = sum(range(100_000_000))"


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    it = Notebook()
    yield it
    it.close()


def test_input_asks_and_waits(notebook: Notebook) -> None:
    request = notebook.send("name = input('name? ')\nprint('hello', name)", allow_stdin=True)
    assert notebook.question(request) == {"prompt": "name? ", "password": False}
    notebook.client.input("Ada é")
    assert notebook.outcome(request).text() == "hello Ada é\n"


def test_getpass_hides_the_answer(notebook: Notebook) -> None:
    request = notebook.send("import getpass; getpass.getpass('pw')", allow_stdin=True)
    assert notebook.question(request) == {"prompt": "pw", "password": True}
    notebook.client.input("secret")
    assert notebook.outcome(request).reply["status"] == "ok"


def test_input_fails_where_nobody_can_answer(notebook: Notebook) -> None:
    reply = notebook.run("input()").reply
    assert reply["ename"] == "StdinNotImplementedError"
    assert "stdin.py" not in "".join(reply["traceback"]), "the user's call, not the kernel's code"


def test_a_late_answer_is_not_taken_for_the_next_question(notebook: Notebook) -> None:
    notebook.client.input("stale")
    notebook.ok("1")
    request = notebook.send("input()", allow_stdin=True)
    notebook.question(request)
    notebook.client.input("fresh")
    assert notebook.outcome(request).shown() == ["execute_result: 'fresh'"]


@pytest.mark.parametrize("how", ["import pdb; pdb.set_trace()", "breakpoint()"])
def test_the_debugger_talks_through_input(notebook: Notebook, how: str) -> None:
    request = notebook.send(f"def f():\n    z = 5\n    {how}\n    return z\nf()", allow_stdin=True)
    notebook.question(request)
    notebook.client.input("p z * 11")
    notebook.question(request)
    notebook.client.input("c")
    assert "55" in notebook.outcome(request).text()


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import threading; threading.Event().wait()",
        "import asyncio; await asyncio.sleep(60)",
        "import asyncio\nawait asyncio.sleep(0)\nwhile True: pass",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "!sleep 60; echo never",
    ],
)
def test_an_interrupt_ends_the_cell_and_aborts_those_behind(notebook: Notebook, code: str) -> None:
    request = notebook.send(f"print('begun')\n{code}")
    behind = notebook.send("print('never')")
    notebook.interrupt_when(request, "begun")
    reply = notebook.reply(request)
    assert reply["ename"] == "KeyboardInterrupt"
    assert notebook.outcome(behind).reply["status"] == "aborted"
    assert notebook.ok("'alive'").shown() == ["execute_result: 'alive'"]


def test_an_interrupt_ends_a_question(notebook: Notebook) -> None:
    request = notebook.send("input()", allow_stdin=True)
    notebook.question(request)
    assert notebook.control("interrupt_request")["status"] == "ok"
    assert notebook.reply(request)["ename"] == "KeyboardInterrupt"


def test_an_interrupt_right_after_a_cell_was_sent_ends_it(notebook: Notebook) -> None:
    for _ in range(20):
        request = notebook.send("import time; time.sleep(10)")
        # Control overtakes nothing: the cell is running, or waits to be taken up.
        notebook.next_message(request, "execute_input")
        assert notebook.control("interrupt_request")["status"] == "ok"
        assert notebook.reply(request)["ename"] == "KeyboardInterrupt"


def test_interrupts_of_an_idle_kernel_do_nothing(notebook: Notebook) -> None:
    assert notebook.control("interrupt_request")["status"] == "ok"
    os.kill(notebook.manager.provisioner.pid, signal.SIGINT)
    assert notebook.ok("1").shown() == ["execute_result: 1"]


def test_a_failing_cell_aborts_those_behind_it(notebook: Notebook) -> None:
    requests = [notebook.send("import time; time.sleep(0.3); 1 / 0")]
    requests += [notebook.send("print('never')") for _ in range(3)]
    outcomes = [notebook.outcome(it) for it in requests]
    assert [it.reply["status"] for it in outcomes] == ["error", "aborted", "aborted", "aborted"]
    assert outcomes[3].shown() == []


def test_control_and_live_displays_go_on_while_c_code_holds_the_interpreter(
    notebook: Notebook,
) -> None:
    started = notebook.send(
        "from tidemill._native.kernel import Pulse\nkernel = get_ipython().kernel.native\n"
        "pulse = Pulse(kernel, kernel.current_cell(), 20)"
    )
    notebook.outcome(started)
    request = notebook.send(HOLD_INTERPRETER)
    notebook.next_message(request, "execute_input")
    time.sleep(0.1)
    began = time.monotonic()
    assert notebook.control("kernel_info_request")["status"] == "ok"
    answered_s = time.monotonic() - began
    n_beats = 0
    while not notebook.client.shell_channel.msg_ready():
        # They belong to the cell that started the display, not to the one that runs.
        notebook.next_message(started, "update_display_data")
        n_beats += 1
    held_s = time.monotonic() - began
    notebook.outcome(request)
    notebook.ok("pulse.stop()")
    assert answered_s < held_s / 2
    assert n_beats >= held_s * 20 / 2


def test_a_subshell_answers_beside_a_running_cell(notebook: Notebook) -> None:
    subshell_id = notebook.control("create_subshell_request")["subshell_id"]
    notebook.ok("import threading; gate = threading.Event()")
    waiting = notebook.send("gate.wait(20)")
    message = notebook.client.session.msg(
        "execute_request", content={"code": "gate.set(); print('beside')"}
    )
    message["header"]["subshell_id"] = subshell_id
    notebook.client.shell_channel.send(message)
    beside = notebook.outcome(message["header"]["msg_id"])
    assert beside.text() == "beside\n"
    assert notebook.outcome(waiting).shown() == ["execute_result: True"]
    assert notebook.control("list_subshell_request")["subshell_id"] == [subshell_id]
    deleted = notebook.control("delete_subshell_request", {"subshell_id": subshell_id})
    assert deleted["status"] == "ok"


def test_what_is_not_signed_is_not_run(notebook: Notebook) -> None:
    notebook.ok("runs = 0")
    session = notebook.client.session
    message = session.msg("execute_request", content={"code": "runs += 1"})
    frames = session.serialize(message)
    forged = [*frames]
    forged[1] = b"0" * 64
    socket = notebook.client.shell_channel.socket
    for multipart in (forged, frames, frames, [b"junk"], frames[:3]):
        socket.send_multipart(multipart)
    notebook.reply(message["header"]["msg_id"])
    assert notebook.ok("runs").shown() == ["execute_result: 1"]


def test_usage_is_measured(notebook: Notebook) -> None:
    assert notebook.control("usage_request")["kernel_memory"] > 1_000_000


@pytest.mark.parametrize("busy", [False, True])
def test_a_shutdown_runs_exit_handlers_and_ends_the_process(
    tmp_path_factory: pytest.TempPathFactory,
    busy: bool,  # noqa: FBT001 (a case)
) -> None:
    notebook = Notebook()
    farewell = tmp_path_factory.mktemp("exit") / "farewell"
    notebook.ok(f"import atexit, pathlib\natexit.register(pathlib.Path({str(farewell)!r}).touch)")
    if busy:
        request = notebook.send("print('begun')\nwhile True: pass")
        notebook.next_message(request, "stream")
    reply = notebook.control("shutdown_request", {"restart": False})
    assert reply == {"status": "ok", "restart": False}
    assert notebook.manager.provisioner.process.wait(10) == 0
    assert farewell.exists()
    notebook.close()


def test_a_shutdown_before_the_interpreter_is_loaded_is_answered() -> None:
    notebook = Notebook()  # ready, as kernel_info is answered; IPython is still being imported
    assert notebook.control("shutdown_request", {"restart": True})["restart"] is True
    assert notebook.manager.provisioner.process.wait(10) == 0
    notebook.close()


def test_files_beside_the_notebook_are_imported_by_cells_only(tmp_path: Path) -> None:
    (tmp_path / "logging.py").write_text("raise ImportError('not the one of Python')")
    (tmp_path / "helper.py").write_text("answer = 42")
    notebook = Notebook(str(tmp_path))
    assert notebook.ok("import helper; helper.answer").shown() == ["execute_result: 42"]
    notebook.close()


def test_a_restarted_kernel_starts_anew(notebook: Notebook) -> None:
    notebook.ok("x = 1")
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=30)
    cell = notebook.run("x")
    assert (cell.reply["ename"], cell.reply["execution_count"]) == ("NameError", 1)
