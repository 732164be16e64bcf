"""The conservation oracle: what was committed to the log against every row that stands in the archive."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import numpy as np

from aggregator.status import Snapshot
from tests.support.archive_check import assert_archive_is_clean
from writer.frames import DATA
from writer.framescan import scan_frames
from writer.g3 import core, frame_from_bytes


class RowKey(NamedTuple):
    """What makes a row one of its kind; tests publish no two rows of a block at one time."""

    address: str
    session: str
    block: str
    ticks: int


Row = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Conservation:
    """What became of the rows that were committed."""

    committed: int = 0
    archived: int = 0
    lost: list[RowKey] = field(default_factory=list)
    doubled: list[RowKey] = field(default_factory=list)
    invented: list[RowKey] = field(default_factory=list)
    changed: list[tuple[RowKey, Row, Row]] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        """Whether every row is there once, as it was, and no other."""
        return not (self.lost or self.doubled or self.invented or self.changed)

    def __str__(self) -> str:
        counts = {name: len(getattr(self, name)) for name in ("lost", "doubled", "invented", "changed")}
        some = {name: getattr(self, name)[:3] for name, n in counts.items() if n}
        return f"{self.committed} rows committed, {self.archived} archived, {counts} {some}"


def rows_of(payload: bytes) -> Iterator[tuple[RowKey, Row]]:
    """Yield the rows of a well-formed message, read the plain way."""
    data, feed = msgpack.unpackb(payload)
    for name, block in data.items():
        for i, time_s in enumerate(block["timestamps"]):
            key = RowKey(feed["address"], feed["session_id"], name, int(time_s * 1e8))
            yield key, {column: values[i] for column, values in block["data"].items()}


def archived_rows(data_dir: Path) -> Iterator[tuple[RowKey, Row]]:
    """Yield every row of an archive, file by file, straight from the frames."""
    for path in sorted(data_dir.glob("*/*.g3")):
        for frame in whole_frames(path):
            if frame["hkagg_type"] == DATA:
                yield from _frame_rows(frame)


def whole_frames(path: Path) -> Iterator[Any]:
    """Yield the frames of a file that are whole; a test may ask while the last one is being written."""
    raw = path.read_bytes()
    return (frame_from_bytes(raw[span.offset : span.end]) for span in scan_frames(path) if span.ok)


def _frame_rows(frame: Any) -> Iterator[tuple[RowKey, Row]]:
    for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
        ticks = np.array(samples.times, dtype=np.int64).tolist()
        columns = {column: _plain(samples[column]) for column in samples.keys()}  # noqa: SIM118 - no mapping
        for i, tick in enumerate(ticks):
            key = RowKey(frame["address"], frame["provider_session_id"], name, tick)
            yield key, {column: values[i] for column, values in columns.items()}


def _plain(column: Any) -> list[Any]:
    return list(column) if isinstance(column, core.G3VectorString) else np.asarray(column).tolist()


def compare(payloads: Iterable[bytes], data_dir: Path) -> Conservation:
    """Compare the well-formed messages that were committed with an archive."""
    committed = {key: row for payload in payloads for key, row in rows_of(payload)}
    found: Counter[RowKey] = Counter()
    outcome = Conservation(committed=len(committed))
    for key, row in archived_rows(data_dir):
        found[key] += 1
        expected = committed.get(key)
        if expected is not None and not _is_same(expected, row):
            outcome.changed.append((key, expected, row))
    outcome.archived = found.total()
    outcome.lost = sorted(key for key in committed if not found[key])
    outcome.doubled = sorted(key for key, times in found.items() if times > 1 and key in committed)
    outcome.invented = sorted(key for key in found if key not in committed)
    return outcome


def _is_same(expected: Row, found: Row) -> bool:
    return expected.keys() == found.keys() and all(_is_like(value, found[name]) for name, value in expected.items())


def _is_like(expected: Any, found: Any) -> bool:
    if isinstance(found, str):
        return found == ("" if expected is None else str(expected))
    if expected is None:
        return math.isnan(found)
    return bool(expected == found)


def total(counter: Any) -> int:
    """Return a counter of a snapshot, summed over its labels."""
    return sum(counter.values()) if isinstance(counter, Mapping) else int(counter)


def assert_counters_add_up(status: Snapshot, *, committed: int, quarantined: int, pending: int = 0) -> None:
    """Check a writer's snapshot: committed = archived + quarantined + pending, each as the test knows it."""
    counters = {name: total(value) for name, value in status["counters"].items()}
    told = {name: counters[name] for name in ("read", "quarantined", "records_missing", "log_faults")}
    assert told == {"read": committed, "quarantined": quarantined, "records_missing": 0, "log_faults": 0}
    assert status["pending_messages"] == pending
    assert counters["archived"] == committed - quarantined - pending


def assert_conserved(payloads: Iterable[bytes], data_dir: Path) -> Conservation:
    """Check that an archive holds every row of these messages once and no other, in files that readers accept."""
    outcome = compare(payloads, data_dir)
    assert outcome.is_kept, str(outcome)
    assert_archive_is_clean(data_dir)
    assert_prov_ids_are_unique(data_dir)
    return outcome


def assert_prov_ids_are_unique(data_dir: Path) -> None:
    """Check that a `prov_id` names one feed session only, in all files of a recording session."""
    named: dict[tuple[int, int], tuple[str, str]] = {}
    for path in sorted(data_dir.glob("*/*.g3")):
        for frame in whole_frames(path):
            if frame["hkagg_type"] == DATA:
                provider = (frame["address"], frame["provider_session_id"])
                known = named.setdefault((frame["session_id"], frame["prov_id"]), provider)
                assert known == provider, f"{path}: prov_id {frame['prov_id']} names {known} and {provider}"
