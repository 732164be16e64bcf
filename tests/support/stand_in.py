"""A whole recorder in this process, at any time and speed, without a network: for what looks at recorders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgpack

from aggregator.counters import Counters
from aggregator.layout import RecordKind
from aggregator.locks import INGEST_LOCK, WRITER_LOCK, ProcessLock
from aggregator.log import used_bytes
from aggregator.records import Gap
from aggregator.simulation.site import SimulatedMessage
from aggregator.status import INGEST, WRITER, write_snapshot
from tests.support.recording import SECOND, Recording
from writer.report import Report

MIB = 1 << 20
SEGMENTS = 64


class StandIn:
    """Takes the place of ingest and writer: real log, real archive, real snapshots, real locks.

    Parameters
    ----------
    root : Path
        Gets `buffer` and `data`.
    now_ns : int
        The time at first.
    """

    def __init__(self, root: Path, *, now_ns: int) -> None:
        self.recording = Recording(root, segments=SEGMENTS, segment_bytes=MIB, now_ns=now_ns)
        self.buffer = self.recording.buffer
        self.service = self.recording.service()
        self.counters = Counters("ingest")
        self.overrides: dict[str, dict[str, Any]] = {INGEST: {}, WRITER: {}}
        self.state = "idle"
        self._started_ns = now_ns
        self._feeds: set[str] = set()
        self._locks = {name: ProcessLock(self.buffer / name) for name in (INGEST_LOCK, WRITER_LOCK)}

    def __enter__(self) -> StandIn:
        for lock in self._locks.values():
            lock.acquire()
        self.tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lock in self._locks.values():
            lock.release()
        self.recording.appender.close()

    @property
    def now_ns(self) -> int:
        """The time of the last step."""
        return self.recording.now_ns

    def start(self) -> None:
        """Begin to record."""
        self.recording.start()
        self.state = "recording"

    def kill_writer(self) -> None:
        """Let the writer's lock go, as the kernel does for a killed process."""
        self._locks[WRITER_LOCK].release()

    def message(self, data: Mapping[str, Any], feed: Mapping[str, Any]) -> None:
        """Take a message in."""
        self.raw(msgpack.packb([data, feed]), str(feed.get("address", "")))

    def raw(self, payload: bytes, address: str = "") -> None:
        """Take in a message of any bytes."""
        self._feeds.add(address)
        self.counters.add("received")
        self.counters.add("committed")
        if self.recording.appender.wants_next:
            self.recording.appender.prepare_next()
        self.recording.raw(payload)

    def play(self, messages: Iterable[SimulatedMessage]) -> None:
        """Take in what a simulated site publishes, each at its time."""
        for message in messages:
            if message.recordable:
                self.recording.now_ns = message.publish_ns
                self.message(message.data, message.feed)

    def gap(self, gap: Gap) -> None:
        """Say that messages are missing."""
        self.counters.add("gaps", label=gap.reason)
        for address, count in gap.counts.items():
            self.counters.add("received", count)
            self.counters.add("dropped", count, label=address)
        self.recording.append(RecordKind.GAP, gap.to_bytes())

    def step(self, now_ns: int, *, write: bool = True) -> None:
        """Let the time be `now_ns`: the writer does what is due, and both say how they are."""
        self.recording.now_ns = now_ns
        while write and self.service.step(now_ns):
            pass
        self.tell(write=write)

    def tell(self, *, write: bool = True) -> None:
        """Write both snapshots."""
        if write:
            report = Report(pid=os.getpid(), started_ns=self._started_ns)
            told = report.snapshot(self.service, self.now_ns)
            write_snapshot(self.buffer, WRITER, {**told, **self.overrides[WRITER]})
        size_bytes = SEGMENTS * MIB
        used = used_bytes(self.buffer)
        snapshot = {
            "pid": os.getpid(),
            "now_ns": self.now_ns,
            "started_ns": self._started_ns,
            "state": self.state,
            "session_id": None,
            "connected": True,
            "counters": self.counters.snapshot(),
            "buffer": {"size_bytes": size_bytes, "used_bytes": used, "fill": used / size_bytes},
            "log": self.recording.appender.position._asdict(),
            "feeds": len(self._feeds),
            "losing": False,
            "writer_alive": True,
            "degraded": None,
        }
        write_snapshot(self.buffer, INGEST, {**snapshot, **self.overrides[INGEST]})


__all__ = ["SECOND", "StandIn"]
