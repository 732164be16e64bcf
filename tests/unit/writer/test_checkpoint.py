from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import CheckpointError
from aggregator.slots import SLOT_HEAD, SLOT_NAMES
from writer.checkpoint import Checkpoint, CheckpointStore, read_slot


def numbered(n: int) -> Checkpoint:
    return Checkpoint(
        log_id=9, drained=n, replay_from=n, session=b"s", file="/d/1.g3", valid_length=n, registry=[1, [], []]
    )


def test_the_newest_checkpoint_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for n in range(5):
        store.save(numbered(n))
        assert CheckpointStore(tmp_path).load() == numbered(n)


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    assert store.load() is None
    assert store.faults == []


def test_a_slot_is_laid_out_as_documented(tmp_path: Path) -> None:
    CheckpointStore(tmp_path).save(numbered(1))
    raw = (tmp_path / SLOT_NAMES[1]).read_bytes()
    assert raw[:8] == b"HKAGGCKP"
    assert raw[8:32] == (1).to_bytes(4, "little") + bytes(4) + (1).to_bytes(8, "little") + (len(raw) - 36).to_bytes(
        8, "little"
    )
    assert SLOT_HEAD.size == 32


def test_a_save_torn_at_any_byte_leaves_the_one_before(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(numbered(1))
    store.save(numbered(2))
    newest = tmp_path / SLOT_NAMES[0]
    whole = newest.read_bytes()
    for length in range(len(whole)):
        newest.write_bytes(whole[:length])
        torn = CheckpointStore(tmp_path)
        assert torn.load() == numbered(1)
        assert len(torn.faults) == 1


def test_a_bit_flipped_anywhere_is_noticed(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(numbered(1))
    store.save(numbered(2))
    newest = tmp_path / SLOT_NAMES[0]
    whole = newest.read_bytes()
    for i in range(len(whole)):
        newest.write_bytes(whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :])
        assert CheckpointStore(tmp_path).load() == numbered(1), i


def test_after_a_torn_save_the_good_slot_is_not_the_one_overwritten(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(numbered(1))
    store.save(numbered(2))
    (tmp_path / SLOT_NAMES[0]).write_bytes(b"torn")
    again = CheckpointStore(tmp_path)
    again.load()
    again.save(numbered(3))
    assert read_slot(tmp_path / SLOT_NAMES[1])[1] == numbered(1)
    assert CheckpointStore(tmp_path).load() == numbered(3)


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / SLOT_NAMES[0]).write_bytes(b"HKAGGCKP" + (2).to_bytes(4, "little") + bytes(60))
    with pytest.raises(CheckpointError, match="format version 1"):
        read_slot(tmp_path / SLOT_NAMES[0])
