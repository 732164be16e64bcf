from __future__ import annotations

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.counters import Counters
from aggregator.layout import MALFORMED, RecordKind
from aggregator.records import Gap, SessionStart, SessionStop
from aggregator.settings import Caps
from ingest.event import FeedEvent, malformed_event
from ingest.intake import UNREADABLE, Intake
from tests.unit.ingest.fake_log import FakeLog
from tests.unit.ingest.wire import ADDRESS, FEEDS, data_part, feed_event, feed_part

S = 1_000_000_000
SESSION = SessionStart(
    session_id=42,
    start_ns=1,
    description="HK data",
    data_dir="/data/hk",
    time_per_file_s=3600,
    max_file_bytes=10**9,
    fsync="rotate",
    buffer_bytes=1 << 20,
)


class Bench:
    """An intake on a fake log, recording."""

    def __init__(self, *, started: bool = True) -> None:
        self.log = FakeLog()
        self.counters = Counters("ingest")
        self.intake = Intake(self.log, self.counters, caps=Caps(providers=3))
        if started:
            assert self.intake.start(SESSION, 1)

    def take(self, event: FeedEvent, now_ns: int = S) -> bool:
        return self.intake.take(event, now_ns)

    def count(self, name: str) -> int:
        return self.counters.total(name)

    def check_sums(self) -> None:
        assert self.count("received") == self.count("committed") + self.count("rejected") + self.count("dropped")


def test_a_message_goes_to_the_log_as_it_came() -> None:
    bench = Bench()
    event = feed_event()
    assert bench.take(event, 5 * S)
    (record,) = bench.log.of_kind(RecordKind.MESSAGE)
    assert record == (RecordKind.MESSAGE, event.packed, 5 * S, 0)
    assert msgpack.unpackb(record.payload) == [data_part(), feed_part()]


def test_only_the_pair_of_a_longer_envelope_goes_to_the_log() -> None:
    bench = Bench()
    event = feed_event()
    longer = event._replace(
        packed=b"head" + event.packed + b"tail", begin=4, feed_begin=4 + event.feed_begin, end=4 + event.end
    )
    assert bench.take(longer)
    assert bench.log.of_kind(RecordKind.MESSAGE)[0].payload == event.packed


def test_a_session_begins_and_ends_with_its_records() -> None:
    bench = Bench()
    assert bench.log.preamble == SESSION.to_bytes()
    assert bench.intake.stop(9 * S) == 2
    first, last = bench.log.records
    assert SessionStart.from_bytes(first.payload) == SESSION
    assert SessionStop.from_bytes(last.payload).stop_ns == 9 * S
    assert bench.log.preamble is None
    assert bench.intake.stop(9 * S) is None


def test_nothing_is_recorded_while_idle() -> None:
    bench = Bench(started=False)
    assert not bench.take(feed_event())
    bench.intake.start(SESSION, 1)
    bench.intake.stop(2)
    assert not bench.take(feed_event(publication=2))
    assert bench.log.of_kind(RecordKind.MESSAGE) == []
    assert bench.count("ignored") == 2
    assert bench.count("received") == 0


def test_feeds_that_ask_not_to_be_recorded_are_ignored() -> None:
    bench = Bench()
    assert not bench.take(feed_event(feed=feed_part(record=False)))
    assert not bench.take(feed_event(feed=feed_part(agg_params={"exclude_aggregator": True})))
    assert bench.count("ignored") == 2
    assert bench.count("received") == 0


def test_feeds_with_useless_parameters_are_recorded() -> None:
    bench = Bench()
    useless: tuple[object, ...] = (None, [], "x", 5, {"exclude_aggregator": False}, {"fresh_time": "long"})
    for number, parameters in enumerate(useless):
        assert bench.take(feed_event(feed=feed_part(agg_params=parameters), publication=number))
    without = feed_part()
    del without["agg_params"]
    assert bench.take(feed_event(feed=without, publication=99))


def test_a_malformed_message_is_committed_with_its_flag() -> None:
    bench = Bench()
    assert bench.take(malformed_event(FEEDS, 1, b"\x95\x24 what is this"))
    (record,) = bench.log.of_kind(RecordKind.MESSAGE)
    assert record.flags == MALFORMED
    assert record.payload == b"\x95\x24 what is this"
    bench.check_sums()


def test_a_message_that_comes_twice_is_recorded_once() -> None:
    bench = Bench()
    assert bench.take(feed_event(publication=7))
    assert not bench.take(feed_event(publication=7))
    assert bench.take(feed_event(publication=8))
    assert bench.count("duplicates") == 1
    assert bench.count("received") == 2


def test_a_router_that_numbers_badly_costs_no_data() -> None:
    bench = Bench()
    for row in range(10):
        assert bench.take(feed_event(data_part(timestamp_s=1.7e9 + row), publication=0))
    assert bench.count("duplicates") == 0


def test_a_repetition_is_recognised_among_thousands() -> None:
    bench = Bench()
    for number in range(20_000):
        bench.take(feed_event(publication=number))
    assert not bench.take(feed_event(publication=15_000))


def test_an_oversize_message_is_rejected_and_leaves_a_gap() -> None:
    bench = Bench()
    assert not bench.take(feed_event(data_part("x" * 20_000)), 2 * S)
    bench.intake.stop(9 * S)
    assert bench.counters.snapshot()["rejected"] == {"oversize": 1}
    assert bench.log.gaps() == [Gap(from_ns=2 * S, to_ns=2 * S, reason="oversize", counts={ADDRESS: 1})]
    bench.check_sums()


def test_a_full_log_drops_the_newest_and_says_exactly_what_when_there_is_room_again() -> None:
    bench = Bench()
    other = "observatory.other.feeds.x"
    bench.log.full = True
    for second in range(10, 15):
        assert not bench.take(feed_event(publication=second), second * S)
    assert not bench.take(feed_event(feed=feed_part(other), publication=1), 15 * S)
    assert bench.log.gaps() == []
    bench.log.full = False
    assert bench.take(feed_event(publication=100), 30 * S)
    counts = {ADDRESS: 5, other: 1}
    assert bench.log.gaps() == [Gap(from_ns=10 * S, to_ns=15 * S, reason="buffer-full", counts=counts)]
    assert bench.counters.snapshot()["dropped"] == counts
    assert bench.take(feed_event(publication=101), 60 * S)
    assert len(bench.log.gaps()) == 1
    bench.check_sums()


def test_a_buffer_on_the_brink_does_not_fill_with_gap_records() -> None:
    bench = Bench()
    for number in range(100):
        bench.log.full = number % 2 == 0
        bench.take(feed_event(publication=number), 10 * S + number)
    assert bench.log.gaps() == []
    bench.intake.report_losses(12 * S)
    (gap,) = bench.log.gaps()
    assert sum(gap.counts.values()) == 50


def test_a_gap_that_finds_no_room_is_reported_later() -> None:
    bench = Bench()
    bench.log.full = bench.log.full_for_control = True
    bench.take(feed_event(), 10 * S)
    bench.intake.report_losses(20 * S)
    bench.log.full = bench.log.full_for_control = False
    assert bench.log.gaps() == []
    bench.intake.report_losses(21 * S)
    assert len(bench.log.gaps()) == 1
    assert bench.count("gaps") == 1


def test_a_broken_log_rejects_and_never_raises() -> None:
    bench = Bench()
    bench.log.broken = True
    assert not bench.take(feed_event())
    assert bench.counters.snapshot()["rejected"] == {"log-error": 1}
    assert bench.intake.stop(2 * S) is None
    assert not bench.intake.start(SESSION, 3 * S)
    bench.check_sums()


def test_a_lost_router_leaves_a_gap_from_the_last_event_on() -> None:
    bench = Bench()
    bench.take(feed_event(), 10 * S)
    bench.intake.transport_lost(17 * S)
    bench.intake.transport_lost(18 * S)
    bench.intake.transport_joined(20 * S)
    assert bench.log.gaps() == [Gap(from_ns=10 * S, to_ns=20 * S, reason="transport-lost")]
    assert bench.count("reconnects") == 1


def test_a_router_lost_until_the_stop_leaves_a_gap() -> None:
    bench = Bench()
    bench.intake.transport_lost(17 * S)
    bench.intake.stop(30 * S)
    assert bench.log.gaps() == [Gap(from_ns=17 * S, to_ns=30 * S, reason="transport-lost")]
    assert bench.log.records[-1].kind is RecordKind.SESSION_STOP


def test_a_router_lost_while_idle_leaves_no_gap() -> None:
    bench = Bench(started=False)
    bench.intake.transport_joined(1 * S)
    bench.intake.transport_lost(2 * S)
    bench.intake.transport_joined(3 * S)
    bench.intake.start(SESSION, 4 * S)
    bench.intake.stop(5 * S)
    assert bench.log.gaps() == []


def test_an_agent_that_was_started_anew_leaves_a_gap_of_unknown_size() -> None:
    bench = Bench()
    for at_s, session_id in ((10, "1.5"), (13, "2.5"), (14, "2.5")):
        bench.take(feed_event(feed=feed_part(session_id=session_id), publication=at_s), at_s * S)
    assert bench.log.gaps() == [Gap(from_ns=10 * S, to_ns=13 * S, reason="publisher-restarted", counts={ADDRESS: 0})]


def test_a_feed_that_was_quiet_for_longer_than_it_wants_to_be_leaves_a_gap() -> None:
    bench = Bench()
    feed = feed_part(agg_params={"fresh_time": 10})
    for at_s in (10, 20, 31, 32):
        bench.take(feed_event(feed=feed, publication=at_s), at_s * S)
    assert bench.log.gaps() == [Gap(from_ns=20 * S, to_ns=31 * S, reason="feed-quiet", counts={ADDRESS: 0})]


def test_the_table_tells_of_each_feed() -> None:
    bench = Bench()
    feed = feed_part(agg_params={"fresh_time": 10})
    bench.take(feed_event({**data_part(block="a"), **data_part(block="b")}, feed), 100 * S)
    assert bench.intake.providers(105 * S) == {
        ADDRESS: {"last_refresh": 100.0, "sessid": "1700000000.5", "stale": False, "last_block_received": "b"}
    }
    assert bench.intake.providers(111 * S)[ADDRESS]["stale"]
    bench.take(feed_event(data_part(block="c"), feed, publication=2), 112 * S)
    assert bench.intake.providers(112 * S)[ADDRESS]["last_block_received"] == "c"
    assert not bench.intake.providers(112 * S)[ADDRESS]["stale"]


def test_the_table_forgets_the_feed_not_heard_of_for_longest() -> None:
    bench = Bench()
    addresses = [f"observatory.a{number}.feeds.x" for number in range(4)]
    for number, address in enumerate([*addresses[:3], addresses[0], addresses[3]]):
        bench.take(feed_event(feed=feed_part(address), publication=number), number * S)
    assert set(bench.intake.providers(9 * S)) == {addresses[0], addresses[2], addresses[3]}


def test_a_new_session_starts_with_an_empty_table() -> None:
    bench = Bench()
    bench.take(feed_event())
    bench.intake.stop(2 * S)
    bench.intake.start(SESSION, 3 * S)
    assert bench.intake.providers(3 * S) == {}


EVENTS = st.one_of(
    st.builds(lambda n: feed_event(publication=n), st.integers(0, 5)),
    st.builds(lambda n: feed_event(feed=feed_part(record=False), publication=n), st.integers(0, 5)),
    st.builds(lambda n: feed_event(data_part("x" * 20_000), publication=n), st.integers(0, 5)),
    st.builds(lambda n: malformed_event(FEEDS, n, b"?" * n), st.integers(0, 5)),
)


@given(st.lists(st.one_of(EVENTS, st.sampled_from(["full", "room", "break", "mend", "stop", "start", "lose", "join"]))))
@settings(max_examples=200, deadline=None)
def test_every_message_is_accounted_for(steps: list[FeedEvent | str]) -> None:
    bench = Bench()
    asked = 0
    for now_ns, step in enumerate(steps, start=1):
        if isinstance(step, FeedEvent):
            asked += 1
            bench.take(step, now_ns * S)
        elif step in ("full", "room"):
            bench.log.full = step == "full"
        elif step in ("break", "mend"):
            bench.log.broken = step == "break"
        elif step == "stop":
            bench.intake.stop(now_ns * S)
        elif step == "start" and not bench.intake.recording:
            bench.intake.start(SESSION, now_ns * S)
        elif step == "lose":
            bench.intake.transport_lost(now_ns * S)
        elif step == "join":
            bench.intake.transport_joined(now_ns * S)
    bench.check_sums()
    assert asked == sum(bench.count(name) for name in ("received", "ignored", "duplicates"))
    bench.log.broken = bench.log.full = False
    bench.intake.stop(10**6 * S)
    bench.intake.start(SESSION, 10**6 * S)
    bench.intake.report_losses(2 * 10**6 * S)
    lost = sum(sum(gap.counts.values()) for gap in bench.log.gaps())
    assert lost == bench.count("rejected") + bench.count("dropped")
    assert len(bench.log.of_kind(RecordKind.MESSAGE)) == bench.count("committed")


def test_an_unreadable_message_that_finds_no_room_is_counted_as_such() -> None:
    bench = Bench()
    bench.log.full = True
    bench.take(malformed_event(None, 0, b"?"))
    assert bench.counters.snapshot()["dropped"] == {UNREADABLE: 1}
