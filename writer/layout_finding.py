"""Finds where the values of a message are, for messages that bring nothing unusual.

Whatever this walk does not know makes it give up: such messages are unpacked in the ordinary way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from aggregator.settings import Caps
from writer.elements import NumberElement, are_alike, element_at
from writer.layouts import BlockSpans, Span
from writer.names import mended
from writer.unpacking import PAIR, READING

NONE = 0xC0
_SIZE_FORMATS = {1: ">B", 2: ">H", 4: ">I"}


class _UnusualError(Exception):
    """The walk does not know what it sees."""


class FoundBlocks(NamedTuple):
    """The data part of a message.

    Parameters
    ----------
    blocks
        Where its blocks are.
    end
        Where it ends and the feed part begins.
    """

    blocks: tuple[BlockSpans, ...]
    end: int


def find_blocks(payload: memoryview, caps: Caps) -> FoundBlocks | None:
    """Find where the blocks of a message are.

    Parameters
    ----------
    payload
        What should be a pair of a map and a feed part; the feed part is not looked at.
    caps
        How much one message or block may bring.

    Returns
    -------
    FoundBlocks or None
        None when the message brings anything but plain blocks with rows of equal types by field.
    """
    try:
        return _Walk(payload, caps).found()
    except (_UnusualError, IndexError, struct.error, ValueError, TypeError, OverflowError, MemoryError):
        # The walk ran out of bytes, or met a name or a passed-over object that cannot be read.
        return None
    except msgpack.UnpackException:
        return None


class _Walk:
    """A position in a message that moves on over what is read."""

    def __init__(self, payload: memoryview, caps: Caps) -> None:
        self._payload = payload
        self._end = len(payload)
        self._caps = caps
        self._at = 0

    def found(self) -> FoundBlocks:
        """Read the data part."""
        if self._payload[0] != PAIR:
            raise _UnusualError
        self._at = 1
        count = self._size(0x80, 0xDE)
        if count > self._caps.blocks_per_feed:
            raise _UnusualError
        found = {}
        for _ in range(count):
            name = self._text()
            found[name] = self._block(name)
        if len(found) != count:
            raise _UnusualError
        return FoundBlocks(tuple(found.values()), self._at)

    def _block(self, name: str) -> BlockSpans:
        name.encode()
        found: dict[str, Any] = {}
        readers: dict[str, Callable[[], object]] = {"timestamps": self._column, "data": self._columns}
        count = self._size(0x80, 0xDE)
        for _ in range(count):
            key = self._text()
            found[key] = readers.get(key, self._pass_over)()
        if len(found) != count or not {"timestamps", "data"} <= found.keys():
            raise _UnusualError
        times, rows = found["timestamps"]
        columns = found["data"]
        if not isinstance(times.element, NumberElement) or any(length != rows for _, length in columns.values()):
            raise _UnusualError
        return BlockSpans(
            block=name,
            fields=mended(tuple(columns)),
            rows=rows,
            times=times,
            columns=tuple(span for span, _ in columns.values()),
        )

    def _columns(self) -> dict[str, tuple[Span, int]]:
        count = self._size(0x80, 0xDE)
        if not 0 < count <= self._caps.fields_per_block:
            raise _UnusualError
        found = {}
        for _ in range(count):
            name = self._text()
            found[name] = self._column()
        if len(found) != count:
            raise _UnusualError
        return found

    def _column(self) -> tuple[Span, int]:
        rows = self._size(0x90, 0xDC)
        if not rows:
            raise _UnusualError
        offset = self._at
        element = element_at(self._payload, offset)
        if element is None:
            raise _UnusualError
        self._at += rows * len(element.mask)
        if self._at > self._end or not are_alike(self._payload[offset : self._at], element):
            raise _UnusualError
        return Span(offset=offset, element=element), rows

    def _size(self, small: int, large: int) -> int:
        """Read the header of a map or array: the first byte of the small form and of the 16-bit form."""
        first = self._payload[self._at]
        self._at += 1
        if small <= first < small + 16:
            return first - small
        if first not in (large, large + 1):
            raise _UnusualError
        return self._number(2 if first == large else 4)

    def _text(self) -> str:
        first = self._payload[self._at]
        self._at += 1
        if 0xA0 <= first <= 0xBF:
            length = first - 0xA0
        elif 0xD9 <= first <= 0xDB:
            length = self._number(1 << (first - 0xD9))
        else:
            raise _UnusualError
        start, self._at = self._at, self._at + length
        if self._at > self._end:
            raise _UnusualError
        return str(self._payload[start : self._at], "utf-8", READING["unicode_errors"])

    def _number(self, nbytes: int) -> int:
        (number,) = struct.unpack_from(_SIZE_FORMATS[nbytes], self._payload, self._at)
        self._at += nbytes
        return int(number)

    def _pass_over(self) -> None:
        if self._payload[self._at] == NONE:
            self._at += 1
            return
        unpacker = msgpack.Unpacker(max_buffer_size=self._end - self._at, **READING)
        unpacker.feed(self._payload[self._at : self._end])
        # Unpacked rather than skipped, so that what an ordinary unpack would refuse is refused here too.
        unpacker.unpack()
        self._at += unpacker.tell()
