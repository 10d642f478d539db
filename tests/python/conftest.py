"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest


def pytest_configure() -> None:
    """Hear Ctrl-C, which tests send: a shell lets what it starts in the background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a test was skipped and ``FAIL_ON_SKIP`` is set: there every package is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FAIL_ON_SKIP") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests count as failures here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
