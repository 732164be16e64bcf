from __future__ import annotations

import os
from pathlib import Path

import pytest

from writer.quarantine import Entry, Quarantine, pack_any, quarantine_files, read_entries


def entry(sequence: int, part: int = 0, content: bytes = b"x") -> Entry:
    return Entry(sequence=sequence, part=part, received_ns=5, reason="not-msgpack", content=content)


def kept(directory: Path) -> list[Entry]:
    return [e for path in quarantine_files(directory) for e in read_entries(path)]


def test_an_entry_comes_back_whole(tmp_path: Path) -> None:
    full = Entry(
        sequence=1, part=2, received_ns=3, reason="r", address="a.b.c.d", block="\udcff", field="f", content=b"\x00"
    )
    assert Quarantine(tmp_path).put(full)
    assert kept(tmp_path) == [full]


def test_anything_that_decoding_gives_can_be_kept(tmp_path: Path) -> None:
    odd = {"\ud800": [2**64, object, float("nan")], b"bytes": {1: None}, "odd": "\udcff"}
    assert Quarantine(tmp_path).put(entry(1, content=pack_any(odd)))
    assert len(kept(tmp_path)) == 1
    assert pack_any("\udcff") == b"\xa1\xff"


def test_a_replay_does_not_put_the_same_part_twice(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    assert quarantine.put(entry(1))
    assert quarantine.put(entry(1, part=1))
    again = Quarantine(tmp_path)
    assert not again.put(entry(1))
    assert not again.put(entry(1, part=1))
    assert again.put(entry(2))
    assert len(kept(tmp_path)) == 3


def test_what_did_not_come_from_the_log_is_always_kept(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    assert quarantine.put(entry(0))
    assert quarantine.put(entry(0))
    assert len(kept(tmp_path)) == 2


def test_the_oldest_go_first_when_the_limit_is_reached_and_are_counted(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, limit_bytes=10_000)
    for i in range(1, 101):
        quarantine.put(entry(i, content=bytes(400)))
    left = [e.sequence for e in kept(tmp_path)]
    assert left == list(range(left[0], 101))
    assert quarantine.discarded == 100 - len(left)
    assert sum(path.stat().st_size for path in quarantine_files(tmp_path)) <= 10_000


def test_an_entry_torn_by_a_crash_is_cut_off(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.put(entry(1))
    quarantine.put(entry(2))
    (path,) = quarantine_files(tmp_path)
    os.truncate(path, path.stat().st_size - 1)
    again = Quarantine(tmp_path)
    assert again.put(entry(2))
    assert [e.sequence for e in kept(tmp_path)] == [1, 2]


def test_a_write_that_fails_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.put(entry(1))
    real = os.write

    def short_then_full(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", refuse)
        return real(descriptor, data[:5])

    def refuse(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "full")

    monkeypatch.setattr(os, "write", short_then_full)
    with pytest.raises(OSError, match="full"):
        quarantine.put(entry(2))
    monkeypatch.undo()
    assert quarantine.put(entry(2))
    assert [e.sequence for e in kept(tmp_path)] == [1, 2]
