"""Whether Tidemill and PyFlink are left with the same rows for each Nexmark question.

    python tests/bench/nexmark_answers.py --pyflink PYTHON [--events 20000] [--only q5,c0]

Both read the same JSON files. Not asked: q12, whose windows hang on the clock; what is left of q7
and its like is compared as it is, so events must be few enough for Flink to be quick.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from nexmark_program import QUESTIONS

PROGRAM = str(Path(__file__).with_name("nexmark_program.py"))
BY_THE_CLOCK = ("q12",)


def main() -> None:
    """Ask every question of both, print a line for each; fail if an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyflink", metavar="PYTHON", required=True)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    questions = [name for name in options.only.split(",") if name] or [
        name for name in QUESTIONS if name not in BY_THE_CLOCK
    ]
    pythons = {"tidemill": sys.executable, "pyflink": options.pyflink}
    n_different = 0
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events")
        rest = [str(options.events), "--files", str(events)]
        run([sys.executable, PROGRAM, "tidemill", "write", *rest])
        for question in questions:
            answers = {}
            for package, python in pythons.items():
                path = Path(folder, f"{package}.txt")
                run([python, PROGRAM, package, question, *rest, "--answer", str(path)])
                answers[package] = path.read_text()
            n_rows = [answer.count("\n") for answer in answers.values()]
            is_same = answers["tidemill"] == answers["pyflink"]
            n_different += not is_same
            shown = f"equal, {n_rows[0]} rows" if is_same else f"DIFFERS, {n_rows} rows"
            sys.stdout.write(f"{question:<6}{shown}\n")
            sys.stdout.flush()
    sys.exit(n_different)


def run(command: list[str]) -> None:
    """Run a program of ours; show what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
