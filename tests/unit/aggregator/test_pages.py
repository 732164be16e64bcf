"""The pages for users keep up with the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.cli import COMMANDS

COMMAND_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "command-line.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_reference(name: str) -> None:
    assert f"## hkagg {name}\n\n```{{command-help}} {name}\n```\n" in COMMAND_PAGE.read_text()
