"""What `session.data` tells of each feed: when it was last heard of, and whether it is stale."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgpack

from aggregator.records import Gap
from ingest.event import FeedEvent
from ingest.feed_header import FeedHeader

PUBLISHER_RESTARTED = "publisher-restarted"
FEED_QUIET = "feed-quiet"

NAME_EVERY_NS = 1_000_000_000
"""A feed's newest block name is read at most this often: nobody sees it more often."""

MOST_STALE = 1000
"""Feeds that are stale are listed, for people to miss them, but not without bound."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    feed: FeedHeader
    refreshed_ns: int
    named_ns: int
    block: str

    def is_stale(self, now_ns: int) -> bool:
        return now_ns - self.refreshed_ns > self.feed.fresh_time_s * 1e9


class FeedTable:
    """The feeds heard of, by address.

    Parameters
    ----------
    capacity : int
        Most feeds listed; the one not heard of for longest goes first.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def refresh(self, feed: FeedHeader, event: FeedEvent, now_ns: int) -> Gap | None:
        """Note that a message of a feed came.

        Returns
        -------
        Gap or None
            The time in which messages may have been missed, where the feed's agent was started anew or the feed was
            quiet for longer than it wanted to be.
        """
        entry = self._entries.get(feed.address)
        if entry is None:
            self._make_room(now_ns)
            block = last_block_name(event)
            self._entries[feed.address] = _Entry(feed=feed, refreshed_ns=now_ns, named_ns=now_ns, block=block)
            return None
        gap = _gap_before(entry, feed, now_ns) if entry.feed is not feed or entry.is_stale(now_ns) else None
        entry.feed = feed
        entry.refreshed_ns = now_ns
        if now_ns - entry.named_ns >= NAME_EVERY_NS:
            entry.named_ns = now_ns
            entry.block = last_block_name(event)
        self._entries.move_to_end(feed.address)
        return gap

    def _make_room(self, now_ns: int) -> None:
        count = len(self._entries)
        if count >= self._capacity or (count >= MOST_STALE and next(iter(self._entries.values())).is_stale(now_ns)):
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget every feed."""
        self._entries.clear()

    def encoded(self, now_ns: int) -> dict[str, dict[str, Any]]:
        """Return the `providers` of OCS's `session.data`, strict JSON; times in Unix seconds."""
        return {
            address: {
                "last_refresh": entry.refreshed_ns / 1e9,
                "sessid": entry.feed.session_id,
                "stale": entry.is_stale(now_ns),
                "last_block_received": entry.block,
            }
            for address, entry in self._entries.items()
        }


def _gap_before(entry: _Entry, feed: FeedHeader, now_ns: int) -> Gap | None:
    if entry.feed.session_id != feed.session_id:
        reason = PUBLISHER_RESTARTED
    elif entry.is_stale(now_ns):
        reason = FEED_QUIET
    else:
        return None
    return Gap(from_ns=entry.refreshed_ns, to_ns=now_ns, reason=reason, counts={feed.address: 0})


def last_block_name(event: FeedEvent) -> str:
    """Return the name of the last block of a message without decoding its values; empty when there is none."""
    unpacker = msgpack.Unpacker(max_buffer_size=event.end - event.begin, unicode_errors="replace")
    name: Any = ""
    try:
        unpacker.feed(event.packed[event.begin : event.end])
        unpacker.read_array_header()
        for _ in range(unpacker.read_map_header()):
            name = unpacker.unpack()
            unpacker.skip()
    except (ValueError, TypeError, msgpack.UnpackException):
        return ""
    return name if isinstance(name, str) else str(name)
