from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import autobahn.wamp.message
import autobahn.wamp.role
import msgpack
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ingest.event import FeedEvent, malformed_event
from ingest.serializers import all_serializers
from ingest.session import GHOST_PAUSE_S, FeedSession
from tests.unit.ingest.wire import FEEDS, data_part, event_message, feed_event, feed_part

wamp: Any = autobahn.wamp.message  # partly typed, so that mypy would object to each use
role: Any = autobahn.wamp.role
OTHER = 77


class FakeIntake:
    """Notes what it is told; refuses to take when broken."""

    def __init__(self) -> None:
        self.taken: list[FeedEvent] = []
        self.refused: list[FeedEvent] = []
        self.transport: list[str] = []
        self.broken = False

    def take(self, event: FeedEvent, now_ns: int) -> bool:
        assert now_ns == 5
        if self.broken:
            raise ZeroDivisionError
        self.taken.append(event)
        return True

    def refuse(self, event: FeedEvent, now_ns: int) -> None:
        assert now_ns == 5
        self.refused.append(event)

    def transport_lost(self, now_ns: int) -> None:
        assert now_ns == 5
        self.transport.append("lost")

    def transport_joined(self, now_ns: int) -> None:
        assert now_ns == 5
        self.transport.append("joined")


class FakeRouter:
    """The other end of a session, which answers when told to."""

    def __init__(self, session: FeedSession) -> None:
        self.session = session
        self.received: list[Any] = []
        self.is_closed: Deferred[None] = Deferred()
        self.transport_details = None
        self._serializer = all_serializers(session.take_event)[0]
        session.onOpen(self)
        roles = {"broker": role.RoleBrokerFeatures(), "dealer": role.RoleDealerFeatures()}
        session.onMessage(wamp.Welcome(1, roles, realm="realm"))

    def send(self, message: Any) -> None:
        self.received.append(message)

    def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        self.session.onClose(False)

    def of_kind(self, kind: Any) -> list[Any]:
        return [message for message in self.received if isinstance(message, kind)]

    def accept_subscription(self, subscription: int = FEEDS) -> None:
        (request,) = self.of_kind(wamp.Subscribe)[-1:]
        self.session.onMessage(wamp.Subscribed(request.request, subscription))

    def accept_registration(self) -> None:
        request = self.of_kind(wamp.Register)[-1]
        self.session.onMessage(wamp.Registered(request.request, request.request))

    def refuse_registration(self, error: str) -> None:
        request = self.of_kind(wamp.Register)[-1]
        self.session.onMessage(wamp.Error(wamp.Register.MESSAGE_TYPE, request.request, error))

    def join(self) -> None:
        self.accept_subscription()
        self.accept_registration()
        self.accept_registration()

    def deliver(self, message: list[Any]) -> None:
        for decoded in self._serializer.unserialize(msgpack.packb(message), True):
            self.session.onMessage(decoded)


class Bench:
    """A session between a fake intake and fake routers."""

    def __init__(self) -> None:
        self.intake = FakeIntake()
        self.committed = 0
        self.clock = Clock()
        site = argparse.Namespace(
            instance_id="aggregator",
            address_root="observatory",
            agent_class="AggregatorAgent",
            site_realm="realm",
            access_policy=None,
            log_dir=None,
            working_dir=None,
            crossbar_timeout=0,
        )
        self.session = FeedSession(
            site, intake=self.intake, committed=self._count, clock_ns=lambda: 5, reactor=self.clock
        )

    def _count(self) -> None:
        self.committed += 1

    def connect(self) -> FakeRouter:
        return FakeRouter(self.session)

    def stop_heartbeat(self) -> None:
        if self.session.heartbeat_call is not None and self.session.heartbeat_call.running:
            self.session.heartbeat_call.stop()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A session; signal handlers are left as they are."""
    monkeypatch.setattr("ocs.ocs_agent.signal.signal", lambda *_: None)
    made = Bench()
    yield made
    made.stop_heartbeat()


def test_feeds_are_subscribed_to_before_anything_is_registered(bench: Bench) -> None:
    router = bench.connect()
    (subscribe,) = router.of_kind(wamp.Subscribe)
    assert (subscribe.topic, subscribe.match) == ("observatory..feeds.", "wildcard")
    assert router.of_kind(wamp.Register) == []
    assert not bench.session.connected
    router.join()
    assert bench.session.connected
    assert bench.intake.transport == ["joined"]
    names = [register.procedure for register in router.of_kind(wamp.Register)]
    assert names == ["observatory.aggregator.ops", "observatory.aggregator"]


def test_messages_of_feeds_go_to_the_intake_and_are_announced(bench: Bench) -> None:
    router = bench.connect()
    router.accept_subscription()
    router.deliver(event_message([data_part(), feed_part()]))
    assert len(bench.intake.taken) == bench.committed == 1


def test_messages_packed_in_an_unusual_way_reach_the_intake_too(bench: Bench) -> None:
    router = bench.connect()
    router.accept_subscription()
    for arguments in ([[data_part(), feed_part()]], ["no pair"], None):
        bench.session.onMessage(wamp.Event(FEEDS, 7, args=arguments, topic="t"))
    good, bad, empty = bench.intake.taken
    assert msgpack.unpackb(good.packed) == [data_part(), feed_part()]
    assert bad.feed is None
    assert b"no pair" in bad.packed
    assert empty.feed is None


def test_events_of_other_subscriptions_reach_their_handlers(bench: Bench) -> None:
    router = bench.connect()
    router.join()
    heard: list[Any] = []
    bench.session.subscribe(heard.append, "observatory.director.feeds.controls")
    router.accept_subscription(OTHER)
    router.deliver(event_message(["rules", {}], subscription=OTHER))
    assert heard == [["rules", {}]]
    assert bench.intake.taken == []


def test_events_of_an_unknown_subscription_cost_nothing(bench: Bench) -> None:
    router = bench.connect()
    router.join()
    router.deliver(event_message(["x", {}], subscription=12345))
    assert bench.session.connected


def test_nothing_is_taken_before_the_subscription_is_confirmed(bench: Bench) -> None:
    bench.connect()
    assert not bench.session.take_event(feed_event())
    assert not bench.session.take_event(malformed_event(None, 0, b""))


def test_an_event_without_readable_ids_is_taken_for_a_feeds(bench: Bench) -> None:
    bench.connect().accept_subscription()
    assert bench.session.take_event(malformed_event(None, 0, b"?"))


def test_a_failing_intake_costs_the_message_and_not_the_connection(bench: Bench) -> None:
    router = bench.connect()
    router.accept_subscription()
    bench.intake.broken = True
    router.deliver(event_message([data_part(), feed_part()]))
    assert len(bench.intake.refused) == 1
    assert bench.committed == 0


def test_a_hundred_reconnects_leave_one_subscription(bench: Bench) -> None:
    for _ in range(100):
        router = bench.connect()
        router.join()
        assert len(router.of_kind(wamp.Subscribe)) == 1
        assert router.of_kind(wamp.Unsubscribe) == []
        router.deliver(event_message([data_part(), feed_part()]))
        router.drop()
        assert not bench.session.connected
    assert bench.intake.transport == ["joined", "lost"] * 100
    assert len(bench.intake.taken) == 100


def test_a_former_self_at_the_router_is_waited_for_while_recording(bench: Bench) -> None:
    router = bench.connect()
    router.accept_subscription()
    for _ in range(3):
        router.refuse_registration("wamp.error.procedure_already_exists")
        router.deliver(event_message([data_part(), feed_part()]))
        bench.clock.advance(GHOST_PAUSE_S)
    assert len(bench.intake.taken) == 3
    assert router.of_kind(wamp.Goodbye) == []
    router.accept_registration()
    router.accept_registration()
    assert bench.session.realm_joined


def test_waiting_for_a_former_self_ends_with_the_connection(bench: Bench) -> None:
    first = bench.connect()
    first.accept_subscription()
    first.refuse_registration("wamp.error.procedure_already_exists")
    first.drop()
    second = bench.connect()
    second.join()
    before = len(second.of_kind(wamp.Register))
    bench.clock.advance(GHOST_PAUSE_S)
    assert len(second.of_kind(wamp.Register)) == before == 2


def test_a_router_that_allows_no_registration_is_left(bench: Bench) -> None:
    router = bench.connect()
    router.accept_subscription()
    router.refuse_registration("wamp.error.not_authorized")
    assert len(router.of_kind(wamp.Goodbye)) == 1


def test_a_router_that_allows_no_subscription_is_left(bench: Bench) -> None:
    router = bench.connect()
    (request,) = router.of_kind(wamp.Subscribe)
    bench.session.onMessage(wamp.Error(wamp.Subscribe.MESSAGE_TYPE, request.request, "wamp.error.not_authorized"))
    assert len(router.of_kind(wamp.Goodbye)) == 1
    assert not bench.session.connected


def test_a_goodbye_of_the_router_ends_no_operation(bench: Bench) -> None:
    stopped: list[str] = []
    router = bench.connect()
    router.join()
    bench.session.sessions["record"] = argparse.Namespace(status="running")
    bench.session.stop = lambda name, **_: stopped.append(name)
    bench.session.onMessage(wamp.Goodbye("wamp.close.normal"))
    assert stopped == []
    bench.session.end_operations()
    assert stopped == ["record"]
