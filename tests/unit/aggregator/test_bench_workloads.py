"""Workloads and tapes: the same bytes every time, and readable as what a router sends."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgpack
import pytest

from aggregator.bench.tape import SUBSCRIPTION, load_tape, record_tape
from aggregator.bench.workloads import WORKLOADS, messages, workload_named
from aggregator.errors import SettingsError
from ingest.feed_header import FeedCache
from ingest.passthrough import EventReader


def test_a_workload_is_the_same_each_time() -> None:
    mixed = WORKLOADS["mixed"]
    assert list(messages(mixed, 120)) == list(messages(mixed, 120))


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_every_feed_of_a_workload_publishes_once_in_a_turn(name: str) -> None:
    workload = WORKLOADS[name]
    topics = [message.topic for message in islice(messages(workload, workload.feeds), workload.feeds)]
    assert len(set(topics)) == workload.feeds


def test_the_timestamps_of_a_feed_only_ever_rise() -> None:
    workload = workload_named("2x1x5")
    for topic in {message.topic for message in messages(workload, 6)}:
        times = [t for m in messages(workload, 6) if m.topic == topic for t in m.data["samples"]["timestamps"]]
        assert times == sorted(set(times))


def test_a_mixed_site_has_every_kind_of_value() -> None:
    kinds = {
        type(values[0])
        for message in messages(WORKLOADS["mixed"], 118)
        for values in message.data["samples"]["data"].values()
    }
    assert kinds == {float, int, bool, str}


def test_a_shape_is_a_workload_of_its_own() -> None:
    (part,) = workload_named("3x40x7").parts
    assert (part.feeds, part.fields, part.rows) == (3, 40, 7)


@pytest.mark.parametrize("name", ["hq", "0x1x1", "3x4", "x", "8x16x100x"])
def test_an_unknown_workload_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(SettingsError, match="highrate"):
        workload_named(name)


def test_a_tape_gives_back_what_was_recorded_on_it(tmp_path: Path) -> None:
    sent = list(messages(workload_named("2x3x4"), 5))
    record_tape(tmp_path / "tape", sent)
    tape = load_tape(tmp_path / "tape")
    assert [msgpack.unpackb(payload) for payload in tape.payloads()] == [[each.data, each.feed] for each in sent]
    assert (tape.messages, tape.values, tape.head(2).messages, tape.head(2).values) == (5, 60, 2, 24)


def test_a_tape_holds_events_that_ingest_reads(tmp_path: Path) -> None:
    sent = list(messages(workload_named("1x2000x1"), 2))
    tape = record_tape(tmp_path / "tape", sent)
    content, begin = tape.path.read_bytes(), 0
    reader = EventReader(FeedCache())
    for (payload_begin, end), message in zip(tape.spans.tolist(), sent, strict=True):
        event = reader.read(content[begin + 10 if end - begin > 1 << 16 else begin + 4 : end])
        assert event.subscription == SUBSCRIPTION
        assert event.packed[event.begin : event.end] == content[payload_begin:end]
        assert event.feed is not None
        assert (event.feed.address, event.feed.recorded) == (message.topic, True)
        begin = end
