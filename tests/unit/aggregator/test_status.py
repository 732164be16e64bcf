from __future__ import annotations

import json
from pathlib import Path

from aggregator.status import INGEST, read_snapshot, snapshot_path, write_snapshot


def test_a_snapshot_is_strict_json_and_comes_back(tmp_path: Path) -> None:
    write_snapshot(tmp_path, INGEST, {"a": 1, "b": {"c": float("inf")}, "d": [float("nan"), "ä\ud800"]})
    text = snapshot_path(tmp_path, INGEST).read_text()
    assert json.loads(text, parse_constant=lambda _: "not strict") == {
        "a": 1,
        "b": {"c": None},
        "d": [None, "ä\ud800"],
    }
    assert read_snapshot(tmp_path, INGEST) == json.loads(text)


def test_there_is_no_snapshot_where_none_can_be_read(tmp_path: Path) -> None:
    assert read_snapshot(tmp_path, INGEST) is None
    snapshot_path(tmp_path, INGEST).write_text("{torn")
    assert read_snapshot(tmp_path, INGEST) is None
    snapshot_path(tmp_path, INGEST).write_text("[]")
    assert read_snapshot(tmp_path, INGEST) is None


def test_a_snapshot_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_snapshot(tmp_path, INGEST, {})
    assert snapshot_path(tmp_path, INGEST).stat().st_mode & 0o077 == 0
    assert len(list(tmp_path.iterdir())) == 1
