"""The main job end to end, in Tidemill and, where it is installed, in PyFlink, side by side.

    python tests/bench/cdn.py [--records 2000000] [--pyflink PYTHON] [--rounds 3]

The same files, the same program (``cdn_program.py``), the same machine, taking turns. Reported per
variant: records a second from the start of the query to its last row, the wall time of the whole
program with its start, and the peak memory of its process tree. ``PYTHON`` is an interpreter that
has ``apache-flink`` and ``XdbSearchIP``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import Measurement, measure

PROGRAM = str(Path(__file__).with_name("cdn_program.py"))


def variants(folder: str, pyflink: str | None) -> dict[str, list[str]]:
    """Give the commands to compare, by name."""
    commands = {
        "tidemill udf": [sys.executable, PROGRAM, "tidemill", folder, "udf"],
        "tidemill builtin": [sys.executable, PROGRAM, "tidemill", folder, "builtin"],
    }
    if pyflink:
        commands |= {
            "pyflink udf process": [pyflink, PROGRAM, "pyflink", folder, "udf", "process"],
            "pyflink udf thread": [pyflink, PROGRAM, "pyflink", folder, "udf", "thread"],
            "pyflink builtin": [pyflink, PROGRAM, "pyflink", folder, "builtin"],
        }
    return commands


def median_by_seconds(runs: list[Measurement]) -> Measurement:
    """Give the run with the median query time."""
    middle = statistics.median_low(run.report["seconds"] for run in runs)
    return next(run for run in runs if run.report["seconds"] == middle)


def main() -> None:
    """Generate the logs, run every variant in turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--pyflink", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "tidemill.examples.cdn.generate",
                "--folder",
                folder,
                "--records",
                str(options.records),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        commands = variants(folder, options.pyflink)
        runs: dict[str, list[Measurement]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                try:
                    runs[name].append(measure(command))
                except RuntimeError as error:
                    cause = next(
                        (x for x in str(error).splitlines() if "Caused by" in x), str(error)
                    )
                    sys.stdout.write(f"{name}: {cause[:160]}\n")
    sys.stdout.write(f"{'':>22}{'records/s':>14}{'query s':>10}{'program s':>11}{'peak MB':>10}\n")
    for name, measured in runs.items():
        if not measured:
            continue
        run = median_by_seconds(measured)
        report = run.report
        rate = report["records"] / report["seconds"]
        sys.stdout.write(
            f"{name:>22}{rate:>14,.0f}{report['seconds']:>10.2f}"
            f"{run.wall_s:>11.2f}{run.peak_bytes / 1e6:>10.0f}\n"
        )


if __name__ == "__main__":
    main()
