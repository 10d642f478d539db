"""The questions of the Nexmark benchmark to Tidemill and, where it is installed, to PyFlink.

    python tests/bench/nexmark.py [--events 2000000] [--only q0,q4] [--rounds 1]
                                  [--pyflink PYTHON] [--queries FOLDER]

Both read the same JSON files, written once; Tidemill also makes the events itself (Flink's own
generator is a plug-in that is not in the wheel). Flink runs with mini-batch and object reuse on two
workers. Its times include the start of its cluster, so give it enough events. ``--queries`` names a
folder with the benchmark's own SQL files (``ddl_gen.sql``, ``q0.sql`` …), which Tidemill then runs
as they are.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from nexmark_program import QUESTIONS
from processes import Measurement, measure

PROGRAM = str(Path(__file__).with_name("nexmark_program.py"))


def main() -> None:
    """Ask every question in turn, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pyflink", metavar="PYTHON")
    parser.add_argument("--queries", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    questions = [name for name in options.only.split(",") if name] or (
        sorted(path.stem for path in options.queries.glob("q*.sql"))
        if options.queries
        else list(QUESTIONS)
    )
    with tempfile.TemporaryDirectory() as folder:
        variants = {"tidemill generator": [sys.executable, PROGRAM, "tidemill"]}
        extra = {"tidemill generator": ["--queries", str(options.queries)]}
        if not options.queries:
            measure([*variants["tidemill generator"], "write", *sizes(options), *files(folder)])
            extra = {"tidemill generator": [], "tidemill files": files(folder)}
            variants["tidemill files"] = variants["tidemill generator"]
            if options.pyflink:
                variants["pyflink files"] = [options.pyflink, PROGRAM, "pyflink"]
                extra["pyflink files"] = files(folder)
        sys.stdout.write(f"{'':>8}{'':>20}{'events/s':>14}{'seconds':>10}{'peak MB':>10}\n")
        for question in questions:
            for name, command in variants.items():
                whole = [*command, question, *sizes(options), *extra[name]]
                sys.stdout.write(line(question, name, whole, options.rounds))
                sys.stdout.flush()


def sizes(options: argparse.Namespace) -> list[str]:
    """Give the arguments that say how many events there are."""
    return [str(options.events)]


def files(folder: str) -> list[str]:
    """Give the arguments that say where the files are."""
    return ["--files", folder]


def line(question: str, name: str, command: list[str], rounds: int) -> str:
    """Run a command several times; give its line of the table."""
    runs: list[Measurement] = []
    for _ in range(rounds):
        try:
            runs.append(measure(command))
        except RuntimeError as error:
            last = str(error).strip().splitlines()[-1]
            return f"{question:>8}{name:>20}  {last[:110]}\n"
    seconds = statistics.median_low(run.report["seconds"] for run in runs)
    run = next(run for run in runs if run.report["seconds"] == seconds)
    rate = run.report["events"] / seconds
    return f"{question:>8}{name:>20}{rate:>14,.0f}{seconds:>10.2f}{run.peak_bytes / 1e6:>10.0f}\n"


if __name__ == "__main__":
    main()
