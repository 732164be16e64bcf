from __future__ import annotations

from pathlib import Path

from aggregator.records import Gap
from writer.gaps import JOURNAL_NAME, GapJournal, read_gaps

GAP = Gap(from_ns=1, to_ns=2, reason="buffer-full", counts={"a.b.c.d": 3})


def test_a_gap_is_one_line_that_a_program_can_read(tmp_path: Path) -> None:
    assert GapJournal(tmp_path).put(7, GAP)
    assert read_gaps(tmp_path) == [
        {"log_id": 0, "sequence": 7, "from_ns": 1, "to_ns": 2, "reason": "buffer-full", "counts": {"a.b.c.d": 3}}
    ]


def test_a_replayed_gap_is_not_written_down_twice(tmp_path: Path) -> None:
    GapJournal(tmp_path).put(7, GAP)
    again = GapJournal(tmp_path)
    assert not again.put(7, GAP)
    assert again.put(8, GAP)
    assert [gap["sequence"] for gap in read_gaps(tmp_path)] == [7, 8]


def test_a_torn_line_is_passed_over_and_spoils_no_other(tmp_path: Path) -> None:
    GapJournal(tmp_path).put(7, GAP)
    with (tmp_path / JOURNAL_NAME).open("a") as file:
        file.write('{"sequence": 8, "fr')
    assert [gap["sequence"] for gap in read_gaps(tmp_path)] == [7]
    GapJournal(tmp_path).put(8, GAP)
    assert [gap["sequence"] for gap in read_gaps(tmp_path)] == [7, 8]


def test_a_gap_of_another_log_is_written_down_although_its_sequence_number_is_lower(tmp_path: Path) -> None:
    first = GapJournal(tmp_path)
    first.begin_log(100)
    assert first.put(7, Gap(from_ns=1, to_ns=2, reason="buffer-full"))
    second = GapJournal(tmp_path)
    second.begin_log(200)
    assert second.put(3, Gap(from_ns=3, to_ns=4, reason="buffer-full"))
    assert not second.put(3, Gap(from_ns=3, to_ns=4, reason="buffer-full"))
    assert [gap["sequence"] for gap in read_gaps(tmp_path)] == [7, 3]


def test_a_line_torn_by_a_power_loss_does_not_spoil_the_next(tmp_path: Path) -> None:
    GapJournal(tmp_path).put(7, Gap(from_ns=1, to_ns=2, reason="buffer-full"))
    path = tmp_path / "gaps.jsonl"
    path.write_bytes(path.read_bytes() + b'{"sequence": 8, "from')
    assert GapJournal(tmp_path).put(8, Gap(from_ns=1, to_ns=2, reason="buffer-full"))
    assert [gap["sequence"] for gap in read_gaps(tmp_path)] == [7, 8]
