from __future__ import annotations

from pathlib import Path

import msgpack
import numpy as np

from aggregator.counters import Counters
from writer.block import BlockMisfit
from writer.message import Batch, FeedHeader, RejectedBlock, RejectedRow, Rows, Undecodable
from writer.misfits import MisfitKeeper
from writer.quarantine import Entry, Quarantine, quarantine_files, read_entries
from writer.values import Numbers

FEED = FeedHeader(address="observatory.lab.feeds.temps", session_id="1.5")


def a_keeper(directory: Path) -> tuple[MisfitKeeper, Counters]:
    counters = Counters("writer")
    return MisfitKeeper(Quarantine(directory), counters), counters


def kept(directory: Path) -> list[Entry]:
    return [e for path in quarantine_files(directory) for e in read_entries(path)]


def a_batch(*sequences: int, rejected: tuple[RejectedBlock, ...] = (), blocks: tuple[Rows, ...] = ()) -> Batch:
    received_ns = tuple(100 + s for s in sequences)
    return Batch(feed=FEED, blocks=blocks, rejected=rejected, sequences=sequences, received_ns=received_ns)


def misfit(sequence: int, field: str) -> BlockMisfit:
    return BlockMisfit(
        sequence=sequence, block="b", field=field, timestamp=1.5, original="hot", reason="string-among-numbers"
    )


def test_a_whole_message_is_kept_byte_by_byte_and_counted_once(tmp_path: Path) -> None:
    keeper, counters = a_keeper(tmp_path)
    record = Undecodable(sequence=4, received_ns=104, payload=memoryview(b"\xc1raw"), reason="not-msgpack")
    keeper.keep_undecodable(record, counts=True)
    keeper.keep_undecodable(record, counts=False)
    (entry,) = kept(tmp_path)
    assert (entry.sequence, entry.reason, entry.content) == (4, "not-msgpack", b"\xc1raw")
    assert counters.snapshot()["quarantined"] == {"not-msgpack": 1}


def test_values_of_many_messages_are_all_kept_in_whatever_order_they_come(tmp_path: Path) -> None:
    keeper, counters = a_keeper(tmp_path)
    batch = a_batch(5, 6, 7)
    for field in ("a", "b"):
        keeper.keep_values([misfit(sequence, field) for sequence in batch.sequences], batch)
    assert [(e.sequence, e.field, e.received_ns) for e in kept(tmp_path)] == [
        (s, field, 100 + s) for field in ("a", "b") for s in (5, 6, 7)
    ]
    assert msgpack.unpackb(kept(tmp_path)[0].content) == {"timestamp": 1.5, "value": "hot"}
    assert counters.total("misfits") == 6


def test_a_replay_one_by_one_finds_what_a_batch_has_kept(tmp_path: Path) -> None:
    keeper, _ = a_keeper(tmp_path)
    batch = a_batch(5, 6)
    keeper.keep_values([misfit(5, "a"), misfit(6, "a"), misfit(5, "b"), misfit(6, "b")], batch)
    again, counters = a_keeper(tmp_path)
    for sequence in (5, 6):
        again.keep_values([misfit(sequence, "a"), misfit(sequence, "b")], a_batch(sequence))
    assert len(kept(tmp_path)) == 4
    assert counters.total("misfits") == 0


def test_blocks_and_rows_are_kept_with_their_place(tmp_path: Path) -> None:
    keeper, _ = a_keeper(tmp_path)
    bad = RejectedRow(5, 0, float("nan"), (1.0,), "timestamp-not-finite")
    rows = Rows(
        block="b", fields=("a",), times=np.array([]), columns=(Numbers(np.array([])),), sequences=(5,), bad_rows=(bad,)
    )
    batch = a_batch(5, rejected=(RejectedBlock(5, "c", "lengths-differ", {"data": {}}),), blocks=(rows,))
    keeper.keep_rejected(batch)
    keeper.keep_bad_rows(rows, batch)
    assert [(e.block, e.reason) for e in kept(tmp_path)] == [("c", "lengths-differ"), ("b", "timestamp-not-finite")]
    assert keeper.reason_of(batch) == "lengths-differ"
    assert keeper.reason_of(a_batch(5, blocks=(rows,))) == "timestamp-not-finite"
    assert keeper.reason_of(a_batch(5)) is None


def test_rows_without_a_provider_are_kept_whole(tmp_path: Path) -> None:
    keeper, _ = a_keeper(tmp_path)
    rows = Rows(block="b", fields=("a",), times=np.array([1.5]), columns=(Numbers(np.array([2])),), sequences=(5,))
    keeper.keep_rows(rows, a_batch(5, blocks=(rows,)), "too-many-providers")
    (entry,) = kept(tmp_path)
    assert msgpack.unpackb(entry.content) == {"timestamps": [1.5], "data": {"a": [2]}}


def test_what_comes_in_another_log_is_kept_although_it_looks_the_same(tmp_path: Path) -> None:
    record = Undecodable(sequence=4, received_ns=104, payload=memoryview(b"\xc1raw"), reason="not-msgpack")
    for log_id in (100, 200):
        quarantine = Quarantine(tmp_path)
        quarantine.begin_log(log_id)
        MisfitKeeper(quarantine, Counters("writer")).keep_undecodable(record, counts=True)
    assert [(entry.log_id, entry.sequence) for entry in kept(tmp_path)] == [(100, 4), (200, 4)]
