"""The questions of the Nexmark benchmark to Tidemill and, where it is installed, to PyFlink.

    python tests/bench/nexmark.py [--events 2000000] [--rounds 2] [--format json] [--only q0,q4]
                                  [--pyflink PYTHON] [--generator] [--queries FOLDER]
                                  [--timeout 240]

Both read the same files, written once (``json``: one table of events with nested rows, ``csv``:
one table a kind of event), in turns, with the same program. Flink runs with mini-batch and object
reuse on two workers. A process asks its question twice: first of few events, which loads and
compiles the code and is not counted but told, then of all. Printed for each question are the
medians: events a second of both, their ratio, the seconds of the first job, and the peak memory of
the process trees; at the end the geometric mean of the ratios.

``--generator`` adds a column for the events that Tidemill makes itself (Flink's own generator is a
plug-in that is not in the wheel). A program that has not ended after ``--timeout`` seconds is given
up, and not asked again. ``--queries`` names a folder with the benchmark's own SQL files
(``ddl_gen.sql``, ``q0.sql`` …), which Tidemill then runs as they are, from its generator.
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
WARM_UP_EVENTS = 100_000
COLUMN = 14


def main() -> None:
    """Ask every question in turn, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--format", choices=("json", "csv"), default="json")
    parser.add_argument("--only", default="")
    parser.add_argument("--pyflink", metavar="PYTHON")
    parser.add_argument("--generator", action="store_true")
    parser.add_argument("--queries", type=Path, metavar="FOLDER")
    parser.add_argument("--timeout", type=float, default=240, metavar="SECONDS")
    options = parser.parse_args()
    questions = [name for name in options.only.split(",") if name] or (
        sorted(path.stem for path in options.queries.glob("q*.sql"))
        if options.queries
        else list(QUESTIONS)
    )
    with tempfile.TemporaryDirectory() as folder:
        commands = variants(options, folder)
        print_line("", *(f"{name} {what}" for name in commands for what in ("ev/s", "1st s", "MB")))
        ratios = []
        for question in questions:
            cells, ratio = ask(question, commands, options.rounds, options.timeout)
            ratios += [ratio] if ratio else []
            print_line(question, *cells, *([f"{ratio:.1f} x"] if ratio else []))
    if ratios:
        mean = statistics.geometric_mean(ratios)
        print_line(f"{len(ratios)} questions", f"{mean:.1f} x", f"least {min(ratios):.1f} x")


def variants(options: argparse.Namespace, folder: str) -> dict[str, list[str]]:
    """Give the commands to compare, by name, with QUESTION for the question; write their files."""
    tidemill = [sys.executable, PROGRAM, "tidemill"]
    generated = [*tidemill, "QUESTION", str(options.events)]
    if options.queries:
        return {"tidemill": [*generated, "--queries", str(options.queries)]}
    few = ["--files", f"{folder}/few", "--format", options.format]
    all_of_them = ["--files", f"{folder}/all", "--format", options.format]
    for n_events, files in ((WARM_UP_EVENTS, few), (options.events, all_of_them)):
        measure([*tidemill, "write", str(n_events), *files], reports=False)
    rest = ["QUESTION", str(options.events), *all_of_them, "--warm-up", f"{folder}/few"]
    commands = {"tidemill": [*tidemill, *rest]}
    if options.pyflink:
        commands["pyflink"] = [options.pyflink, PROGRAM, "pyflink", *rest]
    if options.generator:
        commands["generator"] = generated
    return commands


def ask(
    question: str, commands: dict[str, list[str]], rounds: int, timeout_s: float
) -> tuple[list[str], float | None]:
    """Ask all a question in turns; give the cells of its line and the ratio of the rates."""
    runs: dict[str, list[Measurement]] = {name: [] for name in commands}
    failures: dict[str, str] = {}
    for _ in range(rounds):
        for name, command in commands.items():
            if name in failures:
                continue
            whole = [question if part == "QUESTION" else part for part in command]
            try:
                runs[name].append(measure(whole, timeout_s=timeout_s))
            except RuntimeError as error:
                failures[name] = str(error).strip().splitlines()[-1][:60]
    cells = []
    rates = {}
    for name, measured in runs.items():
        if name in failures:
            cells += [failures[name], "", ""]
            continue
        rates[name] = statistics.median(
            it.report["events"] / it.report["seconds"] for it in measured
        )
        first = statistics.median(it.report.get("first_seconds", 0.0) for it in measured)
        peak_mb = statistics.median(it.peak_bytes / 1e6 for it in measured)
        cells += [f"{rates[name]:,.0f}", f"{first:.2f}", f"{peak_mb:.0f}"]
    both = "tidemill" in rates and "pyflink" in rates
    return cells, rates["tidemill"] / rates["pyflink"] if both else None


def print_line(name: str, *cells: str) -> None:
    """Write a line of the table at once: a run takes minutes."""
    columns = "".join(f"{cell:>{COLUMN}}" for cell in cells)
    sys.stdout.write(f"{name:<14}{columns}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
