"""Bounded GROUP BYs and a join: Tidemill's incremental graph beside engines that see all at once.

    python tests/bench/batch.py [--rows 4000000] [--rounds 3]

The same Parquet rows, one thread each, in turns: Tidemill's graph, which could show its result at
any time; Tidemill's batch mode (DataFusion's operators); DuckDB. Printed are medians: million rows
a second of CPU time, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from batch_program import QUESTIONS
from processes import Measurement, measure

PROGRAM = str(Path(__file__).with_name("batch_program.py"))
ENGINES = ("incremental", "batch", "duckdb")


def main() -> None:
    """Ask every question of every engine, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.stdout.write(f"{'million rows/s, MB':<20}" + "".join(f"{name:>22}" for name in ENGINES))
    with tempfile.TemporaryDirectory() as folder:
        rows = str(options.rows)
        measure([sys.executable, PROGRAM, "write", rows, folder], reports=False)
        for question in QUESTIONS:
            runs: dict[str, list[Measurement]] = {name: [] for name in ENGINES}
            for _ in range(options.rounds):
                for name, measured in runs.items():
                    command = [sys.executable, PROGRAM, name, question, rows, folder]
                    measured.append(measure(command))
            sys.stdout.write(f"\n{question:<20}" + "".join(map(cell, runs.values())))
            sys.stdout.flush()
    sys.stdout.write("\n")


def cell(runs: list[Measurement]) -> str:
    """Give the medians of an engine's runs."""
    rate = statistics.median(run.report["rows"] / run.report["cpu"] / 1e6 for run in runs)
    peak_mb = statistics.median(run.peak_bytes / 1e6 for run in runs)
    return f"{rate:>14.1f}{peak_mb:>8.0f}"


if __name__ == "__main__":
    main()
