"""The command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from tidemill import __version__, cli

if TYPE_CHECKING:
    from pathlib import Path


def test_install_writes_a_kernelspec(tmp_path: Path) -> None:
    for _ in range(2):  # a second time replaces the first
        assert cli.main(["install", "--prefix", str(tmp_path), "--name", "mill"]) == 0
    folder = tmp_path / "share" / "jupyter" / "kernels" / "mill"
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"][0] == sys.executable
    assert (spec["display_name"], spec["language"]) == ("Tidemill", "python")
    assert spec["interrupt_mode"] == "message"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"tidemill {__version__}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "install" in capsys.readouterr().out
