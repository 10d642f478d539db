"""Run a program as a child process and measure it from outside: time, and memory of its tree.

The memory of a process tree is what the machine must hold: for a peer that starts a Java virtual
machine and worker processes, all of them count. It is sampled every 20 ms as the sum of the
resident sets, so memory that processes share is counted once for each of them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any

import psutil

SAMPLE_INTERVAL_S = 0.02


@dataclass(frozen=True)
class Measurement:
    """What one run of a program took.

    Attributes
    ----------
    wall_s
        From start to exit, in seconds.
    peak_bytes
        Largest sum of the resident sets of the process tree, in bytes.
    report
        The JSON object on the last line of its output.
    """

    wall_s: float
    peak_bytes: int
    report: dict[str, Any]


def tree_bytes(process: psutil.Process) -> int:
    """Resident bytes of ``process`` and everything below it; 0 once it is gone."""
    total = 0
    try:
        members = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in members:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total


def end(process: psutil.Process) -> None:
    """Kill ``process`` and everything below it."""
    for member in (*process.children(recursive=True), process):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def measure(command: list[str], *, timeout_s: float = 1800, reports: bool = True) -> Measurement:
    """Run ``command`` and measure it; unless it ``reports`` not, it prints a JSON object last.

    Raises
    ------
    RuntimeError
        If the program fails; the message carries the end of its error output. If it has not ended
        after `timeout_s`; it is ended then, with all below it.
    """
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        process = psutil.Process(child.pid)
        while child.poll() is None:
            peak = max(peak, tree_bytes(process))
            time.sleep(SAMPLE_INTERVAL_S)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        output, errors = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        end(psutil.Process(child.pid))
        child.communicate()
        msg = f"no end after {timeout_s:g} s"
        raise RuntimeError(msg) from None
    wall_s = time.perf_counter() - started
    watcher.join()
    if child.returncode != 0:
        msg = f"{' '.join(command)} exited with {child.returncode}:\n{errors[-3000:]}"
        raise RuntimeError(msg)
    return Measurement(wall_s, peak, json.loads(output.strip().splitlines()[-1]) if reports else {})
