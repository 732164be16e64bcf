from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from aggregator.errors import LogSpaceError
from aggregator.log import Position
from ingest.bell_ringer import PACE_S, BellRinger


class FakeAppender:
    """A log whose next segment is wanted when a test says so."""

    def __init__(self) -> None:
        self.position = Position(5, 1, 4096)
        self.wants_next = False
        self.prepared = 0
        self.no_room = False

    def prepare_next(self) -> None:
        self.prepared += 1
        if self.no_room:
            raise LogSpaceError("no room")


class FakeBell:
    """Notes the rings."""

    def __init__(self) -> None:
        self.rings: list[tuple[Position, bool]] = []

    def ring(self, position: Position, *, hurry: bool = False) -> bool:
        self.rings.append((position, hurry))
        return True


class Bench:
    """A bell ringer with a clock that only moves when told to."""

    def __init__(self, in_thread: Callable[..., Deferred[object]] = maybeDeferred) -> None:
        self.appender = FakeAppender()
        self.bell = FakeBell()
        self.clock = Clock()
        self.ringer = BellRinger(self.appender, self.bell, self.clock, in_thread=in_thread)


def test_a_thousand_messages_ring_once() -> None:
    bench = Bench()
    for _ in range(1000):
        bench.ringer.committed()
    assert bench.bell.rings == []
    bench.clock.advance(PACE_S)
    assert bench.bell.rings == [(Position(5, 1, 4096), False)]
    bench.clock.advance(10)
    assert len(bench.bell.rings) == 1
    bench.ringer.committed()
    bench.clock.advance(PACE_S)
    assert len(bench.bell.rings) == 2


def test_somebody_who_waits_rings_at_once_and_in_a_hurry() -> None:
    bench = Bench()
    bench.ringer.ring()
    assert bench.bell.rings == [(Position(5, 1, 4096), True)]


def test_the_next_segment_is_prepared_when_it_is_wanted() -> None:
    bench = Bench()
    bench.ringer.ring()
    assert bench.appender.prepared == 0
    bench.appender.wants_next = True
    bench.ringer.ring()
    assert bench.appender.prepared == 1


def test_one_segment_is_prepared_at_a_time() -> None:
    waiting: list[Deferred[object]] = []

    def later(_function: object) -> Deferred[object]:
        waiting.append(Deferred())
        return waiting[-1]

    bench = Bench(later)
    bench.appender.wants_next = True
    bench.ringer.ring()
    bench.ringer.ring()
    assert len(waiting) == 1
    waiting[0].callback(None)
    bench.ringer.ring()
    assert len(waiting) == 2


def test_no_room_for_the_next_segment_is_tried_again() -> None:
    bench = Bench()
    bench.appender.wants_next = bench.appender.no_room = True
    bench.ringer.ring()
    bench.ringer.ring()
    assert bench.appender.prepared == 2
