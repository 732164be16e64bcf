"""What the fault tests share: the figures at their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.memory import memory_directory
from tests.support.tally import TRIED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let those who have the time test the long spells that the promises speak of."""
    parser.addoption("--slow", action="store_true", help="stalls of a minute instead of seconds")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were tried."""
    if not TRIED:
        return
    terminalreporter.section("faults tried")
    for what, times in sorted(TRIED.items()):
        terminalreporter.write_line(f"{times:7d}  {what}")


@pytest.fixture
def shm_path() -> Iterator[Path]:
    """A directory in memory, for tests that would keep a disk busy with thousands of fsyncs."""
    with memory_directory() as path:
        yield path
