"""The bytes of a data frame's blocks, straight from arrays.

The G3 library serialises a frame as name and blob of each key with a CRC behind them, and a blob as a portable
binary archive of the cereal library: types and objects are numbered as they first occur, class versions stand where
a class first occurs. `docs/reference/archive.md` says what is in a frame. The library's own way is the reference:
the tests hold these bytes against it, and the writer does so once more with the library that it runs with.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from writer.block import BlockData, ColumnData

U32, U64, I32 = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<i")
LITTLE_ENDIAN = b"\x01"
FIRST_TIME = 0x80000000
"""Marks the number of a type or object that occurs for the first time."""

FRAME_HEAD_BYTES = 13
"""Byte order, version, number of keys and type of a frame."""

ALL_ONES = 0xFFFFFFFF
BLOCKS = b"blocks"


def _text(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return U64.pack(len(raw)) + raw


def _new(number: int, type_name: str, *versions: int) -> bytes:
    """Return the head of an object whose type occurs for the first time, up to its class versions."""
    marked = U32.pack(FIRST_TIME | number)
    return marked + _text(type_name) + marked + b"".join(map(U32.pack, versions))


_DOUBLES = LITTLE_ENDIAN + _new(1, "G3VectorDouble", 1, 1)
_INTS = LITTLE_ENDIAN + _new(1, "G3VectorInt", 2, 1)
_BOOLS = LITTLE_ENDIAN + _new(1, "G3VectorBool", 1, 1)
_STRINGS = LITTLE_ENDIAN + _new(1, "G3VectorString", 1, 1)
_BLOCKS = LITTLE_ENDIAN + _new(1, "G3VectorFrameObject", 1, 1)
_FIRST_BLOCK = _new(2, "G3TimesampleMap", 0, 1)
_TIMES_VERSION = U32.pack(1)
_TIME_VERSION = U32.pack(1)


def with_blocks(frame: bytes, blocks: Sequence[BlockData]) -> bytes:
    """Put blocks into the bytes of a data frame that has an empty vector of them.

    Parameters
    ----------
    frame : bytes
        From the G3 library, with every other key.
    blocks : Sequence[BlockData]
        Each with rows.

    Returns
    -------
    bytes
        What the library would give for the whole frame.
    """
    parts: list[bytes] = [frame[:FRAME_HEAD_BYTES]]
    crc = ALL_ONES
    for name, blob in _entries(frame):
        content = blocks_blob(blocks) if name == BLOCKS else blob
        crc = crc32c(content, crc32c(name, crc))
        parts += [_text(name), U64.pack(len(content)), content]
    parts.append(U32.pack(crc ^ ALL_ONES))
    return b"".join(parts)


def _entries(frame: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = FRAME_HEAD_BYTES
    for _ in range(I32.unpack_from(frame, 5)[0]):
        name, offset = _taken(frame, offset)
        blob, offset = _taken(frame, offset)
        yield name, blob


def _taken(frame: bytes, offset: int) -> tuple[bytes, int]:
    start = offset + U64.size
    end = start + U64.unpack_from(frame, offset)[0]
    return frame[start:end], end


def blocks_blob(blocks: Sequence[BlockData]) -> bytes:
    """Return a G3VectorFrameObject of G3TimesampleMaps, as it stands in a frame."""
    parts: list[bytes | memoryview] = [_BLOCKS, U64.pack(len(blocks))]
    for index, block in enumerate(blocks):
        parts.append(_FIRST_BLOCK if not index else U32.pack(2) + U32.pack(FIRST_TIME | (2 + index)))
        parts.append(U32.pack(len(block.fields)))
        for name, column in _sorted_columns(block):
            blob = column_blob(column)
            parts += [_text(name), U64.pack(len(blob)), blob]
        rows = U64.pack(len(block.times_g3))
        parts.append(rows if index else _TIMES_VERSION + rows + _TIME_VERSION)
        parts.append(np.ascontiguousarray(block.times_g3, dtype=np.int64).data)
    return b"".join(parts)


def _sorted_columns(block: BlockData) -> Iterable[tuple[bytes, ColumnData]]:
    named = [(field.encode(), column) for field, column in zip(block.fields, block.columns, strict=True)]
    return sorted(named, key=lambda entry: entry[0])


def column_blob(column: ColumnData) -> bytes:
    """Return a column as the vector that the G3 library would make of it."""
    if isinstance(column, list):
        return b"".join([_STRINGS, U64.pack(len(column)), *map(_text, column)])
    count = U64.pack(len(column))
    if column.dtype.kind == "f":
        return b"".join([_DOUBLES, count, np.ascontiguousarray(column).data])
    if column.dtype.kind == "b":
        return b"".join([_BOOLS, count, np.ascontiguousarray(column).data])
    narrow = column.astype(_narrowest(column))
    return b"".join([_INTS, U32.pack(8 * narrow.itemsize), count, narrow.data])


def _narrowest(column: NDArray[np.generic]) -> np.dtype[np.signedinteger]:
    """Return the narrowest type that holds all values: G3VectorInt is stored so."""
    if not len(column):
        return np.dtype(np.int8)
    low, high = int(column.min()), int(column.max())
    for width in (np.int8, np.int16, np.int32):
        info = np.iinfo(width)
        if info.min <= low and high <= info.max:
            return np.dtype(width)
    return np.dtype(np.int64)
