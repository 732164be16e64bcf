from __future__ import annotations

import argparse

import pytest

from aggregator.manual import ManualFormatter

DESCRIPTION = """\
One paragraph, which goes on
for a while and is filled to the width.

examples:
  hkagg this          of which
  hkagg that          the lines stay"""


@pytest.mark.parametrize("columns", ["40", "120"])
def test_paragraphs_are_filled_and_lists_left_as_they_are(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    parser = argparse.ArgumentParser(prog="x", epilog=DESCRIPTION, formatter_class=ManualFormatter)
    first, second = parser.format_help().rstrip("\n").split("\n\n")[-2:]
    assert first.replace("\n", " ") == DESCRIPTION.split("\n\n", maxsplit=1)[0].replace("\n", " ")
    assert max(map(len, first.splitlines())) <= int(columns)
    assert len(first.splitlines()) == (2 if columns == "40" else 1)
    assert second == DESCRIPTION.split("\n\n")[1]
