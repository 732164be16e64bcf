"""Looking on at the log: every message is counted, some are decoded, and nothing is taken from the writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.log import used_bytes
from tests.support.recording import SECOND, T0, block, feed
from tests.support.stand_in import StandIn
from writer.monitor import sampling
from writer.monitor.feeds import Feed, Feeds
from writer.monitor.sampling import LogSampler


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path, now_ns=T0) as made:
        made.start()
        yield made


def send(recorder: StandIn, name: str = "temperatures", **fields: list[object]) -> None:
    recorder.message(block("block", [recorder.recording.now_s], **fields), feed(name))


def only(feeds: Feeds) -> Feed:
    (found,) = feeds
    return found


def test_messages_are_counted_and_the_newest_one_shown(recorder: StandIn) -> None:
    feeds = Feeds()
    sampler = LogSampler(recorder.buffer, feeds)
    for value in range(5):
        send(recorder, kelvin=[float(value)])
    sampled = sampler.look(recorder.now_ns)
    assert (sampled.messages, sampled.values, sampled.described) == (5, 5, {0})
    assert only(feeds).messages == 5
    assert only(feeds).blocks[0].last == [4.0]
    assert sampler.look(recorder.now_ns).messages == 0
    sampler.close_reader()


def test_looking_on_keeps_no_segment_from_the_writer(recorder: StandIn) -> None:
    sampler = LogSampler(recorder.buffer, Feeds())
    for _ in range(40):
        recorder.recording.advance(20)
        send(recorder, text=["x" * 200_000])
        sampler.look(recorder.now_ns)
        recorder.step(recorder.now_ns)
    recorder.step(recorder.now_ns + 400 * SECOND)
    assert used_bytes(recorder.buffer) <= 3 << 20
    sampler.close_reader()


def test_what_no_message_can_be_read_from_is_passed_over(recorder: StandIn) -> None:
    feeds = Feeds()
    sampler = LogSampler(recorder.buffer, feeds)
    recorder.raw(b"\xc1")
    send(recorder, kelvin=[1.0])
    assert sampler.look(recorder.now_ns).messages == 1
    sampler.close_reader()


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    sampler = LogSampler(tmp_path, Feeds())
    assert sampler.look(T0).messages == 0
    with StandIn(tmp_path, now_ns=T0) as recorder:
        sampler = LogSampler(recorder.buffer, Feeds())
        recorder.start()
        send(recorder, kelvin=[1.0])
        assert sampler.look(T0).messages == 1
        assert sampler.data_dir == tmp_path / "data"
    sampler.close_reader()


def test_more_than_can_be_decoded_at_once_has_its_turn_later(
    recorder: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "DECODED_PER_LOOK", 4)
    feeds = Feeds()
    sampler = LogSampler(recorder.buffer, feeds)
    for number in range(10):
        send(recorder, f"feed_{number}", kelvin=[float(number)])
    for _ in range(3):
        sampler.look(recorder.now_ns)
    assert [found.blocks[0].last for found in feeds] == [[float(number)] for number in range(10)]
    sampler.close_reader()


def test_a_look_that_finds_too_much_goes_on_at_the_end_without_counting_twice(
    recorder: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "RECORDS_PER_LOOK", 3)
    feeds = Feeds()
    sampler = LogSampler(recorder.buffer, feeds)
    for _ in range(8):
        send(recorder, kelvin=[1.0])
    for _ in range(6):
        sampler.look(recorder.now_ns)
    assert only(feeds).messages == 8
    sampler.close_reader()


def test_rates_are_of_the_last_minute() -> None:
    found = Feed(number=0, address="a.b.feeds.c")
    found.count(600, T0, T0 + 600 * SECOND)
    assert found.rate_hz(T0 + 600 * SECOND) == pytest.approx(1.0)
    assert found.rate_hz(T0 + 700 * SECOND) == 0


def test_a_feed_is_stale_after_its_own_fresh_time(recorder: StandIn) -> None:
    feeds = Feeds()
    sampler = LogSampler(recorder.buffer, feeds)
    recorder.message(block("b", [recorder.recording.now_s], x=[1]), feed("slow", fresh_time=600))
    sampler.look(recorder.now_ns)
    assert not only(feeds).is_stale(recorder.now_ns + 500 * SECOND)
    assert only(feeds).is_stale(recorder.now_ns + 700 * SECOND)
    sampler.close_reader()


def test_a_block_whose_fields_change_keeps_the_old_ones_too(recorder: StandIn) -> None:
    feeds = Feeds()
    sampler = LogSampler(recorder.buffer, feeds)
    send(recorder, a=[1.0])
    sampler.look(recorder.now_ns)
    send(recorder, b=[2.0])
    assert sampler.look(recorder.now_ns).described == {0}
    (sparks,) = only(feeds).blocks
    assert (sparks.fields, sparks.last) == (("a", "b"), [None, 2.0])
    sampler.close_reader()
