"""``tidemill run``: runs a PyFlink program unchanged, with the options of ``flink run``.

```text
  tidemill run [-pyfs …] [-pyreq …] [-D key=value] script.py [arguments]
    ├─ options become the first options of every environment of the program
    ├─ `pyflink` means `tidemill`
    ├─ the script runs as `__main__`, in this process
    └─ INSERT jobs that still run are awaited
```
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path

from tidemill.common.launch import set_launch_options, started_jobs
from tidemill.compat import pyflink_alias

__all__ = ["add_options", "add_parser", "apply_options", "run"]

_DESCRIPTION = (
    "Run a program written for PyFlink. 'pyflink' means 'tidemill' while it runs; "
    "INSERT jobs that still run at its end are awaited."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``flink run`` that mean something for Python programs."""
    parser.add_argument(
        "-D",
        dest="properties",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of every environment of the program",
    )
    parser.add_argument("-p", "--parallelism", metavar="N", help="number of workers")
    parser.add_argument(
        "-pyfs", "--pyFiles", metavar="PATHS", help="files, packages and zips for functions"
    )
    parser.add_argument(
        "-pyarch", "--pyArchives", metavar="PATHS", help="archives, each PATH or PATH#NAME"
    )
    parser.add_argument(
        "-pyreq", "--pyRequirements", metavar="FILE", help="packages of functions, FILE[#CACHE]"
    )
    parser.add_argument(
        "-pyexec", "--pyExecutable", metavar="PYTHON", help="interpreter of functions"
    )
    parser.add_argument(
        "-pyclientexec", "--pyClientExecutable", metavar="PYTHON", help="interpreter of the program"
    )


def add_parser(parser: argparse.ArgumentParser) -> None:
    """Describe ``tidemill run``."""
    parser.description = _DESCRIPTION
    add_options(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-py", "--python", metavar="SCRIPT", help="the program")
    what.add_argument("-pym", "--pyModule", metavar="MODULE", help="the program as a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="SCRIPT [ARGUMENT …]")


def run(given: argparse.Namespace) -> int:
    """Run the program; the return value is the exit status."""
    arguments: list[str] = list(given.arguments)
    script, module = given.python, given.pyModule
    if script is None and module is None:
        if not arguments:
            print("tidemill run needs a script", file=sys.stderr)  # noqa: T201 (a command line)
            return 2
        script = arguments.pop(0)
    executable = given.pyClientExecutable
    if executable and Path(executable).resolve() != Path(sys.executable).resolve():
        # A program in another interpreter: it must have this package too.
        again = [word for word in sys.argv[1:] if word != executable]
        again = [word for word in again if word not in ("-pyclientexec", "--pyClientExecutable")]
        os.execvp(executable, [executable, "-m", "tidemill.cli", *again])  # noqa: S606 (the user's)
    apply_options(given)
    pyflink_alias.install()
    if module is not None:
        sys.argv = [module, *arguments]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        path = Path(script)
        if not path.exists():
            print(f"there is no script '{script}'", file=sys.stderr)  # noqa: T201 (a command line)
            return 2
        sys.argv = [str(script), *arguments]
        sys.path.insert(0, str(path.resolve().parent))
        runpy.run_path(str(path), run_name="__main__")
    for job in started_jobs():
        job.get_job_execution_result().result()
    return 0


def apply_options(given: argparse.Namespace) -> None:
    """Make the options of the command line those of every environment."""
    options: dict[str, str] = {}
    for text in given.properties:
        key, separator, value = text.partition("=")
        options[key.strip()] = value.strip() if separator else "true"
    given_options = {
        "parallelism.default": given.parallelism,
        "python.files": given.pyFiles,
        "python.archives": given.pyArchives,
        "python.requirements": given.pyRequirements,
        "python.executable": given.pyExecutable,
    }
    options.update({key: value for key, value in given_options.items() if value is not None})
    set_launch_options(options)
