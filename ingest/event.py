"""What the serializers hand to the intake: one message, whatever the router speaks."""

from __future__ import annotations

from typing import NamedTuple

from ingest.feed_header import FeedHeader


class FeedEvent(NamedTuple):
    """One WAMP EVENT with its body left packed; a tuple because one is made for every message.

    Attributes
    ----------
    subscription : int or None
        Subscription id; None when it cannot be read.
    publication : int
        Publication id, 0 when it cannot be read.
    packed : bytes
        Bytes that hold the msgpack of `[data, feed]`.
    begin, feed_begin, end : int
        Where in `packed` the pair begins, where its feed part begins and where both end.
    feed : FeedHeader or None
        The feed part; None for a malformed event, whose `packed` is all that came.
    """

    subscription: int | None
    publication: int
    packed: bytes
    begin: int
    feed_begin: int
    end: int
    feed: FeedHeader | None


def malformed_event(subscription: int | None, publication: int, packed: bytes) -> FeedEvent:
    """Wrap the bytes of an event that is not one `[data, feed]` pair, so that they can be quarantined whole."""
    return FeedEvent(subscription, publication, packed, 0, len(packed), len(packed), None)
