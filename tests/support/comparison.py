"""What so3g reads from two archives of the same messages, and the table of it that stands in the docs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.both import OURS, STOCK
from tests.support.reading import data_frames, load
from tests.support.streams import Case, Published
from writer.names import mended

Column = tuple[NDArray[np.int64], list[Any]]
Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a stream.

    Attributes
    ----------
    case : Case
        The stream.
    published : int
        How many values.
    right : dict
        By recorder, how many of them `load_range` gives back as they were published.
    equal : bool
        Whether it gives the same times and values from both archives.
    """

    case: Case
    published: int
    right: Mapping[str, int]
    equal: bool

    def __add__(self, other: Outcome) -> Outcome:
        """Return the outcome of this and another feed of the same case."""
        return Outcome(
            case=self.case,
            published=self.published + other.published,
            right={recorder: count + other.right[recorder] for recorder, count in self.right.items()},
            equal=self.equal and other.equal,
        )

    def row(self) -> str:
        """Return a row of the table."""
        counts = f"{self.published} | {self.right[STOCK]} | {self.right[OURS]}"
        return f"| {self.case.title} | {counts} | {self.case.answer} |"


HEAD = (
    "| published | values | from the stock archive | from hkagg's | what the stock aggregator does |",
    "|---|---|---|---|---|",
)


def compare(case: Case, address: str, messages: Sequence[Published], archives: Mapping[str, Path]) -> Outcome:
    """Hold what was published on a feed against both archives.

    Parameters
    ----------
    case : Case
        For the outcome.
    address : str
        The feed.
    messages : sequence of Published
        Everything that was published on it.
    archives : mapping of str to Path
        By recorder.
    """
    published = _published(address, messages)
    found = {recorder: columns_of(data_dir, address) for recorder, data_dir in archives.items()}
    return Outcome(
        case=case,
        published=sum(map(len, published.values())),
        right={recorder: _right(published, columns) for recorder, columns in found.items()},
        equal=_same(found[STOCK], found[OURS]),
    )


def columns_of(data_dir: Path, address: str) -> Columns:
    """Return the fields of a feed as so3g gives them: times in counts of 10 ns, values; none when it cannot."""
    names = {
        f"{address}.{field}"
        for frame in data_frames(data_dir)
        if frame["address"] == address
        for block in frame["blocks"]
        for field in block.keys()  # noqa: SIM118 - a G3 map is no mapping
    }
    if not names:
        return {}
    try:
        loaded = load(data_dir, sorted(names))
    except Exception:  # noqa: BLE001 - whatever the reader raises, its user gets nothing
        return {}
    return {name: (np.rint(np.asarray(t) * 1e8).astype(np.int64), _plain(v)) for name, (t, v) in loaded.items()}


def _plain(values: Any) -> list[Any]:
    plain: list[Any] = np.asarray(values).tolist()
    return plain


def _published(address: str, messages: Sequence[Published]) -> dict[str, list[tuple[int, Any]]]:
    """Return time and value of everything published, by the field's name in an archive."""
    out: dict[str, list[tuple[int, Any]]] = {}
    for data, feed in messages:
        blocks = data.values() if isinstance(data, dict) else ()
        if (feed["agg_params"] or {}).get("exclude_aggregator"):
            continue
        for block in blocks:
            names = mended(tuple(block["data"]))
            for name, values in zip(names, block["data"].values(), strict=True):
                rows = zip(block.get("timestamps", ()), values, strict=False)
                out.setdefault(f"{address}.{name}", []).extend((_ticks(time_s), value) for time_s, value in rows)
    return out


def _ticks(time_s: float) -> int:
    return round(time_s * 1e8) if math.isfinite(time_s) else -1


def _right(published: Mapping[str, list[tuple[int, Any]]], columns: Columns) -> int:
    return sum(_right_in(wanted, columns[name]) for name, wanted in published.items() if name in columns)


def _right_in(wanted: list[tuple[int, Any]], column: Column) -> int:
    found = dict(zip(column[0].tolist(), column[1], strict=True))
    # Times pass through doubles on their way out of so3g: a few counts of 10 ns are nothing.
    nearby = {ticks + step: value for ticks, value in found.items() for step in range(-32, 33)}
    return sum(ticks in nearby and _is_kept(value, nearby[ticks]) for ticks, value in wanted)


def _is_kept(published: Any, found: Any) -> bool:
    if isinstance(found, str):
        return bool(found == ("" if published is None else str(published)))
    if published is None:
        return math.isnan(found)
    return bool(published == found) or _both_nan(published, found)


def _both_nan(one: Any, other: Any) -> bool:
    return isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)


def _same(one: Columns, other: Columns) -> bool:
    return one.keys() == other.keys() and all(_same_column(one[name], other[name]) for name in one)


def _same_column(one: Column, other: Column) -> bool:
    (times, values), (other_times, other_values) = one, other
    if not np.array_equal(times, other_times):
        return False
    pairs = zip(values, other_values, strict=True)
    return all(type(a) is type(b) and (a == b or _both_nan(a, b)) for a, b in pairs)
