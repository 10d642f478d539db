"""Kernels side by side, as a notebook's client sees them.

    python tests/bench/kernel.py [KERNELSPEC ...]        (default: tidemill python3)

The kernels take turns inside one run, so that both meet the same machine. Every figure is the
median over the rounds. What is measured:

start       from spawning the process until it answers ``kernel_info_request``, in ms
execute     from sending the cell ``1`` until its reply, in ms
print       from sending a cell that prints and goes on until the text arrives, in ms
lines       100,000 printed lines until idle, in ms, and how many arrived by then
updates     5,000 updates of one display until idle, in ms, and whether the last one arrived
gil_live    a display driven at 20 Hz beside C code that holds the interpreter: updates a second
gil_control a control request meanwhile, in ms
rss         resident memory after all of it, in MB
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import psutil
import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session

LINES = 100_000
UPDATES = 5_000
LIVE_PYTHON = """
import threading, time
from IPython.display import display
handle = display({"text/plain": "live"}, raw=True, display_id=True)
live = True
def tick():
    n = 0
    while live:
        n += 1
        handle.update({"text/plain": str(n)}, raw=True)
        time.sleep(0.05)
threading.Thread(target=tick, daemon=True).start()
"""
LIVE_RUST = """
from tidemill._native.kernel import Pulse
native = get_ipython().kernel.native
pulse = Pulse(native, native.current_cell(), 20)
"""
HOLD_INTERPRETER = "held = sum(range(150_000_000))"


class Kernel:
    """A running kernel and a client of plain sockets, so that no client's loop is measured."""

    def __init__(self, name: str) -> None:
        self.name = name
        started = time.perf_counter()
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel()
        info = self.manager.get_connection_info()
        self.session = Session(key=info["key"], signature_scheme=info["signature_scheme"])
        self.context = zmq.Context()
        self.shell = self._connect(zmq.DEALER, info, "shell_port")
        self.control = self._connect(zmq.DEALER, info, "control_port")
        self.iopub = self._connect(zmq.SUB, info, "iopub_port")
        self.reply(self.shell, self.send(self.shell, "kernel_info_request", {}))
        self.start_ms = (time.perf_counter() - started) * 1000
        self._wait_for_iopub()

    def _connect(self, kind: int, info: dict[str, Any], port: str) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0
        socket.reconnect_ivl = 3
        if kind == zmq.SUB:
            socket.subscribe(b"")
        else:
            socket.identity = self.session.bsession
        socket.connect(f"tcp://{info['ip']}:{info[port]}")
        return socket

    def _wait_for_iopub(self) -> None:
        """Ask until what is published arrives: a subscription takes its time."""
        while True:
            request = self.send(self.shell, "kernel_info_request", {})
            self.reply(self.shell, request)
            if self.receive(self.iopub, 0.2):
                return

    def send(self, socket: zmq.Socket[bytes], kind: str, content: dict[str, Any]) -> str:
        """Send a request and give its id."""
        message = self.session.msg(kind, content=content)
        self.session.send(socket, message)
        return str(message["header"]["msg_id"])

    def receive(self, socket: zmq.Socket[bytes], timeout_s: float) -> dict[str, Any] | None:
        """Give the next message, or None after ``timeout_s``."""
        if not socket.poll(int(timeout_s * 1000)):
            return None
        _, frames = self.session.feed_identities(socket.recv_multipart())
        message: dict[str, Any] = self.session.deserialize(frames)
        return message

    def expect(self, socket: zmq.Socket[bytes]) -> dict[str, Any]:
        """Give the next message; it is an error if none comes within two minutes."""
        message = self.receive(socket, 120)
        if message is None:
            msg = f"{self.name}: no message within two minutes"
            raise RuntimeError(msg)
        return message

    def reply(self, socket: zmq.Socket[bytes], request: str) -> dict[str, Any]:
        """Wait for the reply to ``request``."""
        while True:
            message = self.expect(socket)
            if message["parent_header"].get("msg_id") == request:
                return message

    def execute(self, code: str) -> str:
        """Send a cell and give the request's id."""
        return self.send(self.shell, "execute_request", {"code": code, "allow_stdin": True})

    def run(self, code: str) -> tuple[float, list[dict[str, Any]]]:
        """Execute ``code``; the milliseconds until the reply, and all messages up to idle."""
        started = time.perf_counter()
        request = self.execute(code)
        reply = self.reply(self.shell, request)
        reply_ms = (time.perf_counter() - started) * 1000
        if reply["content"]["status"] != "ok":
            msg = f"{self.name}: {code[:60]!r} failed: {reply['content'].get('evalue')}"
            raise RuntimeError(msg)
        return reply_ms, self.messages(request)

    def messages(self, request: str) -> list[dict[str, Any]]:
        """Everything published for ``request`` up to and with its idle status."""
        seen = []
        while True:
            message = self.expect(self.iopub)
            if message["parent_header"].get("msg_id") != request:
                continue
            seen.append(message)
            if message["content"].get("execution_state") == "idle":
                return seen

    def drain(self) -> None:
        """Throw away what has been published."""
        while self.receive(self.iopub, 0):
            pass

    def stop(self) -> None:
        """Shut the kernel down."""
        self.context.destroy(linger=0)
        self.manager.shutdown_kernel()


def measure_execute(kernel: Kernel) -> dict[str, float]:
    """Run 300 tiny cells and give the median."""
    for _ in range(30):
        kernel.run("1")
    return {"execute": statistics.median(kernel.run("1")[0] for _ in range(300))}


def measure_print(kernel: Kernel) -> dict[str, float]:
    """Print a line in a cell that goes on for a second."""
    started = time.perf_counter()
    request = kernel.execute("print('x')\nimport time; time.sleep(0.8)")
    while kernel.expect(kernel.iopub)["msg_type"] != "stream":
        pass
    elapsed = (time.perf_counter() - started) * 1000
    kernel.messages(request)
    kernel.reply(kernel.shell, request)
    return {"print": elapsed}


def measure_lines(kernel: Kernel) -> dict[str, float]:
    """Print many lines, until idle."""
    started = time.perf_counter()
    _, messages = kernel.run(f"for i in range({LINES}):\n    print('line', i)")
    elapsed = (time.perf_counter() - started) * 1000
    text = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")
    return {"lines": elapsed, "lines_arrived": text.count("\n")}


def measure_updates(kernel: Kernel) -> dict[str, float]:
    """Update one display many times, until idle."""
    code = (
        "from IPython.display import display\n"
        "h = display({'text/plain': '-'}, raw=True, display_id=True)\n"
        f"for i in range({UPDATES}):\n    h.update({{'text/plain': str(i)}}, raw=True)"
    )
    started = time.perf_counter()
    _, messages = kernel.run(code)
    elapsed = (time.perf_counter() - started) * 1000
    updates = [m for m in messages if m["msg_type"] == "update_display_data"]
    last = bool(updates) and updates[-1]["content"]["data"]["text/plain"] == str(UPDATES - 1)
    return {"updates": elapsed, "updates_last": float(last)}


def measure_gil(kernel: Kernel) -> dict[str, float]:
    """Watch a live display and the control channel while C code holds the interpreter.

    Tidemill's displays are driven by a thread that needs no interpreter; elsewhere a Python thread
    is all there is.
    """
    drives_itself = kernel.name.startswith("tidemill")
    kernel.run(LIVE_RUST if drives_itself else LIVE_PYTHON)
    time.sleep(1)
    kernel.drain()
    request = kernel.execute(HOLD_INTERPRETER)
    time.sleep(0.3)
    started = time.perf_counter()
    question = kernel.send(kernel.control, "kernel_info_request", {})
    kernel.reply(kernel.control, question)
    control_ms = (time.perf_counter() - started) * 1000
    kernel.drain()
    window = time.perf_counter()
    updates = 0
    while True:
        published = kernel.expect(kernel.iopub)
        updates += published["msg_type"] == "update_display_data"
        is_ours = published["parent_header"].get("msg_id") == request
        if is_ours and published["content"].get("execution_state") == "idle":
            break
    seconds = time.perf_counter() - window
    kernel.reply(kernel.shell, request)
    kernel.run("pulse.stop()" if drives_itself else "live = False")
    return {"gil_live": updates / seconds, "gil_control": control_ms}


def one_round(name: str) -> dict[str, float]:
    """Start the kernel, measure everything once, stop it."""
    kernel = Kernel(name)
    try:
        figures = {"start": kernel.start_ms}
        for step in (
            measure_execute,
            measure_print,
            measure_lines,
            measure_updates,
            measure_gil,
        ):
            kernel.drain()
            figures |= step(kernel)
        figures["rss"] = psutil.Process(kernel.manager.provisioner.pid).memory_info().rss / 1e6
        return figures
    finally:
        kernel.stop()


def main() -> None:
    """Measure the kernels in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernels", nargs="*", default=["tidemill", "python3"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in options.kernels}
    for _ in range(options.rounds):
        for name in options.kernels:
            rounds[name].append(one_round(name))
    medians = {
        name: {key: statistics.median(r[key] for r in results) for key in results[0]}
        for name, results in rounds.items()
    }
    sys.stdout.write("".join(f"{cell:>16}" for cell in ("", *options.kernels)) + "\n")
    for key in next(iter(medians.values())):
        cells = "".join(f"{medians[name][key]:>16.2f}" for name in options.kernels)
        sys.stdout.write(f"{key:>16}{cells}\n")
    sys.stdout.write(json.dumps(medians) + "\n")


if __name__ == "__main__":
    main()
