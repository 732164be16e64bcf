"""Learned layouts: messages that differ only in their values, checked in one comparison and read as arrays.

The messages of a feed nearly always have the same names, array lengths and types at the same places. A layout knows
those places. Messages of its length that agree with it in every other bit are read without unpacking them: their
fixed bits prove that an ordinary unpack would give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from writer.block_reading import in_archivable_years
from writer.elements import Element, NumberElement, Place, TextElement
from writer.message import Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Span:
    """Where a field's elements are in a message.

    Parameters
    ----------
    offset
        Of the first element.
    element
        How each of them looks.
    """

    offset: int
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockSpans:
    """Where a block is in a message.

    Parameters
    ----------
    block
        Its name.
    fields
        Valid and unique names of the fields.
    rows
        How many rows it has.
    times
        Where its timestamps are.
    columns
        Where each field is.
    """

    block: str
    fields: tuple[str, ...]
    rows: int
    times: Span
    columns: tuple[Span, ...]

    @property
    def may_misfit(self) -> bool:
        """Whether some value may turn out not to fit its column: a string can meet a column of numbers."""
        return any(isinstance(span.element, TextElement) for span in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Messages:
    """Several messages of one length.

    Parameters
    ----------
    joined
        The messages, one after the other.
    nbytes
        Length of each.
    sequences
        Sequence number of each.
    """

    joined: bytes | memoryview
    nbytes: int
    sequences: Sequence[int]

    @property
    def stack(self) -> NDArray[np.uint8]:
        """Shape (messages, nbytes): a view."""
        return np.frombuffer(self.joined, np.uint8).reshape(-1, self.nbytes)

    def place(self, rows: int, start: int, stop: int) -> Place:
        """Return where the rows of a block are in some of the messages, by the messages' indices."""
        return Place(self.joined, start * self.nbytes, self.nbytes, stop - start, rows)


class Scratch:
    """Memory for comparisons, used again and again: fresh pages would cost more than the comparison."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def like(self, stack: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return as much memory in the same shape."""
        if self._bytes.size < stack.size:
            self._bytes = np.empty(stack.size, np.uint8)
        return self._bytes[: stack.size].reshape(stack.shape)


class Layout:
    """The places of all blocks in messages of one feed and length, and everything else that is in them.

    Parameters
    ----------
    example
        A whole message of this layout.
    blocks
        Where its blocks are.
    """

    __slots__ = ("_bits", "_blocks", "_mask")

    def __init__(self, example: memoryview, blocks: tuple[BlockSpans, ...]) -> None:
        self._blocks = blocks
        self._mask = np.full(len(example), 0xFF, np.uint8)
        for block in blocks:
            for span in (block.times, *block.columns):
                pattern = np.frombuffer(span.element.mask * block.rows, np.uint8)
                self._mask[span.offset : span.offset + len(pattern)] = pattern
        self._bits = np.frombuffer(example, np.uint8) & self._mask

    @property
    def nbytes(self) -> int:
        """Memory that the layout takes, about."""
        return 2 * len(self._mask) + 500 * sum(len(block.columns) + 2 for block in self._blocks)

    def matches(self, messages: Messages, scratch: Scratch) -> NDArray[np.bool_]:
        """Return which messages have this layout and timestamps that can be archived, shape (messages,)."""
        stack = messages.stack
        bits = np.bitwise_and(stack, self._mask, out=scratch.like(stack))
        same = np.equal(bits, self._bits, out=bits.view(np.bool_))
        found: NDArray[np.bool_] = np.full(len(stack), fill_value=True) if same.all() else np.all(same, axis=1)
        return found & have_good_times(self._blocks, messages)

    def read(self, messages: Messages, start: int, stop: int) -> tuple[Rows, ...]:
        """Return the rows of some of the messages that this layout matches, by block."""
        return read_rows(self._blocks, messages, start, stop)


def have_good_times(blocks: Sequence[BlockSpans], messages: Messages) -> NDArray[np.bool_]:
    """Return which messages have only timestamps that can be archived, shape (messages,)."""
    count = len(messages.sequences)
    found = np.full(count, fill_value=True)
    for block in blocks:
        good = in_archivable_years(_times(block, messages.place(block.rows, 0, count)))
        if not good.all():
            found &= good.reshape(count, block.rows).all(axis=1)
    return found


def read_rows(blocks: Sequence[BlockSpans], messages: Messages, start: int, stop: int) -> tuple[Rows, ...]:
    """Return the rows of some of the messages, by block."""
    return tuple([_rows(block, messages, start, stop) for block in blocks])


def _rows(block: BlockSpans, messages: Messages, start: int, stop: int) -> Rows:
    place = messages.place(block.rows, start, stop)
    return Rows(
        block=block.block,
        fields=block.fields,
        times=_times(block, place),
        columns=tuple([span.element.read(place, span.offset) for span in block.columns]),
        sequences=tuple(messages.sequences[start:stop]),
    )


def _times(block: BlockSpans, place: Place) -> NDArray[np.float64]:
    element = block.times.element
    assert isinstance(element, NumberElement)  # noqa: S101 - no other spans are made for timestamps
    return element.read(place, block.times.offset).array.astype(np.float64, copy=False)
