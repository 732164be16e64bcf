"""The feed part of a message: the few of its keys that decide whether and where a message is recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgpack

DEFAULT_FRESH_TIME_S = 180.0
LARGEST_CACHED_BYTES = 16 << 10
MOST_CACHED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHeader:
    """What ingest needs to know of a feed.

    Parameters
    ----------
    address : str
        `{address_root}.{instance}.feeds.{name}`.
    session_id : str
        The publishing agent's session.
    recorded : bool
        Whether messages of this feed go to the archive.
    fresh_time_s : float
        Seconds without a message after which the feed is stale.
    """

    address: str
    session_id: str
    recorded: bool
    fresh_time_s: float = DEFAULT_FRESH_TIME_S


def read_feed_header(packed: bytes) -> FeedHeader | None:
    """Read the msgpack of a feed part by the rules of OCS's Feed; None when it is not one."""
    try:
        feed = msgpack.unpackb(packed)
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    if not isinstance(feed, dict) or "record" not in feed or not isinstance(feed.get("address"), str):
        return None
    parameters = feed.get("agg_params")
    if not isinstance(parameters, dict):
        parameters = {}
    return FeedHeader(
        address=feed["address"],
        session_id=str(feed.get("session_id")),
        recorded=bool(feed["record"]) and not parameters.get("exclude_aggregator"),
        fresh_time_s=_positive_or(parameters.get("fresh_time"), DEFAULT_FRESH_TIME_S),
    )


def _positive_or(value: Any, default: float) -> float:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 and math.isfinite(value)
    return float(value) if usable else default


class FeedCache:
    """Feed headers by the bytes of their feed part, which hardly ever change."""

    def __init__(self) -> None:
        self._headers: dict[bytes, FeedHeader | None] = {}

    def look_up(self, packed: bytes) -> FeedHeader | None:
        """Return the header of a feed part; None when it cannot be read."""
        try:
            return self._headers[packed]
        except KeyError:
            header = read_feed_header(packed)
        if len(packed) <= LARGEST_CACHED_BYTES:
            if len(self._headers) >= MOST_CACHED:
                # Starting over costs a few microseconds per feed; publishers that change theirs must not cost memory.
                self._headers.clear()
            self._headers[packed] = header
        return header
