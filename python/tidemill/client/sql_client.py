"""``tidemill sql``: an SQL client, interactive or for scripts.

```text
  -i init.sql ─▶ statements ─┐
  -f file.sql ─▶ statements ─┼─▶ SqlClient.run ─▶ session ─▶ messages, rows (sql_output.py)
  prompt      ─▶ statements ─┘
```

Its own commands are ``HELP``, ``QUIT`` (``EXIT``) and ``CLEAR``; everything else is a statement.
Options of the client are set like others: ``SET 'sql-client.execution.result-mode' = 'tableau'``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tidemill.client.run import add_options, apply_options
from tidemill.client.statements import statements_with_lines
from tidemill.compat import pyflink_alias

if TYPE_CHECKING:
    import argparse

    from tidemill.table.base_environment import TableEnvironment

__all__ = ["SqlClient", "add_parser", "run"]

_HELP = """\
HELP                 this text
QUIT, EXIT           leave
CLEAR                clear the screen
SET 'key' = 'value'  set an option; SET shows all; RESET 'key' and RESET take them away
SHOW TABLES          what there is; also DESCRIBE, SHOW CREATE TABLE, SHOW JOBS …
SELECT …             show a query; Ctrl-C stops it
INSERT INTO …        start a job; SET 'table.dml-sync' = 'true' waits for each

'sql-client.execution.result-mode' is one of
  table      the resulting table, drawn again while it changes (default on a terminal)
  changelog  the changes, one line each
  tableau    the changes as a table (default otherwise)
"""


def add_parser(parser: argparse.ArgumentParser) -> None:
    """Describe ``tidemill sql``."""
    parser.description = "Run SQL statements: at a prompt, from a file, or from the command line."
    add_options(parser)
    parser.add_argument("-f", "--file", metavar="FILE", help="run a script and leave")
    parser.add_argument("-i", "--init", metavar="FILE", help="run a script first")
    parser.add_argument("-e", "--execute", metavar="SQL", help="run statements and leave")
    parser.add_argument("-u", "--update", metavar="SQL", help="the older name of --execute")
    parser.add_argument("-hist", "--history", metavar="FILE", help="where lines are remembered")
    parser.add_argument("-s", "--session", metavar="NAME", help="has no effect: there is one")
    parser.add_argument(
        "--environment", metavar="YAML", help="tables, functions and options of the older client"
    )
    parser.add_argument(
        "-d", "--defaults", metavar="YAML", help="as --environment, which comes after it"
    )
    parser.add_argument(
        *("-j", "--jar", "-l", "--library"), dest="jars", metavar="JAR", help="refused: no JVM"
    )
    parser.add_argument("mode", nargs="?", default="embedded", help="embedded: in this process")


def run(given: argparse.Namespace) -> int:
    """Run the client; the return value is the exit status."""
    from tidemill.table.environment import streaming_environment  # noqa: PLC0415 (a short start)

    refusal = _refusal(given)
    if refusal is not None:
        print(f"tidemill sql: {refusal}", file=sys.stderr)  # noqa: T201 (a command line)
        return 2
    apply_options(given)
    pyflink_alias.install()
    client = SqlClient(streaming_environment())
    for path in (given.defaults, given.environment):
        if path is not None and not client.run_yaml(Path(path)):
            return 1
    if given.init is not None and not client.run_file(Path(given.init)):
        return 1
    text = given.execute or given.update
    if text is None and given.file is None and sys.stdin.isatty():
        from tidemill.client.sql_prompt import prompt  # noqa: PLC0415 (only a terminal needs it)

        return prompt(client, given.history)
    client.is_script = True
    if text is not None:
        done = client.run_text(text)
    elif given.file is not None:
        done = client.run_file(Path(given.file))
    else:
        done = client.run_text(sys.stdin.read())
    return 0 if done and client.await_jobs() else 1


def _refusal(given: argparse.Namespace) -> str | None:
    """Tell what of the command line does not run here, and what to do instead."""
    if given.jars is not None:
        return (
            f"'{given.jars}' cannot be loaded: there is no JVM. Connectors and formats are built "
            "in; functions are written in Python (-pyfs) or SQL"
        )
    if given.mode != "embedded":
        return f"the mode '{given.mode}' is not supported: queries run in this process (embedded)"
    return None


class SqlClient:
    """Runs statements and writes what comes of them.

    Parameters
    ----------
    t_env
        The environment.
    out
        Where to write.
    """

    def __init__(self, t_env: TableEnvironment, out: TextIO | None = None) -> None:
        """Keep both."""
        self.t_env = t_env
        self.out = sys.stdout if out is None else out
        # Whether statements come from a script: then they are repeated, and jobs are awaited.
        self.is_script = False
        self.has_ended = False

    def run_file(self, path: Path) -> bool:
        """Run the statements of a file; tell whether all went well."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            self._write(f"[ERROR] cannot read '{path}': {error.strerror}")
            return False
        return self.run_text(text, path)

    def run_yaml(self, path: Path) -> bool:
        """Make what a file of the older client describes; tell whether all went well."""
        from tidemill.compat.sql_client_yaml import read_environment  # noqa: PLC0415 (rare)
        from tidemill.util.exceptions import TidemillError  # noqa: PLC0415

        try:
            options, statements = read_environment(path)
        except TidemillError as error:
            self._error(error)
            return False
        for key, value in options.items():
            self.t_env.get_config().set(key, value)
        return all(self.run_statement(statement) for statement in statements)

    def run_text(self, text: str, file: Path | None = None) -> bool:
        """Run statements until one fails; tell whether all went well. `file` has the text."""
        for line, statement in statements_with_lines(text):
            if self.is_script:
                self._write(f"Tidemill SQL> {statement};")
            if not self.run_statement(statement):
                if file is not None:
                    self._write(f"[ERROR] that was the statement in line {line} of '{file}'")
                return False
            if self.has_ended:
                break
        return True

    def run_statement(self, statement: str) -> bool:
        """Run one statement or command; tell whether it went well."""
        from tidemill.client.sql_output import show  # noqa: PLC0415 (after the session)
        from tidemill.util.exceptions import TidemillError  # noqa: PLC0415

        command = statement.strip().rstrip(";").strip().upper()
        if command in ("QUIT", "EXIT"):
            self.has_ended = True
        elif command == "HELP":
            self._write(_HELP)
        elif command == "CLEAR":
            self._write("\x1b[2J\x1b[H" if self.out.isatty() else "")
        else:
            try:
                show(self, statement)
            except TidemillError as error:
                self._error(error)
                return False
            except KeyboardInterrupt:
                self._write("[INFO] stopped")
                return not self.is_script
        return True

    def await_jobs(self) -> bool:
        """Wait for the jobs that were started; tell whether all went well."""
        from tidemill.common.launch import started_jobs  # noqa: PLC0415 (after the session)
        from tidemill.util.exceptions import TidemillError  # noqa: PLC0415

        for job in started_jobs():
            try:
                job.get_job_execution_result().result()
            except TidemillError as error:  # noqa: PERF203 - one job, one answer
                self._error(error)
                return False
        return True

    def _error(self, error: Exception) -> None:
        self._write(f"[ERROR] {type(error).__name__}: {error}")

    def _write(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()
