"""Who is told what: one queue for each open page, none of which can hold up another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MOST_STREAMS = 64
BEHIND_FROM = 8
"""A page that has not taken so many looks gets no more; it comes back by itself and is told everything anew."""


class Subscription:
    """The looks that one page has yet to be told of."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(BEHIND_FROM)

    def put(self, event: bytes | None) -> bool:
        """Add an event, or the end; False when the page is too far behind."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """Let no more come."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self.put(None)

    async def next(self) -> bytes | None:
        """Wait for an event; None for the end."""
        return await self._queue.get()


class Subscriptions:
    """All open pages."""

    def __init__(self) -> None:
        self._open: set[Subscription] = set()
        self._streams = 0
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether no further stream should be opened."""
        return self.is_closed or self._streams >= MOST_STREAMS

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a stream while it is open."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    @contextmanager
    def subscribed(self) -> Iterator[Subscription]:
        """Subscribe for a while."""
        subscription = Subscription()
        self._open.add(subscription)
        try:
            yield subscription
        finally:
            self._open.discard(subscription)

    def tell(self, name: str, text: str) -> None:
        """Tell every page."""
        event = server_sent_event(name, text)
        for subscription in list(self._open):
            if not subscription.put(event):
                subscription.end()
                self._open.discard(subscription)

    def close(self) -> None:
        """End every subscription."""
        self.is_closed = True
        for subscription in self._open:
            subscription.end()


def server_sent_event(name: str, text: str) -> bytes:
    """Return an event as it goes over the wire; the text must be one line."""
    return f"event: {name}\ndata: {text}\n\n".encode()
