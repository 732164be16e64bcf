"""Recognises a message that the router delivers a second time."""

from __future__ import annotations

from ingest.event import FeedEvent

REMEMBERED = 8192
_TAIL_BYTES = 64


class RecentPublications:
    """Remembers the last few thousand publications, between one and two times `REMEMBERED`."""

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def seen_before(self, event: FeedEvent) -> bool:
        """Whether this publication came already; it is remembered from now on.

        Notes
        -----
        The router's number alone decides nothing about data: only a message of the same length, with the same bytes
        before its feed part (an OCS block ends with its timestamps), is the same one.
        """
        publication = event.publication
        begin = max(event.begin, event.feed_begin - _TAIL_BYTES)
        content = hash((event.end - event.begin, event.packed[begin : event.feed_begin]))
        if content in (self._young.get(publication), self._old.get(publication)):
            return True
        if len(self._young) >= REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[publication] = content
        return False
