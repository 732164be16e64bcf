"""What a site of any size costs: work grows with messages, and memory with what is active."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import msgpack

from aggregator.counters import Counters
from aggregator.settings import Caps
from aggregator.status import INGEST
from ingest.event import FeedEvent
from ingest.feed_header import FeedCache
from ingest.feed_table import MOST_STALE, FeedTable
from ingest.intake import Intake
from ingest.passthrough import EventReader
from tests.support.oracle import compare
from tests.support.recording import SECOND, Recording, block, feed
from writer.conformance import check_archive
from writer.service import Service

FEW, MANY = 50, 5000
FOR_EVER_S = 1e6


class Calls:
    """Counts the calls of Python functions while it is entered: work, without the clock."""

    def __init__(self) -> None:
        self.by_name: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many there were."""
        return self.by_name.total()

    def __enter__(self) -> Calls:
        gc.disable()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        gc.enable()

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            self.by_name[frame.f_code.co_name] += 1


def with_idle_providers(root: Path, count: int) -> tuple[Recording, Service]:
    """Return a recording in which so many providers have been archived and now say nothing."""
    root.mkdir()
    recording = Recording(root, segments=64, segment_bytes=1 << 20)
    service = recording.service()
    recording.start()
    for number in range(count):
        recording.message(
            block("b", [recording.now_s], x=[1.5]), feed(f"idle_{number}", frame_length=1, fresh_time=FOR_EVER_S)
        )
    recording.drain(service)
    recording.advance(2)
    recording.drain(service)
    assert len(service.recorder.registry.active) == count
    return recording, service


def calls_of_steps(recording: Recording, service: Service, steps: int) -> Calls:
    """Count the calls of steps of which each has a message of one feed to take; the checkpoint comes after them."""
    calls = Calls()
    for _ in range(steps):
        recording.message(block("b", [recording.now_s], x=[1.5]), feed("busy", fresh_time=FOR_EVER_S))
        with calls:
            service.step(recording.now_ns)
    return calls


def test_a_step_looks_at_no_provider_that_has_nothing_to_do(tmp_path: Path) -> None:
    seen = {}
    for count in (FEW, MANY):
        recording, service = with_idle_providers(tmp_path / str(count), count)
        calls_of_steps(recording, service, 2)
        seen[count] = calls_of_steps(recording, service, 20)
    assert seen[MANY].total <= seen[FEW].total * 1.1, seen[MANY].by_name - seen[FEW].by_name


def test_a_thousand_feeds_with_ten_fields_each_are_archived_value_by_value(tmp_path: Path) -> None:
    recording = Recording(tmp_path, segments=64, segment_bytes=1 << 20)
    service = recording.service()
    recording.start()
    published = []
    for turn in range(3):
        for number in range(1000):
            columns = {f"field_{i}": [number + i / 10 + turn / 100] for i in range(10)}
            pair = block("b", [recording.now_s], **columns), feed(f"feed_{number}", frame_length=20)
            published.append(msgpack.packb(pair))
            recording.raw(published[-1])
        recording.drain(service)
        recording.advance(15)
    recording.stop()
    recording.drain(service)
    # Not all of it by so3g's load_range, which takes minutes for ten thousand fields at once.
    outcome = compare(published, recording.data)
    assert (outcome.is_kept, outcome.archived) == (True, 3000), str(outcome)
    assert check_archive(recording.data) == []


def test_a_checkpoint_packs_only_the_providers_that_have_changed(tmp_path: Path) -> None:
    packed = {}
    for count in (FEW, MANY):
        recording, service = with_idle_providers(tmp_path / str(count), count)
        recording.message(block("b", [recording.now_s], x=[1.5]), feed("busy", fresh_time=FOR_EVER_S))
        recording.advance(1)
        with Calls() as calls:
            recording.drain(service)
        packed[count] = calls.by_name["_pack"]
        assert calls.by_name["to_checkpoint"] >= count
    assert packed[MANY] == packed[FEW] <= 3


def test_thousands_of_providers_are_due_without_a_walk_over_all_of_them(tmp_path: Path) -> None:
    recording, service = with_idle_providers(tmp_path / "due", MANY)
    recording.message(block("b", [recording.now_s], x=[1.5]), feed("busy", frame_length=10, fresh_time=FOR_EVER_S))
    recording.drain(service)
    recording.advance(11)
    with Calls() as calls:
        frames, stale = service.recorder.registry.take_due(recording.now_ns)
    assert ([provider.feed.address for provider in frames], stale) == (["observatory.lab.feeds.busy"], [])
    assert calls.total < 50


def test_stale_providers_by_the_ten_thousand_leave_nothing_behind_in_the_writer(tmp_path: Path) -> None:
    recording = Recording(tmp_path, segments=64, segment_bytes=1 << 20)
    service = recording.service()
    recording.start()
    registry = service.recorder.registry
    for hundred in range(200):
        for number in range(100):
            recording.message(
                block("b", [recording.now_s], x=[1.5]), feed(f"f{hundred}_{number}", frame_length=1, fresh_time=1)
            )
        recording.advance(2)
        recording.drain(service)
    recording.advance(5)
    recording.message(block("b", [recording.now_s], x=[1.5]), feed("last", fresh_time=FOR_EVER_S))
    recording.drain(service)
    recording.advance(5)
    recording.drain(service)
    assert registry.next_prov_id == 20_001
    assert list(registry.active) == [20_000]
    leftovers = {name: len(value) for name, value in vars(registry).items() if hasattr(value, "__len__")}
    assert max(leftovers.values()) < 500, leftovers
    assert (recording.buffer / "checkpoint.0").stat().st_size < 100_000


def event_of(reader: EventReader, number: int, feed_part: dict[str, Any]) -> FeedEvent:
    """Return an event as it comes off the wire."""
    return reader.read(msgpack.packb([36, 1, number, {}, [[block("b", [1.5], x=[1.5]), feed_part]]]))


def note(table: FeedTable, event: FeedEvent, now_ns: int) -> None:
    """Let the table of feeds know of an event."""
    assert event.feed is not None
    table.refresh(event.feed, event, now_ns)


def test_session_data_lists_every_active_feed_but_only_some_that_are_stale() -> None:
    table, reader = FeedTable(Caps().providers), EventReader(FeedCache())
    for number in range(20_000):
        note(table, event_of(reader, number, feed(f"gone_{number}", fresh_time=1)), number * SECOND)
    assert list(table.encoded(0)) == [f"observatory.lab.feeds.gone_{n}" for n in range(20_000 - MOST_STALE, 20_000)]
    for number in range(3 * MOST_STALE):
        note(table, event_of(reader, number, feed(f"here_{number}", fresh_time=1e6)), 20_010 * SECOND)
    listed = table.encoded(20_010 * SECOND)
    assert sum(not entry["stale"] for entry in listed.values()) == 3 * MOST_STALE
    assert len(listed) <= 4 * MOST_STALE


def test_a_message_costs_ingest_the_same_however_many_feeds_it_knows(tmp_path: Path) -> None:
    seen = {}
    for count in (FEW, MANY):
        (tmp_path / str(count)).mkdir()
        recording = Recording(tmp_path / str(count), segments=64, segment_bytes=1 << 20)
        intake = Intake(recording.appender, Counters(INGEST), caps=Caps())
        reader = EventReader(FeedCache())
        intake.start(recording.start(), recording.now_ns)
        for number in range(count):
            assert intake.take(event_of(reader, number, feed(f"f{number}")), recording.now_ns)
        with Calls() as calls:
            for number in range(count, count + 20):
                intake.take(event_of(reader, number, feed("f1")), recording.now_ns)
        seen[count] = calls.total
    assert seen[MANY] == seen[FEW]
