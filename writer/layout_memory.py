"""The layouts that messages have had, by feed part and message length.

A layout is learned from a message that had to be unpacked though others of its length had been; the more often that
was in vain, the more rarely it is done.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aggregator.settings import Caps
from writer.feed_memory import KnownFeed
from writer.layout_finding import find_blocks
from writer.layouts import Layout, Messages, Scratch

LAYOUTS_PER_SHELF = 4
FIRST_LEARNING = 2
MOST_SHELVES = 50_000
MOST_LAYOUT_BYTES = 64 << 20
LONGEST_MESSAGE_BYTES = 4 << 20
"""Longer messages are rare, and each is worth a walk of its own."""

NO_LAYOUT = -1


class Shelf:
    """The layouts of one feed part and message length, newest first."""

    __slots__ = ("layouts", "learn_at", "unmatched")

    def __init__(self) -> None:
        self.layouts: list[Layout] = []
        self.unmatched = 0
        self.learn_at = FIRST_LEARNING

    def assign(self, messages: Messages, scratch: Scratch) -> NDArray[np.int8]:
        """Return the index of the layout of each message or `NO_LAYOUT`, shape (messages,)."""
        assigned = np.full(len(messages.sequences), NO_LAYOUT, np.int8)
        for index, layout in enumerate(self.layouts):
            assigned[(assigned == NO_LAYOUT) & layout.matches(messages, scratch)] = index
            if NO_LAYOUT not in assigned:
                break
        return assigned


class LayoutMemory:
    """Remembers a bounded amount of layouts.

    Parameters
    ----------
    caps
        How much a message may bring that has a layout.
    """

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._shelves: dict[tuple[KnownFeed, int], Shelf] = {}
        self._nbytes = 0

    def shelf(self, feed: KnownFeed, message_bytes: int) -> Shelf:
        """Return the layouts of messages with this feed part and length."""
        shelf = self._shelves.get((feed, message_bytes))
        if shelf is None:
            self._make_room()
            shelf = self._shelves[feed, message_bytes] = Shelf()
        return shelf

    def note_unmatched(self, shelf: Shelf, feed: KnownFeed, payload: memoryview) -> None:
        """Note a good message that had none of a shelf's layouts, and learn its layout where it may pay."""
        shelf.unmatched += 1
        if shelf.unmatched < shelf.learn_at or len(payload) > LONGEST_MESSAGE_BYTES:
            return
        shelf.unmatched = 0
        shelf.learn_at *= 2
        found = find_blocks(payload, self._caps)
        if found is None or found.end != len(payload) - feed.nbytes:
            return
        # Values that may not fit are kept by message, and their order holds for one block of several messages only.
        if sum(block.may_misfit for block in found.blocks) <= 1:
            layout = Layout(payload, found.blocks)
            self._nbytes += layout.nbytes
            shelf.layouts = [layout, *shelf.layouts[: LAYOUTS_PER_SHELF - 1]]

    def _make_room(self) -> None:
        if len(self._shelves) >= MOST_SHELVES or self._nbytes > MOST_LAYOUT_BYTES:
            self._shelves.clear()
            self._nbytes = 0
