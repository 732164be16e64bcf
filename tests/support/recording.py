"""The whole recorder minus the network: a real log, a real bell, a real writer, real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack

from aggregator.bell import Bell
from aggregator.layout import RecordKind
from aggregator.log import LogAppender
from aggregator.records import Gap, SessionStart, SessionStop
from aggregator.settings import SMALLEST_SEGMENT_BYTES, BufferSettings, Caps
from aggregator.status import WRITER, Snapshot, read_snapshot
from tests.support.wait import wait_until
from writer.files import DiskFiles, FileOperations
from writer.service import Service

SECOND = 1_000_000_000
T0 = 1_700_000_123 * SECOND
REPOSITORY = Path(__file__).parents[2]


def feed(name: str = "temperatures", *, agent: str = "lab", session: str = "1.5", **agg_params: Any) -> dict[str, Any]:
    """Return the feed part of a message, as an OCS agent sends it."""
    return {
        "agent_address": f"observatory.{agent}",
        "agg_params": agg_params,
        "feed_name": name,
        "address": f"observatory.{agent}.feeds.{name}",
        "record": True,
        "session_id": session,
        "agent_class": "LabAgent",
    }


def block(name: str, times: Sequence[float], **fields: Sequence[Any]) -> dict[str, Any]:
    """Return one block of a message's data part."""
    return {name: {"block_name": name, "timestamps": list(times), "data": {k: list(v) for k, v in fields.items()}}}


class Recording:
    """Stands in for ingest: a session's records go into a real log.

    Parameters
    ----------
    root : Path
        Gets `buffer` and `data`.
    segments, segment_bytes : int
        Size of the log.
    now_ns : int
        The time at first; a real writer process, which has a clock of its own, needs the real one.
    session : dict
        Overrides of the SESSION_START.
    """

    def __init__(
        self,
        root: Path,
        *,
        segments: int = 64,
        segment_bytes: int = SMALLEST_SEGMENT_BYTES,
        now_ns: int = T0,
        **session: Any,
    ) -> None:
        self.buffer = root / "buffer"
        self.data = root / "data"
        self.buffer.mkdir(mode=0o700, exist_ok=True)
        self.now_ns = now_ns
        self._settings = BufferSettings(
            directory=self.buffer, size_bytes=segments * segment_bytes, segment_bytes=segment_bytes
        )
        self._session = {"time_per_file_s": 3600.0, "max_file_bytes": 10**9, "fsync": "rotate", **session}
        self._sessions = 0
        self.appender = LogAppender(self._settings, now_ns=self.now_ns)

    def restart_ingest(self) -> None:
        """Open the log again as a restarted ingest does."""
        self.appender = LogAppender(self._settings, now_ns=self.now_ns)

    def start(self, **overrides: Any) -> SessionStart:
        """Append a SESSION_START."""
        self._sessions += 1
        start = SessionStart(
            **{
                "session_id": (self.now_ns // SECOND) << 28 | self._sessions,
                "start_ns": self.now_ns,
                "description": "HK data",
                "data_dir": str(self.data),
                "buffer_bytes": self._settings.size_bytes,
                **self._session,
                **overrides,
            }
        )
        self.append(RecordKind.SESSION_START, start.to_bytes())
        self.appender.set_preamble(start.to_bytes())
        return start

    def stop(self) -> None:
        """Append a SESSION_STOP."""
        self.appender.set_preamble(None)
        self.append(RecordKind.SESSION_STOP, SessionStop(stop_ns=self.now_ns).to_bytes())

    def gap(self, gap: Gap) -> None:
        """Append a GAP."""
        self.append(RecordKind.GAP, gap.to_bytes())

    def message(self, data: Mapping[str, Any], feed_part: Mapping[str, Any]) -> int:
        """Append a message."""
        return self.raw(msgpack.packb([data, feed_part]))

    def raw(self, payload: bytes, flags: int = 0) -> int:
        """Append a message of any bytes."""
        return self.append(RecordKind.MESSAGE, payload, flags)

    def append(self, kind: RecordKind, payload: bytes, flags: int = 0) -> int:
        """Append a record that must find room."""
        sequence = self.appender.append(kind, payload, received_ns=self.now_ns, flags=flags)
        assert sequence is not None, "the log is full"
        return sequence

    def advance(self, seconds: float) -> int:
        """Let time go on; return the new time."""
        self.now_ns += int(seconds * SECOND)
        return self.now_ns

    @property
    def now_s(self) -> float:
        """The time in Unix seconds."""
        return self.now_ns / SECOND

    def service(self, operations: FileOperations | None = None, caps: Caps | None = None) -> Service:
        """Return a writer to step in this process."""
        return Service(directory=self.buffer, operations=operations or DiskFiles(), caps=caps or Caps())

    def drain(self, service: Service) -> None:
        """Step a writer until it finds nothing more to do."""
        for _ in range(10_000):
            if not service.step(self.now_ns) and not service.has_backlog:
                return
        raise AssertionError("the writer never comes to an end")

    def files(self) -> list[Path]:
        """Return the archive's files, oldest first."""
        return sorted(self.data.glob("*/*.g3"))

    def ring(self) -> None:
        """Ring the bell once."""
        bell = Bell(self.buffer)
        bell.ring(self.appender.position)
        bell.close()

    def writer_status(self) -> Snapshot:
        """Return the writer's snapshot, empty when there is none."""
        return read_snapshot(self.buffer, WRITER) or {}


@contextmanager
def writer_process(buffer: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real writer on a buffer directory; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "writer", "--buffer-dir", str(buffer)]
    child = subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, "LOGLEVEL": "warning", **environment}, stderr=subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        assert child.stderr is not None
        child.stderr.close()


def end(child: subprocess.Popen[bytes]) -> int:
    """Ask a process to end and return its exit code."""
    child.send_signal(signal.SIGTERM)
    return child.wait(timeout=20)


def wait_for_sequence(recording: Recording, sequence: int, timeout_s: float = 20.0) -> None:
    """Wait until the writer says that it has taken the log up to a sequence number."""
    wait_until(
        lambda: recording.writer_status().get("sequence", 0) >= sequence, timeout_s, f"the writer at record {sequence}"
    )
