"""Which provider takes which rows: providers by feed session and field set, and when each is due."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from aggregator.settings import Caps
from writer.message import FeedHeader
from writer.provider import Provider

FeedKey: TypeAlias = "tuple[str, str]"
BlockShape: TypeAlias = "tuple[str, frozenset[str]]"


class Registry:
    """The providers of a session.

    A block that comes with other fields than before goes to another provider of the same feed session, active side
    by side. Since the place of a (block, field set) never changes while its provider lives, a replay finds every
    row's provider again.

    Parameters
    ----------
    caps : Caps
        Most providers, and most blocks of one.

    Attributes
    ----------
    active : dict of int to Provider
        By `prov_id`, in the order in which they came.
    next_prov_id : int
        Never used before in this session.
    changed_at_ns : int or None
        Receive time of the earliest message that changed the set of active providers since the last status frame.
    """

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._tie = itertools.count()
        self.clear()

    def clear(self) -> None:
        """Forget everything: the session has ended."""
        self.active: dict[int, Provider] = {}
        self.next_prov_id = 0
        self.changed_at_ns: int | None = None
        self._routes: dict[FeedKey, dict[BlockShape, Provider]] = {}
        self._retired: dict[int, Provider] = {}
        self._due: list[tuple[int, int, Provider]] = []

    def provider_for(
        self, feed: FeedHeader, block: str, fields: tuple[str, ...], *, sequence: int, received_ns: int
    ) -> Provider | None:
        """Return the provider of a block with these fields; None where a cap forbids one more.

        Parameters
        ----------
        feed : FeedHeader
            The feed session.
        block : str
            Block name.
        fields : tuple of str
            Its fields, in any order.
        sequence, received_ns : int
            Sequence number and receive time of the message.
        """
        routes = self._routes.setdefault((feed.address, feed.session_id), {})
        shape = (block, frozenset(fields))
        provider = routes.get(shape)
        if provider is None:
            provider = self._place(routes, feed, block, fields, received_ns)
            if provider is not None:
                provider.adopt(block, fields, taken_from=sequence)
                routes[shape] = provider
        return provider

    def revive(
        self, retired: Provider, block: str, fields: tuple[str, ...], *, sequence: int, received_ns: int
    ) -> Provider | None:
        """Return a fresh provider for rows whose provider was retired before they came."""
        routes = self._routes[retired.feed.address, retired.feed.session_id]
        for shape in [shape for shape, provider in routes.items() if provider is retired]:
            del routes[shape]
        return self.provider_for(retired.feed, block, fields, sequence=sequence, received_ns=received_ns)

    def is_retired(self, provider: Provider) -> bool:
        """Whether a provider has been removed and is remembered only for the replay."""
        return provider.prov_id in self._retired

    def refresh(self, feed: FeedHeader, received_ns: int) -> None:
        """Note a message without rows: it keeps its feed's providers from going stale."""
        for provider in set(self._routes.get((feed.address, feed.session_id), {}).values()):
            provider.last_received_ns = max(provider.last_received_ns, received_ns)

    def schedule(self, provider: Provider) -> None:
        """Put a provider into the due queue when its next due time is earlier than the one it is queued for."""
        frame_due_ns = provider.frame_due_ns
        due_ns = provider.stale_due_ns if frame_due_ns is None else min(frame_due_ns, provider.stale_due_ns)
        if not provider.due_ns or due_ns < provider.due_ns:
            provider.due_ns = due_ns
            heapq.heappush(self._due, (due_ns, next(self._tie), provider))

    def take_due(self, horizon_ns: int) -> tuple[list[Provider], list[Provider]]:
        """Return the providers whose frame is due and those that are stale, and queue the others again."""
        frames, stale = [], []
        while self._due and self._due[0][0] <= horizon_ns:
            queued_ns, _, provider = heapq.heappop(self._due)
            if provider.prov_id not in self.active or queued_ns != provider.due_ns:
                continue
            provider.due_ns = 0
            if provider.stale_due_ns <= horizon_ns:
                stale.append(provider)
            elif provider.frame_due_ns is not None and provider.frame_due_ns <= horizon_ns:
                frames.append(provider)
            else:
                self.schedule(provider)
        return frames, stale

    def retire(self, provider: Provider, received_ns: int) -> None:
        """Remove a provider whose rows are all in the archive."""
        del self.active[provider.prov_id]
        self._retired[provider.prov_id] = provider
        self._note_change(received_ns)

    def forget_retired(self, replay_from: int) -> None:
        """Forget the retired providers that no replay can meet any more."""
        for provider in [p for p in self._retired.values() if p.high_water < replay_from]:
            del self._retired[provider.prov_id]
            key = (provider.feed.address, provider.feed.session_id)
            routes = {shape: p for shape, p in self._routes.get(key, {}).items() if p is not provider}
            self._routes[key] = routes
            if not routes:
                del self._routes[key]

    def pending(self) -> Iterator[Provider]:
        """Yield the active providers that have a growing frame."""
        return (p for p in self.active.values() if p.pending_since_ns is not None)

    def to_checkpoint(self) -> list[Any]:
        """Return the state of all providers, the retired ones that a replay can meet included."""
        return [
            self.next_prov_id,
            [provider.to_checkpoint() for provider in self.active.values()],
            [provider.to_checkpoint() for provider in self._retired.values()],
        ]

    def restore(self, state: list[Any]) -> None:
        """Become what a checkpoint says, with nothing pending."""
        self.clear()
        self.next_prov_id, active, retired = state
        self.active = {p.prov_id: p for p in map(Provider.from_checkpoint, active)}
        self._retired = {p.prov_id: p for p in map(Provider.from_checkpoint, retired)}
        # A shape that was retired and came back is the active provider's.
        for provider in itertools.chain(self._retired.values(), self.active.values()):
            self._route_all(provider, provider.blocks)
        for provider in self.active.values():
            self.schedule(provider)

    def _route_all(self, provider: Provider, blocks: Iterable[str]) -> None:
        routes = self._routes.setdefault((provider.feed.address, provider.feed.session_id), {})
        for name in blocks:
            routes[name, frozenset(provider.blocks[name].fields)] = provider

    def _place(
        self,
        routes: dict[BlockShape, Provider],
        feed: FeedHeader,
        block: str,
        fields: tuple[str, ...],
        received_ns: int,
    ) -> Provider | None:
        for provider in dict.fromkeys(routes.values()):
            if provider.prov_id in self.active and provider.has_room_for(block, fields, self._caps.blocks_per_feed):
                return provider
        if len(self.active) >= self._caps.providers:
            return None
        provider = Provider(prov_id=self.next_prov_id, feed=feed)
        provider.last_received_ns = received_ns
        self.next_prov_id += 1
        self.active[provider.prov_id] = provider
        self._note_change(received_ns)
        return provider

    def _note_change(self, received_ns: int) -> None:
        if self.changed_at_ns is None or received_ns < self.changed_at_ns:
            self.changed_at_ns = received_ns
