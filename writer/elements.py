"""How the values of a column look in msgpack: which bits of an element are always the same, and where its value is.

Formats are those of the msgpack specification; numbers are big-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from writer.values import Mixed, Numbers, Strings

FLOAT64, INT64 = np.dtype(np.float64), np.dtype(np.int64)
ONE = 0xFF
"""Mask of a byte that is always the same."""


class Place(NamedTuple):
    """Where the rows of a block are, in several messages of one layout.

    Parameters
    ----------
    buffer
        The messages, one after the other.
    start
        Of the first message in the buffer, in bytes.
    message_bytes
        From one message to the next.
    messages, rows
        How many messages, and rows in each.
    """

    buffer: bytes | memoryview
    start: int
    message_bytes: int
    messages: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumberElement:
    """A number of fixed width.

    Parameters
    ----------
    mask
        One byte for each of the element's: the bits that are the same in every such element.
    bits
        Those bits.
    header_bytes
        How many bytes come before the number.
    wire, native
        The number's type in the message and in a column.
    """

    mask: bytes
    bits: bytes
    header_bytes: int
    wire: np.dtype[Any]
    native: np.dtype[Any]

    def read(self, place: Place, offset: int) -> Numbers:
        """Copy the numbers out of the messages."""
        buffer, start, message_bytes, messages, rows = place
        offset += start + self.header_bytes
        view: NDArray[Any]
        if rows == 1:
            view = np.ndarray(messages, self.wire, buffer, offset, message_bytes)
            return Numbers(view.astype(self.native))
        view = np.ndarray((messages, rows), self.wire, buffer, offset, (message_bytes, len(self.mask)))
        return Numbers(view.astype(self.native).reshape(-1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoolElement:
    """A boolean: the lowest bit of its byte."""

    mask: bytes = b"\xfe"
    bits: bytes = b"\xc2"

    def read(self, place: Place, offset: int) -> Numbers:
        """Copy the booleans out of the messages."""
        raw = _raw(place, offset, 1, 1)
        return Numbers((raw & 1).astype(np.bool_).reshape(-1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoneElement:
    """No value."""

    mask: bytes = b"\xff"
    bits: bytes = b"\xc0"

    def read(self, place: Place, _offset: int) -> Mixed:
        """Return as many `None`."""
        return Mixed([None] * (place.messages * place.rows))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextElement:
    """An ASCII string of fixed length.

    Parameters
    ----------
    mask, bits
        As of a number; the top bit of every character is 0.
    header_bytes
        How many bytes come before the characters.
    """

    mask: bytes
    bits: bytes
    header_bytes: int

    def read(self, place: Place, offset: int) -> Strings:
        """Copy the strings out of the messages."""
        length = len(self.mask) - self.header_bytes
        count = place.messages * place.rows
        raw = _raw(place, offset + self.header_bytes, len(self.mask), length)
        text = raw.tobytes().decode("ascii")
        first = text[:length]
        if text == first * count:
            return Strings([first] * count)
        return Strings([text[start : start + length] for start in range(0, len(text), length)])


Element: TypeAlias = NumberElement | BoolElement | NoneElement | TextElement


def _raw(place: Place, offset: int, stride: int, width: int) -> NDArray[np.uint8]:
    """Return some bytes of each element, shape (messages, rows, width)."""
    shape, strides = (place.messages, place.rows, width), (place.message_bytes, stride, 1)
    return np.ndarray(shape, np.uint8, place.buffer, place.start + offset, strides)


def _number(first_byte: int, wire: str, top_bit: int = 0) -> NumberElement:
    dtype = np.dtype(wire)
    rest = bytes(dtype.itemsize - 1)
    return NumberElement(
        mask=bytes([ONE, top_bit]) + rest,
        bits=bytes([first_byte, 0]) + rest,
        header_bytes=1,
        wire=dtype,
        native=FLOAT64 if dtype.kind == "f" else INT64,
    )


FLOAT64_ELEMENT = _number(0xCB, ">f8")
POSITIVE_FIXINT = NumberElement(mask=b"\x80", bits=b"\x00", header_bytes=0, wire=np.dtype("i1"), native=INT64)
NEGATIVE_FIXINT = NumberElement(mask=b"\xe0", bits=b"\xe0", header_bytes=0, wire=np.dtype("i1"), native=INT64)

# float32 (0xca) is missing: agents send doubles, and numpy warns of some NaN when it widens them.
_ELEMENTS: dict[int, Element] = {
    0xC0: NoneElement(),
    0xC2: BoolElement(),
    0xC3: BoolElement(),
    0xCB: FLOAT64_ELEMENT,
    0xCC: _number(0xCC, ">u1"),
    0xCD: _number(0xCD, ">u2"),
    0xCE: _number(0xCE, ">u4"),
    # An unsigned integer with its top bit set is beyond int64 and no number that a column holds as it is.
    0xCF: _number(0xCF, ">u8", top_bit=0x80),
    0xD0: _number(0xD0, ">i1"),
    0xD1: _number(0xD1, ">i2"),
    0xD2: _number(0xD2, ">i4"),
    0xD3: _number(0xD3, ">i8"),
    **dict.fromkeys(range(0x80), POSITIVE_FIXINT),
    **dict.fromkeys(range(0xE0, 0x100), NEGATIVE_FIXINT),
}


def are_alike(raw: memoryview, element: Element) -> bool:
    """Whether bytes are nothing but elements that look like this."""
    stride = len(element.mask)
    repeats = len(raw) // stride
    if element.mask == FLOAT64_ELEMENT.mask:
        return raw[::stride] == element.bits[:1] * repeats
    elements = np.frombuffer(raw, np.uint8).reshape(repeats, stride)
    mask, bits = np.frombuffer(element.mask, np.uint8), np.frombuffer(element.bits, np.uint8)
    return bool(((elements & mask) == bits).all())


def element_at(payload: memoryview, offset: int) -> Element | None:
    """Return how the value at an offset looks; None for one that no column holds as it is."""
    first_byte = payload[offset]
    if 0xA0 <= first_byte <= 0xBF:
        return _text(bytes([first_byte]), first_byte - 0xA0)
    if first_byte == 0xD9:
        return _text(bytes(payload[offset : offset + 2]), payload[offset + 1])
    return _ELEMENTS.get(first_byte)


@lru_cache(maxsize=512)
def _text(header: bytes, length: int) -> TextElement:
    return TextElement(
        mask=bytes([ONE]) * len(header) + b"\x80" * length,
        bits=header + bytes(length),
        header_bytes=len(header),
    )
