from __future__ import annotations

import json
from pathlib import Path

import pytest

from aggregator.errors import BufferDirectoryError
from aggregator.records import Gap
from writer.gaps import GapJournal
from writer.gaps_command import main

T_NS = 1_700_012_345 * 10**9
S_NS = 10**9


@pytest.fixture
def buffer_dir(tmp_path: Path) -> Path:
    journal = GapJournal(tmp_path)
    counts = {"a.b.feeds.c": 5, "a.b.feeds.d": 1200, "a.b.feeds.e": 7, "a.b.feeds.\x1b[2J": 6}
    journal.put(7, Gap(from_ns=T_NS, to_ns=T_NS + 95 * S_NS, reason="buffer-full", counts=counts))
    journal.put(9, Gap(from_ns=T_NS + 100 * S_NS, to_ns=T_NS + 101 * S_NS, reason="transport-lost", counts={}))
    return tmp_path


def test_each_gap_is_a_line_with_from_to_why_and_how_many(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--buffer-dir", str(buffer_dir)]) == 0
    _, first, second, total = capsys.readouterr().out.splitlines()
    assert first.split()[:9] == [
        *("2023-11-15", "01:39:05", "2023-11-15", "01:40:40"),
        *("1", "min", "35", "s", "buffer-full"),
    ]
    assert "1,218  a.b.feeds.d (1,200), a.b.feeds.e (7), a.b.feeds.\\x1b[2J (6) and 1 more" in first
    assert second.split()[4:] == ["1", "s", "transport-lost", "unknown"]
    assert total == "2 gaps, 1,218 messages known to be missing; of 1 nobody can know how many"


def test_gaps_are_there_for_programs_too(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--buffer-dir", str(buffer_dir)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(gap["sequence"], gap["reason"], sum(gap["counts"].values())) for gap in found] == [
        (7, "buffer-full", 1218),
        (9, "transport-lost", 0),
    ]


def test_no_gaps_are_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--buffer-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no gaps\n"
    assert main(["--json", "--buffer-dir", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_recorder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BufferDirectoryError):
        main(["--buffer-dir", str(tmp_path / "nowhere")])
