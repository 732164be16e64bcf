from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

from aggregator.ledger import LedgerEntry, read_ledger
from aggregator.simulation import SimulatedSite
from ingest.simulate import SitePublisher
from ingest.witness import is_recordable

START_S = 1_790_000_000


class Router:
    """Stands in for a session: takes messages and acknowledges them when told to."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.waiting: list[Deferred[None]] = []
        self.is_lost = False

    def publish(self, topic: str, _event: object, options: Any = None) -> Deferred[None] | None:
        if self.is_lost:
            raise TransportLost
        self.topics.append(topic)
        if options is None:
            return None
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def acknowledge(self) -> int:
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.callback(None)
        return len(waiting)


class Rig:
    """A publisher of a small site that comes up at once."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = Clock()
        self.clock.advance(START_S)
        self.router = Router()
        self.ledger = tmp_path / "ledger"
        self.publisher = SitePublisher(lambda start_ns: SimulatedSite(1, start_ns, 0.01), self.ledger, self.clock)
        self.join(self.router)

    def join(self, router: Router) -> None:
        ensureDeferred(self.publisher.joined(router))  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds * 10))

    def entries(self, *, certain: bool) -> list[LedgerEntry]:
        return [entry for entry in read_ledger(self.ledger) if entry.certain is certain]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    ensureDeferred(rig.publisher.finish())
    rig.advance(6)


def test_only_what_the_router_has_acknowledged_is_in_the_ledger(rig: Rig) -> None:
    rig.advance(3)
    assert list(read_ledger(rig.ledger)) == []
    acknowledged = rig.router.acknowledge()
    assert acknowledged > 5
    assert len(rig.entries(certain=True)) == acknowledged
    assert rig.entries(certain=False) == []


def test_what_must_not_be_recorded_is_published_and_not_in_the_ledger(rig: Rig) -> None:
    rig.advance(3)
    rig.router.acknowledge()
    unlisted = set(rig.router.topics) - {entry.address for entry in read_ledger(rig.ledger)}
    assert {topic.rsplit(".", 1)[1] for topic in unlisted} == {"heartbeat", "acu_status_influx"}


def test_a_message_without_an_answer_when_the_router_is_lost_is_doubtful(rig: Rig) -> None:
    rig.advance(2)
    certain = rig.router.acknowledge()
    rig.advance(2)
    doubtful = len(rig.router.waiting)
    rig.publisher.left()
    assert (len(rig.entries(certain=True)), len(rig.entries(certain=False))) == (certain, doubtful)
    rig.router.acknowledge()
    assert len(list(read_ledger(rig.ledger))) == certain + doubtful


def test_a_message_that_the_router_refuses_is_doubtful(rig: Rig) -> None:
    rig.advance(2)
    refusal = ApplicationError("wamp.error.not_authorized")  # type: ignore[no-untyped-call] # autobahn's is untyped
    rig.router.waiting.pop(0).errback(refusal)
    assert len(rig.entries(certain=False)) == 1


def test_what_falls_due_without_a_router_is_never_published(rig: Rig) -> None:
    rig.advance(2)
    rig.publisher.left()
    before = len(rig.router.topics)
    rig.advance(60)
    again = Router()
    rig.join(again)
    rig.advance(2)
    assert len(rig.router.topics) == before
    assert 0 < len(again.topics) < 2 * before


def test_a_transport_that_is_lost_while_publishing_costs_only_the_message(rig: Rig) -> None:
    rig.router.is_lost = True
    rig.advance(2)
    rig.router.is_lost = False
    rig.advance(2)
    assert rig.router.acknowledge()


def test_the_end_waits_for_the_last_acknowledgements(rig: Rig) -> None:
    rig.advance(2)
    finished = ensureDeferred(rig.publisher.finish())
    assert not finished.called
    published = len(rig.router.topics)
    rig.advance(1)
    assert len(rig.router.topics) == published
    acknowledged = rig.router.acknowledge()
    assert finished.called
    assert len(rig.entries(certain=True)) == acknowledged


def test_the_end_does_not_wait_for_ever(rig: Rig) -> None:
    rig.advance(2)
    waiting = len(rig.router.waiting)
    finished = ensureDeferred(rig.publisher.finish())
    rig.advance(6)
    assert finished.called
    assert len(rig.entries(certain=False)) == waiting


@pytest.mark.parametrize(
    ("feed", "recordable"),
    [
        ({"record": True, "agg_params": {}}, True),
        ({"record": True, "agg_params": None}, True),
        ({"record": True}, True),
        ({"record": True, "agg_params": {"exclude_aggregator": False}}, True),
        ({"record": True, "agg_params": {"exclude_aggregator": True}}, False),
        ({"record": False, "agg_params": {}}, False),
        ({}, False),
    ],
)
def test_a_witness_knows_which_feeds_want_to_be_recorded(feed: dict[str, Any], recordable: bool) -> None:
    assert is_recordable(feed) is recordable
