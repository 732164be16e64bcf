"""Finds the frames of a file by their bytes alone, without the G3 library, which stops at the first bad one.

Layout of a frame (spt3g's G3Frame, little-endian; a u64 length stands before each name and each blob)::

    u8 1 | u32 version 1 | i32 keys | u32 type | keys x (u64 n, name, u64 n, blob) | u32 checksum

The checksum is CRC-32C over all names and blobs in order, its register starting at 0 and not inverted at the end.
Package crc32c computes the usual CRC-32C, which starts at all ones and inverts at the end, and takes a former
result to go on from: going on from all ones starts the register at 0, and inverting the last result undoes the
inversion.
"""

from __future__ import annotations

import enum
import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import repeat
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from crc32c import crc32c

from writer.frame_batch import FrameBatch

HEADER = struct.Struct("<BIiI")
LENGTH = struct.Struct("<Q")
CHECKSUM = struct.Struct("<I")
LITTLE_ENDIAN, VERSION = 1, 1
ALL_ONES = 0xFFFFFFFF

MOST_KEYS = 100_000
LONGEST_NAME = 4096
"""Names are a few letters; the limits keep a scan of garbage short."""

CHUNK_BYTES = 1 << 17

SMALL_FRAME_BYTES = 1 << 16
WINDOW_BYTES = 1 << 21
"""Frames smaller than the one are looked for in windows of the other, many at a time."""


class FrameFault(str, enum.Enum):
    """Why bytes are not a whole frame."""

    ZEROS = "zero bytes where a frame should begin"
    NOT_A_FRAME = "bytes that do not begin a frame"
    CUT_SHORT = "a frame that ends too early"
    CHECKSUM = "a frame whose checksum is wrong"


class FrameSpan(NamedTuple):
    """Where a frame is in its file.

    A span that does not begin a frame, or is cut short, reaches to the end of the file.
    """

    offset: int
    length: int
    type: str
    """Letter of the frame's type: H for Housekeeping; empty where there is no frame."""
    fault: FrameFault | None

    @property
    def ok(self) -> bool:
        """Whether the frame is whole and its checksum right."""
        return self.fault is None

    @property
    def end(self) -> int:
        """Offset of the byte behind it."""
        return self.offset + self.length


def scan_frames(source: Path | int, offset: int = 0) -> Iterator[FrameSpan]:
    """Go through a file frame by frame.

    Parameters
    ----------
    source : Path | int
        A file, or a descriptor open for reading, whose file offset moves.
    offset : int
        The byte at which to begin.

    Yields
    ------
    FrameSpan
        Without gaps from `offset` to the end that the file had at the start. Frames behind one with a wrong
        checksum follow; behind any other fault nothing can be found.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    with _opened(source) as stream:
        size = stream.seek(0, os.SEEK_END)
        many = _ManyFrames(stream.fileno(), size)
        previous_bytes = 0
        while offset < size:
            spans = many.read(offset) if previous_bytes < SMALL_FRAME_BYTES else []
            if not spans:
                stream.seek(offset)
                spans = [_FrameReader(stream, offset, size).read()]
            yield from spans
            offset, previous_bytes = spans[-1].end, spans[-1].length


def read_frames(path: Path, spans: Iterator[FrameSpan] | None = None) -> Iterator[tuple[FrameSpan, bytes]]:
    """Go through a file as `scan_frames` does, with the bytes of each whole frame, and none of any other.

    Parameters
    ----------
    path : Path
        A file.
    spans : Iterator[FrameSpan], optional
        Its frames, as another scan finds them.
    """
    with path.open("rb") as stream:
        for span in scan_frames(path) if spans is None else spans:
            yield span, os.pread(stream.fileno(), span.length, span.offset) if span.ok else b""


def last_whole_frame_end(source: Path | int) -> int:
    """Tell where the last whole frame of a file ends, 0 when it has none; `source` as in `scan_frames`."""
    return max((span.end for span in scan_frames(source) if span.ok), default=0)


def _opened(source: Path | int) -> AbstractContextManager[BinaryIO]:
    if isinstance(source, int):
        return os.fdopen(source, "rb", buffering=CHUNK_BYTES, closefd=False)
    return source.open("rb", buffering=CHUNK_BYTES)


class _Bad(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, fault: FrameFault) -> None:
        self.fault = fault


FAULT_OF = {True: None, False: FrameFault.CHECKSUM}


class _ManyFrames:
    """Reads many frames at once from a window of a file, which moves on with them."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._begin = self._end = 0
        self._window = np.empty(min(WINDOW_BYTES, size), dtype=np.uint8)
        self._batch: FrameBatch | None = None

    def read(self, offset: int) -> list[FrameSpan]:
        """Return the frames from `offset` on that can be told from the window; none is for the other reader."""
        if self._batch is None or offset > (self._begin + self._end) // 2:
            self._move(offset)
        return self._spans(offset) if self._batch else []

    def _move(self, offset: int) -> None:
        length = os.preadv(self._descriptor, [self._window.data], offset)
        self._begin, self._end = offset, min(offset + length, self._size)
        self._batch = FrameBatch(self._window[: self._end - offset])

    def _spans(self, offset: int) -> list[FrameSpan]:
        run = self._batch.run_from(offset - self._begin) if self._batch else None
        if run is None:
            return []
        faults = repeat(None) if run.is_right.all() else [FAULT_OF[right] for right in run.is_right.tolist()]
        offsets, lengths = (run.offsets + self._begin).tolist(), (run.ends - run.offsets).tolist()
        # Past the constructor, which is Python's, the spans of small frames cost half as much.
        return list(map(tuple.__new__, repeat(FrameSpan), zip(offsets, lengths, repeat("H"), faults)))


class _FrameReader:
    """Reads one frame from a stream that stands at its beginning."""

    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        self._stream = stream
        self._offset = offset
        self._left = size - offset
        self._crc = ALL_ONES

    def read(self) -> FrameSpan:
        whole = self._left
        letter = ""
        try:
            letter, keys = self._header()
            for _ in range(keys):
                self._name()
                self._blob()
            (expected,) = CHECKSUM.unpack(self._take(CHECKSUM.size))
        except _Bad as bad:
            return FrameSpan(self._offset, whole, letter, bad.fault)
        fault = None if expected == self._crc ^ ALL_ONES else FrameFault.CHECKSUM
        return FrameSpan(self._offset, whole - self._left, letter, fault)

    def _header(self) -> tuple[str, int]:
        header = self._stream.read(HEADER.size)
        if not any(header):
            raise _Bad(FrameFault.ZEROS)
        self._left -= HEADER.size
        if len(header) < HEADER.size:
            raise _Bad(FrameFault.CUT_SHORT)
        flag, version, keys, kind = HEADER.unpack(header)
        if (flag, version) != (LITTLE_ENDIAN, VERSION) or not 0 <= keys <= MOST_KEYS or not 0 < kind < 128:
            raise _Bad(FrameFault.NOT_A_FRAME)
        return chr(kind), keys

    def _name(self) -> None:
        (length,) = LENGTH.unpack(self._take(LENGTH.size))
        if not 0 < length <= LONGEST_NAME:
            raise _Bad(FrameFault.NOT_A_FRAME)
        self._crc = crc32c(self._take(length), self._crc)

    def _blob(self) -> None:
        (length,) = LENGTH.unpack(self._take(LENGTH.size))
        if length > self._left:
            raise _Bad(FrameFault.CUT_SHORT)
        while length:
            chunk = self._take(min(length, CHUNK_BYTES))
            self._crc = crc32c(chunk, self._crc)
            length -= len(chunk)

    def _take(self, length: int) -> bytes:
        self._left -= length
        if self._left < 0:
            raise _Bad(FrameFault.CUT_SHORT)
        data = self._stream.read(length)
        if len(data) < length:
            raise _Bad(FrameFault.CUT_SHORT)
        return data
