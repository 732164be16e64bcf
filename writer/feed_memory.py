"""Feed parts seen before, found again by their bytes at the end of a message.

A feed sends the same feed part with every message, so that reading it once is enough. It is looked for where
messages of the same length had it; since msgpack reads in one way only, a message that starts as a pair, whose last
bytes are a known feed part and whose bytes between are one whole object is that object and that feed.
"""

from __future__ import annotations

from dataclasses import dataclass

from writer.message import FeedHeader
from writer.unpacking import PAIR, second_of_pair

MOST_FEEDS = 20_000
MOST_LENGTHS = 200_000
LONGEST_FEED_BYTES = 4096
"""Longer feed parts are not remembered, so that hostile messages cannot fill the memory."""
PLACES_PER_LENGTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class KnownFeed:
    """A feed part.

    Parameters
    ----------
    header
        What it says.
    nbytes
        How many bytes it takes at the end of a message.
    """

    header: FeedHeader
    nbytes: int


class FeedMemory:
    """Remembers a bounded number of feed parts."""

    __slots__ = ("_feeds", "_places")

    def __init__(self) -> None:
        self._feeds: dict[bytes, KnownFeed] = {}
        self._places: dict[int, tuple[int, ...]] = {}

    def find(self, payload: memoryview) -> KnownFeed | None:
        """Return the known feed part that a payload ends with, if it can be a pair of data and that."""
        for nbytes in self._places.get(len(payload), ()):
            known = self._feeds.get(bytes(payload[-nbytes:]))
            if known is not None and payload[0] == PAIR:
                return known
        return None

    def at_end(self, payload: memoryview, start: int) -> KnownFeed | None:
        """Return the known feed part that starts at an offset and ends with the payload."""
        return self._feeds.get(bytes(payload[start:])) if len(payload) - start <= LONGEST_FEED_BYTES else None

    def remember(self, payload: memoryview, header: FeedHeader) -> None:
        """Remember the feed part of a valid message."""
        nbytes = len(payload) - second_of_pair(payload)
        if nbytes > LONGEST_FEED_BYTES or payload[0] != PAIR:
            return
        if len(self._feeds) >= MOST_FEEDS or len(self._places) >= MOST_LENGTHS:
            self._feeds.clear()
            self._places.clear()
        self._feeds.setdefault(bytes(payload[-nbytes:]), KnownFeed(header, nbytes))
        places = self._places.get(len(payload), ())
        if nbytes not in places:
            self._places[len(payload)] = (nbytes, *places[: PLACES_PER_LENGTH - 1])
