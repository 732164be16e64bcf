"""What the monitor knows of each feed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from writer.message import DEFAULT_FRESH_TIME_S, Batch
from writer.monitor.sparks import MOST_FIELDS, BlockSparks

SECOND_NS = 1_000_000_000
RATE_OVER_S = 60
MOST_FEEDS = 10_000
MOST_BLOCKS = 1024


@dataclass(slots=True, kw_only=True)
class Feed:
    """One feed.

    Parameters
    ----------
    number : int
        What requests name it by, so that no name from the network is part of any.
    address : str
        Its full address, as it came: hostile until shown as text.
    fresh_time_s : float
        After how many seconds without a message it is stale.
    last_received_ns : int
        Receive time of the newest message, Unix nanoseconds; 0 when none was seen.
    first_received_ns : int
        Receive time of the first message seen, from which its rate counts.
    messages : int
        Seen by this monitor.
    values_per_message : int
        Of the newest message that was decoded.
    blocks : list of BlockSparks
        In the order in which they were first seen.
    """

    number: int
    address: str
    fresh_time_s: float = DEFAULT_FRESH_TIME_S
    last_received_ns: int = 0
    first_received_ns: int = 0
    messages: int = 0
    values_per_message: int = 0
    blocks: list[BlockSparks] = field(default_factory=list)
    _counts: deque[tuple[int, int]] = field(default_factory=deque)

    def count(self, messages: int, first_ns: int, last_ns: int) -> None:
        """Count messages received between two times, Unix nanoseconds."""
        self.messages += messages
        self.first_received_ns = self.first_received_ns or first_ns
        self.last_received_ns = max(self.last_received_ns, last_ns)
        spanned_s = (last_ns - first_ns) / SECOND_NS
        if spanned_s > RATE_OVER_S:
            # What was in the log before the first look; only its last minute is part of the rate.
            messages = round(messages * RATE_OVER_S / spanned_s)
        second = last_ns // SECOND_NS
        if self._counts and self._counts[-1][0] >= second:
            messages += self._counts.pop()[1]
        self._counts.append((second, messages))

    def rate_hz(self, now_ns: int) -> float:
        """Return messages per second over the last minute, or since the first when that is less."""
        now_s = now_ns // SECOND_NS
        while self._counts and self._counts[0][0] <= now_s - RATE_OVER_S:
            self._counts.popleft()
        seen_s = min(RATE_OVER_S, max(1.0, (now_ns - self.first_received_ns) / SECOND_NS))
        return sum(messages for _, messages in self._counts) / seen_s

    def is_stale(self, now_ns: int) -> bool:
        """Tell whether its messages are overdue."""
        return now_ns - self.last_received_ns > self.fresh_time_s * SECOND_NS

    def show(self, batch: Batch) -> bool:
        """Take over what a decoded message says; True when it has blocks or fields that were not known."""
        self.fresh_time_s = batch.feed.fresh_time_s
        self.values_per_message = sum(len(rows.times) * len(rows.fields) for rows in batch.blocks)
        changed = False
        for rows in batch.blocks:
            sparks, is_new = self.block(rows.block, rows.fields)
            changed |= is_new
            if sparks is not None:
                sparks.take(rows)
        return changed

    def block(self, name: str, fields: tuple[str, ...]) -> tuple[BlockSparks | None, bool]:
        """Return a block, made anew where it is not known with these fields; and whether it was."""
        for at, sparks in enumerate(self.blocks):
            if sparks.name == name:
                if set(fields) <= set(sparks.fields) or len(sparks.fields) == MOST_FIELDS:
                    return sparks, False
                merged = dict.fromkeys((*sparks.fields, *fields))
                self.blocks[at] = BlockSparks(name, tuple(merged))
                return self.blocks[at], True
        if len(self.blocks) >= MOST_BLOCKS:
            return None, False
        self.blocks.append(BlockSparks(name, fields))
        return self.blocks[-1], True


class Feeds:
    """All feeds, by address and by number."""

    def __init__(self) -> None:
        self._by_address: dict[str, Feed] = {}
        self._by_number: list[Feed] = []

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Feed]:
        return iter(self._by_number)

    def at(self, address: str) -> Feed | None:
        """Return the feed of an address, known from now on; None when there are too many."""
        feed = self._by_address.get(address)
        if feed is None and len(self._by_number) < MOST_FEEDS:
            feed = Feed(number=len(self._by_number), address=address)
            self._by_address[address] = feed
            self._by_number.append(feed)
        return feed

    def numbered(self, number: int) -> Feed | None:
        """Return the feed of a number, or None."""
        return self._by_number[number] if 0 <= number < len(self._by_number) else None
