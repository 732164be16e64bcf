"""Writes down what the router broadcasts on recordable feeds: ``python -m ingest.witness``.

It is how the values of an agent that keeps no ledger become known independently of the recorder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import SubscribeOptions

from aggregator.ledger import LedgerWriter
from ingest import companion


class Witness:
    """Subscribes like a recorder and writes down what it hears; the ledger exists as soon as it listens.

    Parameters
    ----------
    topic, match : str
        What to subscribe to, and how WAMP shall match it.
    ledger_path : Path
        Where to write down the recordable messages.
    """

    def __init__(self, topic: str, match: str, ledger_path: Path) -> None:
        self._topic = topic
        self._match = match
        self._ledger_path = ledger_path
        self._ledger: LedgerWriter | None = None

    async def joined(self, session: ApplicationSession) -> None:
        """Listen, or listen again."""
        # autobahn types only a part of itself
        options = SubscribeOptions(match=self._match)  # type: ignore[no-untyped-call]
        subscribed: Any = session.subscribe(self._heard, self._topic, options=options)
        await subscribed
        if self._ledger is None:
            self._ledger = LedgerWriter(self._ledger_path)

    def left(self) -> None:
        """Wait for the next session, which subscribes anew."""

    async def finish(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def _heard(self, message: Any) -> None:
        match message:
            case [dict(data), dict(feed)] if is_recordable(feed) and self._ledger is not None:
                self._ledger.add(data, feed)


def is_recordable(feed: dict[str, Any]) -> bool:
    """Tell whether a feed wants to be in the archive (OCS: Feed's record and agg_params).

    Parameters
    ----------
    feed : dict[str, Any]
        OCS's description of the feed.

    Returns
    -------
    bool
        True when it is recorded and not excluded from the aggregator.
    """
    params = feed.get("agg_params")
    excluded = params.get("exclude_aggregator") if isinstance(params, dict) else False
    return bool(feed.get("record")) and not excluded


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
    parser = companion.network_arguments("ingest.witness", "Write down what is broadcast on recordable feeds.")
    parser.add_argument("--feed", help="listen to this address only (default: every feed)")
    arguments = parser.parse_args(argv)
    topic, match = f"{arguments.address_root}..feeds.", "wildcard"
    if arguments.feed:
        topic, match = arguments.feed, "exact"
    return companion.run(Witness(topic, match, arguments.ledger), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
