"""Run programs written for PyFlink by ``tidemill run`` and by PyFlink, and compare their rows.

    python tests/bench/programs.py FOLDER [--pyflink PYTHON] [--timeout 120]

FOLDER is that of the examples in PyFlink's package (``pyflink/examples/table``), or any other with
programs that end by themselves. Compared is what looks like a row (``+I[…]``, ``| +I | … |``),
without regard to order and to the number of the worker that printed it. Of a changelog only the
rows that are left at its end count, because several workers take turns. Reported per program:
whether the rows are the same, how many, and the wall time of both. Without ``--pyflink`` the
programs are only run. The exit status is the number of programs that fail or differ.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROW = re.compile(
    r"^(?:\d+> )?(?:(?P<kind>[+-][IUD])\[(?P<cells>.*)\]|\| (?P<op>[+-][IUD]) \|(?P<columns>.*)\|)$"
)


def rows_of(output: str) -> Counter[str]:
    """Find the rows that are left when all changes have been made."""
    rows: Counter[str] = Counter()
    for line in output.splitlines():
        found = ROW.match(line.rstrip())
        if found:
            kind = found["kind"] or found["op"]
            cells = found["cells"] or found["columns"] or ""
            row = ", ".join(cell.strip() for cell in re.split(r"[|,]", cells))
            rows[row] += 1 if kind in ("+I", "+U") else -1
    return +rows


def run(
    command: list[str], program: Path, timeout_s: float
) -> tuple[Counter[str] | None, str, float]:
    """Run a program; without rows if it fails, and then with the reason."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, str(program)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=program.parent,
        )
    except subprocess.TimeoutExpired:
        return None, f"does not end within {timeout_s:g} s", timeout_s
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"exit status {done.returncode}", seconds
    return rows_of(done.stdout), "", seconds


def main() -> int:
    """Run every program of the folder, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pyflink", metavar="PYTHON")
    parser.add_argument("--timeout", type=float, default=120)
    options = parser.parse_args()
    programs = sorted(path for path in options.folder.rglob("*.py") if path.name != "__init__.py")
    if not programs:
        parser.error(f"there are no programs in '{options.folder}'")
    n_wrong = 0
    for program in programs:
        name = str(program.relative_to(options.folder))
        ours, why, seconds = run(
            [sys.executable, "-m", "tidemill.cli", "run"], program, options.timeout
        )
        text = f"{name:<44}{seconds:>7.2f} s"
        if ours is None:
            n_wrong += 1
            sys.stdout.write(f"{text}  fails: {why[:120]}\n")
            continue
        verdict = f"{ours.total()} rows"
        if options.pyflink:
            theirs, why, seconds = run([options.pyflink], program, options.timeout)
            text += f"{seconds:>9.2f} s"
            if theirs is None:
                verdict += f", PyFlink fails: {why[:80]}"
            elif theirs == ours:
                verdict = f"the same {verdict}"
            else:
                n_wrong += 1
                verdict += f" differ: here {dict(ours - theirs)}, there {dict(theirs - ours)}"
        sys.stdout.write(f"{text}  {verdict}\n")
    return n_wrong


if __name__ == "__main__":
    sys.exit(main())
