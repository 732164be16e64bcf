"""Reads WAMP EVENTs that come as msgpack without decoding their body.

Source of the form: the WAMP basic profile, `[EVENT, subscription, publication, details, args, kwargs?]`, with the
`(data, feed)` pair that OCS's Feed publishes as the only one of `args`.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from ingest.event import FeedEvent, malformed_event
from ingest.feed_header import FeedCache, FeedHeader

EVENT = 36
EVENT_MARK = b"$"
"""`EVENT` as a msgpack integer."""

_USUAL_START = b"\x95" + EVENT_MARK + b"\xcf"
_UINT64 = 0xCF
_IDS = struct.Struct(">QxQ")
_IDS_OFFSET = 3
_DETAILS_OFFSET = 20
_ONLY_A_TOPIC = b"\x81\xa5topic"
_TOPIC_OFFSET = _DETAILS_OFFSET + len(_ONLY_A_TOPIC)
_ONE_PAIR = b"\x91\x92"
_NOT_ONE_PAIR = "the event's arguments are not one [data, feed] pair"
_MOST_TOPICS = 20_000
_LONGEST_KNOWN_BYTES = 16 << 10


class EventReader:
    """Turns the bytes of an EVENT into a `FeedEvent`.

    Parameters
    ----------
    feeds : FeedCache
        Shared by all readers of a process.

    Notes
    -----
    A feed's messages end with the same feed part each time, so the last one seen on a topic is tried first and the
    body is then not even skipped through. A publisher could deceive that only about its own topic, and the writer
    decodes every message in full anyway.
    """

    def __init__(self, feeds: FeedCache) -> None:
        self._feeds = feeds
        self._last_by_topic: dict[bytes, tuple[bytes, FeedHeader]] = {}

    def read(self, envelope: bytes) -> FeedEvent:
        """Return the event; anything but one readable pair gives a malformed one. Never raises."""
        return self._read_known(envelope) or self._walk(envelope)

    def _read_known(self, envelope: bytes) -> FeedEvent | None:
        topic, end = _topic(envelope)
        known = self._last_by_topic.get(topic)
        if known is None:
            return None
        feed_part, feed = known
        feed_begin = len(envelope) - len(feed_part)
        data_begin = end + len(_ONE_PAIR)
        if feed_begin <= data_begin or not envelope.startswith(_ONE_PAIR, end) or not envelope.endswith(feed_part):
            return None
        subscription, publication = _IDS.unpack_from(envelope, _IDS_OFFSET)
        return FeedEvent(subscription, publication, envelope, data_begin - 1, feed_begin, len(envelope), feed)

    def _walk(self, envelope: bytes) -> FeedEvent:
        ids: list[int] = []
        try:
            begin, feed_begin, end = _find_pair(envelope, ids)
        except (ValueError, TypeError, msgpack.UnpackException):
            subscription, publication = ids if len(ids) == 2 else (None, 0)
            return malformed_event(subscription, publication, envelope)
        feed_part = envelope[feed_begin:end]
        feed = self._feeds.look_up(feed_part)
        if feed is None:
            return malformed_event(ids[0], ids[1], envelope)
        self._learn(envelope, feed_part, feed)
        return FeedEvent(ids[0], ids[1], envelope, begin, feed_begin, end, feed)

    def _learn(self, envelope: bytes, feed_part: bytes, feed: FeedHeader) -> None:
        topic, _ = _topic(envelope)
        if topic and len(feed_part) <= _LONGEST_KNOWN_BYTES:
            if len(self._last_by_topic) >= _MOST_TOPICS:
                self._last_by_topic.clear()
            self._last_by_topic[topic] = (feed_part, feed)


def _topic(envelope: bytes) -> tuple[bytes, int]:
    """Return the packed topic of an event of the usual layout and where it ends; an empty one for other layouts."""
    usual = envelope.startswith(_USUAL_START) and envelope.startswith(_ONLY_A_TOPIC, _DETAILS_OFFSET)
    if not usual or len(envelope) < _TOPIC_OFFSET + 2 or envelope[_IDS_OFFSET + 8] != _UINT64:
        return b"", 0
    marker = envelope[_TOPIC_OFFSET]
    if marker == 0xD9:
        end = _TOPIC_OFFSET + 2 + envelope[_TOPIC_OFFSET + 1]
    elif 0xA0 <= marker < 0xC0:
        end = _TOPIC_OFFSET + 1 + (marker & 0x1F)
    else:
        return b"", 0
    return envelope[_TOPIC_OFFSET:end], end


def _find_pair(envelope: bytes, ids: list[int]) -> tuple[int, int, int]:
    """Return the offsets of the pair, of its feed part and of their end; the two ids are appended when read."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(envelope), strict_map_key=False)
    unpacker.feed(envelope)
    elements = unpacker.read_array_header()
    unpacker.skip()
    found = [_read_id(unpacker), _read_id(unpacker)]
    ids.extend(found)
    unpacker.skip()
    one_argument = elements in (5, 6) and unpacker.read_array_header() == 1
    begin = unpacker.tell()
    if not one_argument or unpacker.read_array_header() != 2:
        raise ValueError(_NOT_ONE_PAIR)
    unpacker.skip()
    feed_begin = unpacker.tell()
    unpacker.skip()
    end = unpacker.tell()
    if (elements == 6 and unpacker.read_map_header()) or unpacker.tell() != len(envelope):
        raise ValueError(_NOT_ONE_PAIR)
    return begin, feed_begin, end


def _read_id(unpacker: Any) -> int:
    number = unpacker.unpack()
    if not isinstance(number, int):
        raise TypeError(_NOT_ONE_PAIR)
    return number
