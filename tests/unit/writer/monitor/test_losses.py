"""Gaps and quarantine are read again only where they changed, and survive whatever is found there."""

from __future__ import annotations

from pathlib import Path

from aggregator.records import Gap
from writer.gaps import JOURNAL_NAME, GapJournal
from writer.monitor.losses import MOST_LISTED, Losses
from writer.quarantine import Entry, Quarantine


def entry(number: int, address: str = "a.b.feeds.c") -> Entry:
    return Entry(sequence=number, part=0, received_ns=number, reason="not-a-value", address=address, content=b"12")


def test_gaps_are_listed_newest_first_and_added_up_by_feed(tmp_path: Path) -> None:
    journal, losses = GapJournal(tmp_path), Losses(tmp_path)
    journal.put(1, Gap(from_ns=1, to_ns=2, reason="buffer-full", counts={"a.b.feeds.c": 3}))
    journal.put(2, Gap(from_ns=5, to_ns=6, reason="transport-lost"))
    losses.look()
    assert [gap["reason"] for gap in losses.gaps] == ["transport-lost", "buffer-full"]
    assert [gap["messages"] for gap in losses.gaps] == [None, 3]
    assert losses.gaps_by_address == {"a.b.feeds.c": 3}


def test_nothing_new_changes_nothing(tmp_path: Path) -> None:
    losses = Losses(tmp_path)
    Quarantine(tmp_path).put(entry(1))
    losses.look()
    version = losses.version
    losses.look()
    assert losses.version == version


def test_the_quarantine_is_listed_and_counted_by_feed(tmp_path: Path) -> None:
    quarantine, losses = Quarantine(tmp_path), Losses(tmp_path)
    for number in range(1, MOST_LISTED + 20):
        quarantine.put(entry(number))
    losses.look()
    assert len(losses.quarantine) == MOST_LISTED
    assert losses.quarantine[0]["received_ns"] == MOST_LISTED + 19
    assert losses.quarantined_by_address["a.b.feeds.c"] == MOST_LISTED + 19


def test_a_journal_full_of_something_else_is_survived(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_text('12\n[]\n{"counts": 5}\n{"counts": {"a": "b"}}\nnot json\n')
    losses = Losses(tmp_path)
    losses.look()
    assert len(losses.gaps) == 2
    assert losses.gaps_by_address == {}
