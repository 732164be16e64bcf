"""One block of a message: its rows, or the reason why it cannot be archived.

Reasons are short and machine-readable because they label counters: `bad-block-name`, `not-a-map`, `no-timestamps`,
`no-data`, `no-fields`, `too-many-fields`, `not-lists`, `lengths-differ`, and where no row has a usable timestamp the
first one's `timestamp-not-a-number`, `timestamp-not-finite` or `timestamp-out-of-range`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import UndecodableMessage
from aggregator.settings import Caps
from writer.message import RejectedBlock, RejectedRow, Rows
from writer.names import mended
from writer.values import Mixed, Numbers, Strings, Values, classify, classify_all

EARLIEST_S = 0.0
LATEST_S = 7_258_118_400.0
"""Timestamps are from 1970 until before 2200, Unix seconds."""

_BLOCK_DEPTH = 3
_VALUE_DEPTH = 6
"""How deep a message is nested at a block's map, and at a container that is one value of a column; the pair is 1."""


def read_block(name: object, block: object, sequence: int, caps: Caps) -> Rows | RejectedBlock | None:
    """Read one block of a message.

    Parameters
    ----------
    name
        The block's key in the message.
    block
        What the message has there; its own `block_name` is ignored, as by OCS's aggregator.
    sequence
        Of the message.
    caps
        Limits on fields and depth.

    Returns
    -------
    Rows, RejectedBlock or None
        None for a block without rows.

    Raises
    ------
    UndecodableMessage
        With the reason `too-deep` when a value or a rejected block is nested more deeply than the cap.
    """
    reason = _fault(name, block, caps)
    if reason:
        return _rejected_block(name, block, reason, sequence, caps)
    timestamps, data = block["timestamps"], block["data"]  # type: ignore[index]
    if not timestamps:
        return None
    stamps, columns = classify(timestamps), classify_all([*data.values()])
    for values in (stamps, *columns):
        if isinstance(values, Mixed):
            check_depth(values.items, caps.depth - _VALUE_DEPTH + 1)
    times = _times(stamps)
    good = in_archivable_years(times)
    bad_rows: tuple[RejectedRow, ...] = ()
    if not good.all():
        if not good.any():
            return _rejected_block(name, block, _time_fault(timestamps[0]), sequence, caps)
        bad = np.flatnonzero(~good).tolist()
        bad_rows = tuple(_rejected_row(row, timestamps[row], columns, sequence) for row in bad)
        times, columns = times[good], tuple(_kept(values, good) for values in columns)
    return Rows(
        block=name,  # type: ignore[arg-type]
        fields=mended(tuple(data)),
        times=times,
        columns=columns,
        sequences=(sequence,),
        bad_rows=bad_rows,
    )


def in_archivable_years(times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where timestamps, Unix seconds, are finite and from 1970 until before 2200."""
    return (times >= EARLIEST_S) & (times < LATEST_S)


def check_depth(items: Sequence[object], levels: int) -> None:
    """Check that lists and maps among some values are nested at most so many levels.

    Raises
    ------
    UndecodableMessage
        With the reason `too-deep`.
    """
    containers = [item for item in items if isinstance(item, (list, dict))]
    while containers:
        if levels <= 0:
            raise UndecodableMessage("too-deep")
        levels -= 1
        inner = chain.from_iterable(item.values() if isinstance(item, dict) else item for item in containers)
        containers = [item for item in inner if isinstance(item, (list, dict))]


def _fault(name: object, block: object, caps: Caps) -> str:
    if not isinstance(name, str) or _printable(name) != name:
        return "bad-block-name"
    if not isinstance(block, dict):
        return "not-a-map"
    if not isinstance(block.get("timestamps"), list):
        return "no-timestamps"
    return _data_fault(block.get("data"), len(block["timestamps"]), caps)


def _data_fault(data: object, rows: int, caps: Caps) -> str:
    if not isinstance(data, dict):
        return "no-data"
    if not data:
        return "no-fields"
    if len(data) > caps.fields_per_block:
        return "too-many-fields"
    if set(map(type, data.values())) != {list}:
        return "not-lists"
    return "" if set(map(len, data.values())) == {rows} else "lengths-differ"


def _printable(name: object) -> str:
    return str(name).encode(errors="replace").decode()


def _times(stamps: Values) -> NDArray[np.float64]:
    if isinstance(stamps, Numbers):
        # A boolean is no time, though it would pass for the first seconds of 1970.
        known = stamps.array.dtype.kind != "b"
        return stamps.array.astype(np.float64, copy=False) if known else np.full(len(stamps), np.nan)
    return np.array([float(item) if _is_number(item) else math.nan for item in stamps.items])  # type: ignore[arg-type]


def _is_number(timestamp: object) -> bool:
    return type(timestamp) in (int, float)


def _time_fault(timestamp: object) -> str:
    if not _is_number(timestamp):
        return "timestamp-not-a-number"
    return "timestamp-out-of-range" if math.isfinite(timestamp) else "timestamp-not-finite"  # type: ignore[arg-type]


def _rejected_block(name: object, block: object, reason: str, sequence: int, caps: Caps) -> RejectedBlock:
    check_depth([block], caps.depth - _BLOCK_DEPTH + 1)
    return RejectedBlock(sequence, _printable(name), reason, block)


def _rejected_row(row: int, timestamp: object, columns: tuple[Values, ...], sequence: int) -> RejectedRow:
    values = tuple(_item(values, row) for values in columns)
    return RejectedRow(sequence, row, timestamp, values, _time_fault(timestamp))


def _item(values: Values, row: int) -> object:
    return values.array[row].item() if isinstance(values, Numbers) else values.items[row]


def _kept(values: Values, good: NDArray[np.bool_]) -> Values:
    if isinstance(values, Numbers):
        return Numbers(values.array[good])
    items = list(compress(values.items, good))
    return Strings(items) if isinstance(values, Strings) else Mixed(items)  # type: ignore[arg-type]
