"""Publishes the simulated site over WAMP in real time: ``python -m ingest.simulate``.

It keeps a ledger of what the router has acknowledged, which `writer.audit` holds against the archive.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import TransportLost
from autobahn.wamp.types import PublishOptions
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from aggregator.ledger import LedgerWriter
from aggregator.simulation import SimulatedMessage, SimulatedSite
from ingest import companion

_TICK_S = 0.02
_LAST_ACKNOWLEDGEMENTS_S = 5.0
_ACKNOWLEDGED = PublishOptions(acknowledge=True)  # type: ignore[no-untyped-call] # autobahn types only a part of itself
_SECOND_NS = 1_000_000_000


class SitePublisher:
    """Publishes a simulated site and writes down what the router took.

    The site comes up, and its ledger into being, when there is a router. A message that falls due while
    there is none is never published, as with OCS's agents.

    Parameters
    ----------
    make_site : Callable[[int], SimulatedSite]
        Makes the site from its start, Unix nanoseconds.
    ledger_path : Path
        Where to write down the recordable messages.
    clock : Any
        Twisted's IReactorTime; its seconds are Unix time.
    """

    def __init__(self, make_site: Callable[[int], SimulatedSite], ledger_path: Path, clock: Any) -> None:
        self._make_site = make_site
        self._ledger_path = ledger_path
        self._clock = clock
        self._ledger: LedgerWriter | None = None
        self._session: ApplicationSession | None = None
        self._unacknowledged: dict[int, SimulatedMessage] = {}
        self._all_settled: Deferred[None] | None = None
        self._ticking: LoopingCall | None = None

    async def joined(self, session: ApplicationSession) -> None:
        """Publish from now on through a session."""
        self._session = session
        if self._ticking is None:
            self._ledger = LedgerWriter(self._ledger_path)
            self._due_from_ns = self._now_ns()
            self._site = self._make_site(self._due_from_ns)
            self._ticking = LoopingCall(self._tick)
            self._ticking.clock = self._clock
            self._ticking.start(_TICK_S)

    def left(self) -> None:
        """Publish nothing until there is a session again; what had not been acknowledged is doubtful."""
        self._session = None
        for message in list(self._unacknowledged.values()):
            self._settle(message, certain=False)

    async def finish(self) -> None:
        """Stop publishing and wait for the last acknowledgements."""
        if self._ticking is not None and self._ticking.running:
            self._ticking.stop()
        if self._unacknowledged:
            self._all_settled = Deferred()
            self._clock.callLater(_LAST_ACKNOWLEDGEMENTS_S, self.left)
            await self._all_settled
        if self._ledger is not None:
            self._ledger.close()

    def _now_ns(self) -> int:
        return int(self._clock.seconds() * _SECOND_NS)

    def _tick(self) -> None:
        until_ns = max(self._now_ns(), self._due_from_ns)
        due = self._site.messages(until_ns, from_ns=self._due_from_ns)
        self._due_from_ns = until_ns
        for message in due:
            if self._session is not None:
                self._publish(message, self._session)

    def _publish(self, message: SimulatedMessage, session: ApplicationSession) -> None:
        event = (message.data, message.feed)
        try:
            if not message.recordable:
                session.publish(message.topic, event)
                return
            answer: Any = session.publish(message.topic, event, options=_ACKNOWLEDGED)
        except TransportLost:
            return
        self._unacknowledged[id(message)] = message
        answer.addCallbacks(
            lambda _: self._settle(message, certain=True), lambda _: self._settle(message, certain=False)
        )

    def _settle(self, message: SimulatedMessage, *, certain: bool) -> None:
        if self._unacknowledged.pop(id(message), None) is None or self._ledger is None:
            return
        self._ledger.add(message.data, message.feed, certain=certain)
        if self._all_settled is not None and not self._unacknowledged:
            self._all_settled.callback(None)


def main(argv: Sequence[str]) -> str | None:
    """Run the program.

    Parameters
    ----------
    argv : Sequence[str]
        Its arguments.

    Returns
    -------
    str | None
        What went wrong, as `sys.exit` takes it; None when nothing did.
    """
    parser = companion.network_arguments("ingest.simulate", "Publish the feeds of a simulated site in real time.")
    parser.add_argument("--seed", type=int, default=1, help="decides the noise (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1, help="1 is about 100 feeds (default: %(default)s)")
    arguments = parser.parse_args(argv)

    def make_site(start_ns: int) -> SimulatedSite:
        return SimulatedSite(arguments.seed, start_ns, arguments.scale, arguments.address_root)

    return companion.run(SitePublisher(make_site, arguments.ledger, companion.reactor), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
