"""Finds and checks all Housekeeping frames of a stretch of bytes at once, with array operations.

Where frames are small, Python costs more for each of their lengths than the processor for all of their bytes. So
the lengths of all frames are followed side by side, and what is left without them is checked in one piece per frame.
What does not look like a frame here is only not found: `writer.framescan` judges it byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

ALL_ONES = 0xFFFFFFFF
HEADER_BYTES, LENGTH_BYTES, CHECKSUM_BYTES = 13, 8, 4
TYPE_OFFSET, KEYS_OFFSET = 9, 5
HOUSEKEEPING = ord("H")
LEADER, LEADER_MASK = 0x01_01, 0xFF_FFFF_FFFF
"""The flag and the version, as the low five bytes of a little-endian integer."""

MOST_KEYS = 32
"""HK frames have nine at most; others are rare here and may be slow."""

LONGEST_NAME = 4096

WORTH_PIECES_BYTES = 2500
"""Copying all of a larger frame takes longer than going through its names and blobs one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Frames that follow each other without a gap.

    Parameters
    ----------
    offsets, ends : NDArray[np.int64]
        Shape (frames,): where each begins and the byte behind it, from the first byte of the window.
    is_right : NDArray[np.bool_]
        Shape (frames,): whether its checksum is right.
    """

    offsets: NDArray[np.int64]
    ends: NDArray[np.int64]
    is_right: NDArray[np.bool_]


class FrameBatch:
    """The frames that may be in a window of a file.

    Parameters
    ----------
    window : NDArray[np.uint8]
        Shape (bytes,); it may begin and end anywhere, and is not kept changed.
    """

    def __init__(self, window: NDArray[np.uint8]) -> None:
        self._window = window
        self._starts, self._keys = _headers(window)
        self._lengths_at, self._ends = _follow(window, self._starts, self._keys)

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Where a Housekeeping frame may begin, whole in the window or not: shape (frames,)."""
        return self._starts

    def run_from(self, offset: int) -> Run:
        """Return frames from `offset` on; none when there is no whole frame in the window just there."""
        first = int(np.searchsorted(self._starts, offset))
        chosen = slice(first, first + self._followers(first, offset))
        return Run(offsets=self._starts[chosen], ends=self._ends[chosen], is_right=self._check(chosen))

    def _followers(self, first: int, offset: int) -> int:
        starts, ends = self._starts[first:], self._ends[first:]
        if not len(starts) or starts[0] != offset or not ends[0]:
            return 0
        breaks = np.flatnonzero((ends[:-1] != starts[1:]) | (ends[1:] == 0))
        return int(breaks[0]) + 1 if len(breaks) else len(starts)

    def _check(self, chosen: slice) -> NDArray[np.bool_]:
        starts, ends = self._starts[chosen], self._ends[chosen]
        if not len(starts):
            return np.zeros(0, dtype=np.bool_)
        is_small = int(ends[-1] - starts[0]) < len(starts) * WORTH_PIECES_BYTES
        found = self._sums_in_a_row(chosen) if is_small else self._sums_of_pieces(chosen)
        said = _at_any_byte(self._window, "<u4")[ends - CHECKSUM_BYTES]
        return np.asarray(np.array(found, dtype=np.uint32) ^ np.uint32(ALL_ONES) == said)

    def _sums_in_a_row(self, chosen: slice) -> list[int]:
        starts, ends, keys = self._starts[chosen], self._ends[chosen], self._keys[chosen]
        content = self._content(chosen)
        sizes = ends - starts - HEADER_BYTES - CHECKSUM_BYTES - 2 * LENGTH_BYTES * keys
        borders = [0, *np.cumsum(sizes).tolist()]
        return [crc32c(content[a:b], ALL_ONES) for a, b in pairwise(borders)]

    def _sums_of_pieces(self, chosen: slice) -> list[int]:
        window, found = self._window.data, []
        lengths_at = np.stack([column[chosen] for column in self._lengths_at], axis=1).tolist()
        for lengths, keys, end in zip(
            lengths_at, self._keys[chosen].tolist(), self._ends[chosen].tolist(), strict=True
        ):
            borders = [*lengths[: 2 * keys], end - CHECKSUM_BYTES]
            crc = ALL_ONES
            for a, b in pairwise(borders):
                crc = crc32c(window[a + LENGTH_BYTES : b], crc)
            found.append(crc)
        return found

    def _content(self, chosen: slice) -> memoryview:
        """Put the names and blobs of frames in a row, without what stands between them."""
        starts, ends, keys = self._starts[chosen], self._ends[chosen], self._keys[chosen]
        begin, end = int(starts[0]), int(ends[-1])
        is_content = np.ones(end - begin, dtype=np.bool_)
        eight, four = _at_any_byte(is_content, "<u8"), _at_any_byte(is_content, "<u4")
        eight[starts - begin] = 0
        eight[starts - begin + KEYS_OFFSET] = 0
        for column in range(2 * int(keys.max(initial=0))):
            eight[self._lengths_at[column][chosen][2 * keys > column] - begin] = 0
        four[ends - CHECKSUM_BYTES - begin] = 0
        return self._window[begin:end][is_content].data


def _at_any_byte(data: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Look at bytes as integers of which one begins at every byte."""
    size = np.dtype(dtype).itemsize
    return np.ndarray((max(0, len(data) - size + 1),), dtype, buffer=data, strides=(1,))


def _headers(window: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find what looks like the header of a frame: offsets and numbers of keys."""
    starts = np.flatnonzero(window[TYPE_OFFSET : len(window) - (HEADER_BYTES - TYPE_OFFSET) + 1] == HOUSEKEEPING)
    eight, four = _at_any_byte(window, "<u8"), _at_any_byte(window, "<u4")
    starts = starts[eight[starts] & LEADER_MASK == LEADER] if len(starts) else starts
    keys = four[starts + KEYS_OFFSET].astype(np.int64) if len(starts) else starts
    fits = (four[starts + TYPE_OFFSET] == HOUSEKEEPING) & (keys <= MOST_KEYS) if len(starts) else np.zeros(0, np.bool_)
    return starts[fits], keys[fits]


def _follow(
    window: NDArray[np.uint8], starts: NDArray[np.int64], keys: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Follow the lengths of all frames: where each length is, and where each frame ends, 0 when not in the window."""
    eight = _at_any_byte(window, "<u8")
    position = starts + HEADER_BYTES
    is_whole = np.ones(len(starts), dtype=np.bool_)
    lengths_at = []
    for column in range(2 * int(keys.max(initial=0))):
        lengths_at.append(position)
        is_read = 2 * keys > column
        is_whole &= ~is_read | (position < len(eight))
        is_read &= is_whole
        length = eight[np.where(is_read, position, 0)]
        is_name = column % 2 == 0
        fits = (length > 0) & (length <= LONGEST_NAME) if is_name else length <= len(window)
        is_whole &= ~is_read | fits
        position = np.where(is_read & fits, position + LENGTH_BYTES + length.astype(np.int64), position)
    ends = position + CHECKSUM_BYTES
    return lengths_at, np.where(is_whole & (ends <= len(window)), ends, 0)
