"""Run the notebook of the CDN log analysis without a browser: ``python -m tidemill.examples.cdn``.

The cells run one after the other in a Tidemill kernel, as JupyterLab would run them: the program
answers no prompt but says that it could, so queries are live and their status lines are shown here
while they change. At the end it prints the statistics that the last cell shows.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTEBOOK = Path("notebooks/01_cdn_log_analysis.ipynb")
TITLE_WIDTH = 68


def first_line(source: str) -> str:
    """Give the first line of a cell that says something, cut to one line of the terminal."""
    lines = (line.strip() for line in source.splitlines())
    title = next((line for line in lines if line), "")
    return title if len(title) <= TITLE_WIDTH else title[: TITLE_WIDTH - 1] + "…"


class Runner(NotebookClient):
    """Executes a notebook and reports each cell, and each change of a live table, on stderr."""

    def __init__(self, nb: Any, **options: Any) -> None:
        super().__init__(
            nb,
            on_cell_start=self._report_start,
            on_cell_executed=self._report_end,
            **options,
        )
        self._started = 0.0
        self._is_terminal = sys.stderr.isatty()

    async def async_start_new_kernel_client(self) -> Any:
        """Start the kernel; a client that allows input is an interactive one: queries are live."""
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True
        return client

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Show the last line of a live table, its status, beside storing the output."""
        if msg["msg_type"] in {"display_data", "update_display_data"}:
            self._report_status(msg["content"]["data"].get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)

    def _report_start(self, cell: Any, cell_index: int, **_: Any) -> None:
        if cell.cell_type == "code":
            self._started = time.monotonic()
            sys.stderr.write(f"[{cell_index + 1:>2}] {first_line(cell.source)}\n")

    def _report_end(
        self, cell: Any, cell_index: int, execute_reply: Mapping[str, Any], **_: Any
    ) -> None:
        if cell.cell_type == "code":
            elapsed = time.monotonic() - self._started
            status = execute_reply["content"]["status"]
            end = "\x1b[K" if self._is_terminal else ""
            sys.stderr.write(f"     {status} after {elapsed:.1f} s  (cell {cell_index + 1}){end}\n")

    def _report_status(self, text: str) -> None:
        lines = text.rstrip().splitlines()
        if self._is_terminal and lines:
            sys.stderr.write(f"     {lines[-1][:TITLE_WIDTH]}\x1b[K\r")
            sys.stderr.flush()


def last_text(nb: Any) -> str:
    """Give the plain text of the last output of the notebook."""
    for cell in reversed(nb.cells):
        for output in reversed(cell.get("outputs", [])):
            if "data" in output and "text/plain" in output["data"]:
                return str(output["data"]["text/plain"])
    return ""


def main() -> int:
    """Run the notebook; 0 if every cell ran."""
    parser = argparse.ArgumentParser(prog="python -m tidemill.examples.cdn", description=__doc__)
    parser.add_argument("--notebook", type=Path, default=NOTEBOOK)
    parser.add_argument("--records", type=int, help="log records to generate (default: 2000000)")
    parser.add_argument("--kernel", default="tidemill")
    options = parser.parse_args()
    if options.records is not None:
        os.environ["TIDEMILL_CDN_RECORDS"] = str(options.records)
    nb = nbformat.reads(options.notebook.read_text(encoding="utf-8"), as_version=4)
    runner = Runner(
        nb,
        timeout=3600,
        kernel_name=options.kernel,
        resources={"metadata": {"path": str(options.notebook.parent)}},
    )
    try:
        runner.execute()
    except CellExecutionError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    sys.stdout.write(f"\nStatistics by province\n\n{last_text(nb)}\n")
    sys.stdout.write(
        "\nTo watch it live:  make lab   and open 01_cdn_log_analysis.ipynb, "
        "then Run > Run All Cells\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
