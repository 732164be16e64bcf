"""One field against time, read from the archive: few enough points for a page, with every extreme in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from writer.decimation import decimate, gaps, with_breaks
from writer.g3 import Frame, frame_from_bytes, times_g3
from writer.monitor.archive_index import FrameRef, IndexedFile
from writer.monitor.sparks import finite

G3_PER_S = 1e8
MOST_BYTES = 1 << 30
"""Frames read for one plot; beyond, only the newest part is shown, and said to be."""

MOST_CHANGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldQuery:
    """What to plot.

    Parameters
    ----------
    address, block, field : str
        Names as they are in the archive.
    from_s, to_s : float
        Unix seconds.
    bins : int
        Into how many stretches of time to decimate; each has at most four points.
    """

    address: str
    block: str
    field: str
    from_s: float
    to_s: float
    bins: int


@dataclass(slots=True)
class _Found:
    times: list[NDArray[np.int64]]
    numbers: list[NDArray[np.float64]]
    texts: list[tuple[int, str]]
    cut: bool = False


def read_field(files: Sequence[IndexedFile], query: FieldQuery) -> dict[str, Any]:
    """Read a field's rows between two times and return them decimated, as strict JSON can say it.

    Parameters
    ----------
    files : sequence of IndexedFile
        Newest first.
    query : FieldQuery
        What to plot.

    Returns
    -------
    dict
        `times`, `values`: lists of equal length, a value None for a break; `rows`: how many there are; `decimated`:
        whether only the extremes of each stretch are told; `changes`: for a string field, [time, text] of each
        change; `cut`: whether there was more than could be read.
    """
    found = _Found([], [], [])
    left_bytes = MOST_BYTES
    for path, ref in _wanted(files, query):
        left_bytes -= ref.length
        if left_bytes < 0:
            found.cut = True
            break
        _read_frame(path, ref, query, found)
    return _as_json(found, query)


def _wanted(files: Iterable[IndexedFile], query: FieldQuery) -> Iterator[tuple[Path, FrameRef]]:
    for file in files:
        for ref in reversed(file.refs.get(query.address, ())):
            if ref.last_g3 >= query.from_s * G3_PER_S and ref.first_g3 <= query.to_s * G3_PER_S:
                yield file.path, ref


def _read_frame(path: Path, ref: FrameRef, query: FieldQuery, found: _Found) -> None:
    try:
        with path.open("rb") as stream:
            frame = frame_from_bytes(os.pread(stream.fileno(), ref.length, ref.offset))
        for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
            if name == query.block and query.field in samples.keys():  # noqa: SIM118 - a G3 map is no mapping
                _take(times_g3(samples), samples[query.field], found)
    except (OSError, RuntimeError, KeyError):
        # Cut back by the writer since it was indexed; the rows come again in another file.
        return


def _take(times: NDArray[np.int64], column: Frame, found: _Found) -> None:
    values = np.asarray(column)
    if values.dtype.kind in "bif":
        found.times.append(times)
        found.numbers.append(values.astype(np.float64))
    else:
        found.texts.extend(zip(times.tolist(), map(str, column), strict=True))


def _as_json(found: _Found, query: FieldQuery) -> dict[str, Any]:
    times = np.concatenate(found.times) if found.times else np.zeros(0, dtype=np.int64)
    values = np.concatenate(found.numbers) if found.numbers else np.zeros(0)
    order = np.argsort(times, kind="stable")
    inside = order[(times[order] >= query.from_s * G3_PER_S) & (times[order] <= query.to_s * G3_PER_S)]
    times, values = times[inside], values[inside]
    drawn = decimate(times, values, query.bins)
    drawn_times, drawn_values = with_breaks(drawn, gaps(times))
    return {
        "times": [round(t / G3_PER_S, 6) for t in drawn_times.tolist()],
        "values": [finite(v) for v in drawn_values.tolist()],
        "rows": len(times) + len(found.texts),
        "decimated": len(drawn[0]) < len(times),
        "changes": _changes(found.texts),
        "cut": found.cut,
    }


def _changes(texts: list[tuple[int, str]]) -> list[tuple[float, str]]:
    changes: list[tuple[float, str]] = []
    for time_g3, text in sorted(texts):
        if not changes or changes[-1][1] != text:
            changes.append((time_g3 / G3_PER_S, text))
    return changes[-MOST_CHANGES:]
