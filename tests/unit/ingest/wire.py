"""WAMP EVENTs as a router puts them on the wire, and OCS's feed parts."""

from __future__ import annotations

from typing import Any

import msgpack

from ingest.event import FeedEvent
from ingest.feed_header import read_feed_header

FEEDS = 5417271236123456
ADDRESS = "observatory.thermometry.feeds.temperatures"


def feed_part(
    address: str = ADDRESS, *, record: Any = True, session_id: Any = "1700000000.5", **more: Any
) -> dict[str, Any]:
    """What OCS's Feed sends beside the data."""
    agent = address.rsplit(".feeds.", 1)[0]
    return {
        "agent_address": agent,
        "agg_params": {"frame_length": 60},
        "feed_name": address.rsplit(".", 1)[-1],
        "address": address,
        "record": record,
        "session_id": session_id,
        "agent_class": "ThermometryAgent",
        **more,
    }


def data_part(value: Any = 1.5, block: str = "temps", timestamp_s: float = 1.7e9) -> dict[str, Any]:
    """One row of one block."""
    return {block: {"block_name": block, "data": {"ch1": [value]}, "influxdb_tags": None, "timestamps": [timestamp_s]}}


def event_message(
    pair: Any, *, publication: int = 7212345678901234, subscription: int = FEEDS, topic: str = ADDRESS
) -> list[Any]:
    """The WAMP message a wildcard subscriber gets."""
    return [36, subscription, publication, {"topic": topic}, [pair]]


def feed_event(
    data: Any = None, feed: dict[str, Any] | None = None, *, publication: int = 1, subscription: int = FEEDS
) -> FeedEvent:
    """What a serializer makes of a message."""
    packed_data = msgpack.packb(data_part() if data is None else data)
    packed_feed = msgpack.packb(feed_part() if feed is None else feed)
    packed = b"\x92" + packed_data + packed_feed
    header = read_feed_header(packed_feed)
    return FeedEvent(subscription, publication, packed, 0, 1 + len(packed_data), len(packed), header)
