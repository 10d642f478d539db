"""Python functions in Tidemill and, where it is installed, in PyFlink, side by side.

    python tests/bench/functions.py [--records 1000000] [--pyflink PYTHON] [--rounds 3]

The same program (``functions_program.py``), the same machine, taking turns. Reported per function
and mode: records a second from the start of the job to its end (for PyFlink that includes the
start of its cluster and workers, so give it enough records), the wall time of the whole program,
and the peak memory of its process tree. Below stand the ratios: Tidemill in each mode to PyFlink in
its better one, and process to thread mode. PyFlink's thread mode needs the package ``pemja``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from processes import Measurement, measure

PROGRAM = str(Path(__file__).with_name("functions_program.py"))
MODES = ("thread", "process")
FUNCTIONS = ("add", "upper", "pandas_add", "mean")


def main() -> None:
    """Run every variant in turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--pyflink", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    commands = {
        f"{package} {function} {mode}": [
            python,
            PROGRAM,
            package,
            function,
            str(options.records),
            mode,
        ]
        for function in FUNCTIONS
        for package, python in (("tidemill", sys.executable), ("pyflink", options.pyflink))
        if python
        for mode in MODES
    }
    runs: dict[str, list[Measurement]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            try:
                runs[name].append(measure(command))
            except RuntimeError as error:
                cause = next((x for x in str(error).splitlines() if "Caused by" in x), str(error))
                sys.stdout.write(f"{name}: {cause[:160]}\n")
    sys.stdout.write(f"{'':>30}{'records/s':>14}{'job s':>10}{'program s':>11}{'peak MB':>10}\n")
    rates: dict[str, float] = {}
    for name, measured in runs.items():
        if not measured:
            continue
        middle = statistics.median_low(run.report["seconds"] for run in measured)
        run = next(run for run in measured if run.report["seconds"] == middle)
        rate = rates[name] = run.report["records"] / run.report["seconds"]
        sys.stdout.write(
            f"{name:>30}{rate:>14,.0f}{run.report['seconds']:>10.2f}"
            f"{run.wall_s:>11.2f}{run.peak_bytes / 1e6:>10.0f}\n"
        )

    sys.stdout.write(ratios(rates))


def ratios(rates: dict[str, float]) -> str:
    """Compare the modes, one line a function."""
    lines = [
        f"\n{'':>12}{'thread / PyFlink':>20}{'process / PyFlink':>20}{'thread / process':>20}\n"
    ]
    for function in FUNCTIONS:
        peer = max((rates.get(f"pyflink {function} {mode}", 0.0) for mode in MODES), default=0.0)
        thread, process = (rates.get(f"tidemill {function} {mode}", 0.0) for mode in MODES)
        cells = [(thread, peer), (process, peer), (thread, process)]
        texts = [f"{one / other:.1f}x" if one and other else "-" for one, other in cells]
        lines.append(f"{function:>12}" + "".join(f"{text:>20}" for text in texts) + "\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
