"""Malformed events through each real serialiser, the real intake, log and writer: nothing stops, nobody is harmed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import msgpack
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aggregator.counters import Counters
from aggregator.records import SessionStart
from aggregator.settings import Caps
from ingest.event import FeedEvent
from ingest.intake import Intake
from ingest.serializers import all_serializers
from tests.faults.test_malformed import ANYTHING, DATA, HEADERS, MUTATIONS, mutated
from tests.support.archive_check import IN_THE_DATA
from tests.support.memory import memory_directory
from tests.support.reading import load
from tests.support.recording import Recording, block, feed
from tests.support.tally import tried
from writer.conformance import Tolerance, check_archive

EVENT, SUBSCRIPTION = 36, 4711
ODD_DATA = (*IN_THE_DATA, Tolerance.SCANNER_WARNINGS)


def as_json(message: Any) -> bytes:
    return json.dumps(message, default=repr).encode("utf-8", "surrogatepass")


def as_cbor(message: Any) -> bytes:
    return bytes(cbor2.dumps(message, default=lambda encoder, value: encoder.encode(repr(value))))


def as_msgpack(message: Any) -> bytes:
    return bytes(msgpack.packb(message, default=repr, unicode_errors="surrogatepass"))


PACKERS: dict[str, Callable[[Any], bytes]] = {"msgpack": as_msgpack, "cbor": as_cbor, "json": as_json}


class Wire:
    """A router's side of a connection: events go through a serialiser into a recorder."""

    def __init__(self, root: Path, serializer: str) -> None:
        self.recording = Recording(root, segments=8, segment_bytes=1 << 20)
        self.counters = Counters("ingest")
        self.intake = Intake(self.recording.appender, self.counters, caps=Caps())
        self.pack = PACKERS[serializer]
        by_name = dict(zip(PACKERS, all_serializers(self._take), strict=True))
        self._serializer = by_name[serializer]
        self._publication = 0
        start = SessionStart(
            session_id=7 << 28,
            start_ns=self.recording.now_ns,
            description="HK data",
            data_dir=str(self.recording.data),
            time_per_file_s=3600.0,
            max_file_bytes=10**9,
            fsync="never",
            buffer_bytes=8 << 20,
        )
        assert self.intake.start(start, self.recording.now_ns)
        self.neighbours = 0

    def _take(self, event: FeedEvent) -> bool:
        self.intake.take(event, self.recording.now_ns)
        return True

    def publish(self, arguments: Any, spoil: Callable[[bytes], bytes] = bytes) -> None:
        self._publication += 1
        frame = self.pack([EVENT, SUBSCRIPTION, self._publication, {"topic": "observatory.lab.feeds.odd"}, arguments])
        self._serializer.unserialize(spoil(frame), self._serializer.SERIALIZER_ID != "json")
        self.publish_neighbour()

    def publish_neighbour(self) -> None:
        self._publication += 1
        self.neighbours += 1
        pair = [block("temps", [self.recording.now_s], ohm=[1.5]), feed("neighbour")]
        frame = self.pack(
            [EVENT, SUBSCRIPTION, self._publication, {"topic": "observatory.lab.feeds.neighbour"}, [pair]]
        )
        assert self._serializer.unserialize(frame, self._serializer.SERIALIZER_ID != "json") == []
        self.recording.advance(0.01)

    def check(self) -> None:
        """Close the session and hold archive and counters against what was sent."""
        self.intake.stop(self.recording.now_ns)
        service = self.recording.service()
        self.recording.drain(service)
        ingest, writer = self.counters, service.counters
        assert ingest.total("received") == ingest.total("committed") + ingest.total("rejected")
        assert writer.total("read") == ingest.total("committed")
        assert writer.total("read") == writer.total("archived") + writer.total("quarantined")
        faults = check_archive(self.recording.data, tolerate=ODD_DATA)
        assert not faults, "\n".join(faults)
        loaded = load(self.recording.data, ["observatory.lab.feeds.neighbour.ohm"])
        assert [values.tolist() for _, values in loaded.values()] == [[1.5] * self.neighbours]


def spoiler(changes: list[tuple[int, int]]) -> Callable[[bytes], bytes]:
    """Return what changes bytes of an event behind its ids, so that it is still an event."""
    return lambda frame: frame[:24] + mutated(frame[24:], changes)


def finite(value: Any) -> Any:
    """Return what JSON can carry: it has no bytes, and only text for keys."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and math.isnan(value) else value


ARGUMENTS = st.tuples(st.tuples(DATA | ANYTHING, st.just(feed("odd")) | HEADERS | ANYTHING).map(list)).map(list)
EVENTS = st.tuples(ARGUMENTS | ANYTHING, st.lists(MUTATIONS, max_size=3))


@pytest.mark.parametrize("serializer", PACKERS)
@settings(
    phases=[Phase.generate],
    max_examples=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
@given(events=st.lists(EVENTS, min_size=60, max_size=80))
def test_no_event_of_any_serialiser_harms_a_neighbour(serializer: str, events: list[Any]) -> None:
    with memory_directory() as root:
        wire = Wire(root, serializer)
        for arguments, changes in events:
            wire.publish(finite(arguments) if serializer == "json" else arguments, spoiler(changes))
        wire.check()
    tried(f"malformed events as {serializer}", len(events))
