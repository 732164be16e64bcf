"""What the fault tests share: the figures at their end."""

from __future__ import annotations

import pytest

from tests.support.tally import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were tried."""
    if not TRIED:
        return
    terminalreporter.section("faults tried")
    for what, times in sorted(TRIED.items()):
        terminalreporter.write_line(f"{times:7d}  {what}")
