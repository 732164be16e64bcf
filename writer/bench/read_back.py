"""Compares an archive with the tape that was recorded: ``python -m writer.bench.read_back TAPE DATA_DIR [MESSAGES]``.

It decodes the tape with plain msgpack and reads the frames with the G3 library: nothing of the recorder's own
decoding takes part.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import msgpack
import numpy as np
from numpy.typing import NDArray

from aggregator.bench.figures import Check
from aggregator.bench.tape import load_tape
from writer.frames import DATA
from writer.framescan import scan_frames
from writer.g3 import Frame, frame_from_bytes, times_g3

Key: TypeAlias = "tuple[str, str]"
"""Address and block."""

_G3_PER_SECOND = 1e8


@dataclass(slots=True)
class Pile:
    """Rows of one block, in pieces."""

    times: list[NDArray[np.int64]] = field(default_factory=list)
    columns: defaultdict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))

    def joined(self) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
        """Return all rows: times and columns of shape (rows,)."""
        return _join(self.times), {name: _join(pieces) for name, pieces in self.columns.items()}


def compare(tape_path: Path, data_dir: Path, messages: int | None = None) -> Check:
    """Compare every value.

    Parameters
    ----------
    tape_path : Path
        What was sent.
    data_dir : Path
        The archive.
    messages : int, optional
        How many messages of the tape were sent; all when not given.
    """
    sent, archived = _sent(tape_path, messages), _archived(data_dir)
    checks = [_compare_block(sent.get(key, Pile()), archived.get(key, Pile())) for key in sent.keys() | archived.keys()]
    return Check(**{name: sum(getattr(check, name) for check in checks) for name in Check.__slots__})


def _sent(tape_path: Path, messages: int | None) -> dict[Key, Pile]:
    piles: defaultdict[Key, Pile] = defaultdict(Pile)
    for payload in islice(load_tape(tape_path).payloads(), messages):
        data, feed = msgpack.unpackb(payload)
        for name, block in data.items():
            pile = piles[feed["address"], name]
            pile.times.append((np.array(block["timestamps"]) * _G3_PER_SECOND).astype(np.int64))
            for column, values in block["data"].items():
                pile.columns[column].append(np.array(values))
    return piles


def _archived(data_dir: Path) -> dict[Key, Pile]:
    piles: defaultdict[Key, Pile] = defaultdict(Pile)
    for frame in data_frames(data_dir):
        for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
            pile = piles[str(frame["address"]), str(name)]
            pile.times.append(times_g3(samples))
            for column in samples.keys():  # noqa: SIM118 - iterating a G3 map gives pairs
                pile.columns[column].append(np.array(samples[column]))
    return piles


def data_frames(data_dir: Path) -> Iterator[Frame]:
    """Give the data frames of an archive in the order in which they were written."""
    for path in sorted(data_dir.rglob("*.g3")):
        with path.open("rb") as file:
            for span in scan_frames(path):
                file.seek(span.offset)
                frame = frame_from_bytes(file.read(span.length))
                if frame["hkagg_type"] == DATA:
                    yield frame


def _compare_block(sent: Pile, archived: Pile) -> Check:
    sent_times, sent_columns = sent.joined()
    times, columns = archived.joined()
    found, first = np.unique(times, return_index=True)
    _, in_sent, in_found = np.intersect1d(sent_times, found, assume_unique=True, return_indices=True)
    return Check(
        rows=len(sent_times),
        lost=len(sent_times) - len(in_sent),
        doubled=len(times) - len(found),
        invented=len(found) - len(in_found),
        changed=_count_changed(sent_columns, in_sent, columns, first[in_found]),
    )


def _count_changed(
    sent: dict[str, NDArray[Any]], in_sent: NDArray[np.intp], archived: dict[str, NDArray[Any]], rows: NDArray[np.intp]
) -> int:
    if not len(rows):
        return 0
    changed = np.zeros(len(rows), dtype=np.bool_)
    if sent.keys() != archived.keys():
        return len(rows)
    for name, values in sent.items():
        column = archived[name]
        if column.dtype.kind != values.dtype.kind or len(column) <= rows.max():
            return len(rows)
        changed |= values[in_sent] != column[rows]
    return int(changed.sum())


def _join(pieces: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)


def main(argv: Sequence[str]) -> int:
    """Run the program; its arguments are a tape, a data directory and perhaps how many messages were sent."""
    tape_path, data_dir, *rest = argv
    check = compare(Path(tape_path), Path(data_dir), int(rest[0]) if rest else None)
    sys.stdout.write(json.dumps(asdict(check)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
