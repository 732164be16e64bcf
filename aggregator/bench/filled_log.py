"""A log with a whole tape in it."""

from __future__ import annotations

from pathlib import Path

from aggregator.bench.tape import Tape
from aggregator.bench.workloads import START_S
from aggregator.errors import BenchError
from aggregator.layout import RecordKind, record_bytes
from aggregator.log import LogAppender
from aggregator.records import SessionStart, SessionStop
from aggregator.settings import DEFAULT_SEGMENT_BYTES, BufferSettings

START_NS = START_S * 1_000_000_000
_SPARE_SEGMENTS = 8


class FilledLog:
    """Stands in for ingest: a session whose messages were received when the tape says.

    Parameters
    ----------
    tape : Tape
        The messages.
    buffer_dir : Path
        Where the log comes to be.
    data_dir : Path
        Root of the archive that the session names.

    Raises
    ------
    BenchError
        When there is no room for the session's first record.
    """

    def __init__(self, tape: Tape, buffer_dir: Path, data_dir: Path) -> None:
        self._tape = tape
        settings = _settings(tape, buffer_dir)
        self._appender = LogAppender(settings, now_ns=START_NS)
        start = SessionStart(
            session_id=START_S << 28,
            start_ns=START_NS,
            description="HK data",
            data_dir=str(data_dir),
            time_per_file_s=3600.0,
            max_file_bytes=10**9,
            fsync="rotate",
            buffer_bytes=settings.size_bytes,
        ).to_bytes()
        self._append(RecordKind.SESSION_START, start, START_NS)
        self._appender.set_preamble(start)

    @property
    def stop_ns(self) -> int:
        """When the session ends, Unix nanoseconds."""
        return START_NS + int((self._tape.received_s[-1] + 1) * 1e9)

    def fill(self) -> None:
        """Append all messages and the end of the session.

        Raises
        ------
        BenchError
            When there is no room.
        """
        for payload, received_s in zip(self._tape.payloads(), self._tape.received_s.tolist(), strict=True):
            self._append(RecordKind.MESSAGE, payload, START_NS + int(received_s * 1e9))
        stop = SessionStop(stop_ns=self.stop_ns)
        self._append(RecordKind.SESSION_STOP, stop.to_bytes(), self.stop_ns)

    def close(self) -> None:
        """Unmap the log, which stays. May be called twice."""
        self._appender.close()

    def _append(self, kind: RecordKind, payload: bytes, received_ns: int) -> None:
        if self._appender.append(kind, payload, received_ns=received_ns) is None:
            raise BenchError("there is no room for the log of this run: take fewer --messages")


def _settings(tape: Tape, buffer_dir: Path) -> BufferSettings:
    needed = sum(record_bytes(end - begin) for begin, end in tape.spans.tolist())
    segments = needed // (DEFAULT_SEGMENT_BYTES // 2) + _SPARE_SEGMENTS
    return BufferSettings(
        directory=buffer_dir, size_bytes=segments * DEFAULT_SEGMENT_BYTES, segment_bytes=DEFAULT_SEGMENT_BYTES
    )
