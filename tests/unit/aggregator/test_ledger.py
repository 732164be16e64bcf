from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import LedgerError
from aggregator.ledger import LedgerEntry, LedgerWriter, read_ledger
from aggregator.simulation import SimulatedSite

FEED = {"address": "observatory.agent.feeds.feed", "record": True, "session_id": "1.5"}
DATA = {"block": {"block_name": "block", "timestamps": [1.5], "data": {"a": [True], "b": ["\ud800"]}}}


def test_a_ledger_gives_back_what_was_added_in_order(tmp_path: Path) -> None:
    site = SimulatedSite(1, 1_790_000_000_000_000_000, scale=0.01)
    messages = list(site.messages(site.start_ns + 5_000_000_000))
    with LedgerWriter(tmp_path / "ledger") as ledger:
        for message in messages:
            ledger.add(message.data, message.feed)
    assert list(read_ledger(tmp_path / "ledger")) == [LedgerEntry(data=m.data, feed=m.feed) for m in messages]


def test_a_ledger_keeps_what_is_certain_apart_from_what_is_doubtful(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path / "ledger") as ledger:
        ledger.add(DATA, FEED)
        ledger.add(DATA, FEED, certain=False)
    assert [entry.certain for entry in read_ledger(tmp_path / "ledger")] == [True, False]


def test_a_ledger_cut_at_any_byte_gives_the_entries_that_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with LedgerWriter(path) as ledger:
        for _ in range(3):
            ledger.add(DATA, FEED)
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        assert len(list(read_ledger(path))) == length // (len(whole) // 3)


def test_what_was_added_is_in_the_file_before_the_ledger_is_closed(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path / "ledger")
    ledger.add(DATA, FEED)
    assert [entry.address for entry in read_ledger(tmp_path / "ledger")] == [FEED["address"]]
    ledger.close()
    ledger.close()


def test_a_ledger_that_is_opened_again_is_continued(tmp_path: Path) -> None:
    for _ in range(2):
        with LedgerWriter(tmp_path / "ledger") as ledger:
            ledger.add(DATA, FEED)
    assert len(list(read_ledger(tmp_path / "ledger"))) == 2


@pytest.mark.parametrize("content", [b"\xc1", b"hello", b"\x92\x01\x02", b"\x93\x80\x80\xa3abc"])
def test_a_file_that_is_no_ledger_is_named_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(LedgerError, match=str(tmp_path / "other")):
        list(read_ledger(tmp_path / "other"))


def test_a_missing_ledger_is_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot read the ledger"):
        list(read_ledger(tmp_path / "missing"))
