"""Stage `writer`: from a log that holds a whole tape to the archive, without a network."""

from __future__ import annotations

from aggregator.bench.checking import read_back
from aggregator.bench.figures import Round
from aggregator.bench.processes import json_object
from aggregator.bench.recorders import Places, start_module
from aggregator.bench.tape import Tape
from aggregator.bench.watch import Watch
from aggregator.bench.workloads import START_S
from aggregator.errors import BenchError
from aggregator.layout import RecordKind, record_bytes
from aggregator.log import LogAppender
from aggregator.records import SessionStart, SessionStop
from aggregator.settings import DEFAULT_SEGMENT_BYTES, BufferSettings

DRAINED_WITHIN_S = 600.0
_SECOND_NS = 1_000_000_000
_SPARE_SEGMENTS = 8


def run_writer(tape: Tape, places: Places) -> Round:
    """Fill a log with a tape and have it drained.

    Parameters
    ----------
    tape : Tape
        What is in the log.
    places : Places
        Where files go; empty.

    Raises
    ------
    BenchError
        When the log finds no room or the writer does not get through.
    """
    stop_ns = fill_log(tape, places)
    program = start_module("writer", places, "writer.bench.drain", str(places.buffer_dir), str(stop_ns))
    watch = Watch([program])
    try:
        watch.until_ended(DRAINED_WITHIN_S)
        program.collect()
    finally:
        program.kill()
    took = json_object(program.output(), "the writer")
    return Round(
        wall_s=took["wall_s"],
        cpu_s={"writer": took["cpu_s"]},
        peak_bytes={"writer": watch.peak_bytes["writer"]},
        archive_bytes=sum(path.stat().st_size for path in places.archive_files),
        check=read_back(tape, places.data_dir),
    )


def fill_log(tape: Tape, places: Places) -> int:
    """Put a session with all of a tape's messages into a fresh log; return when it ends, Unix nanoseconds.

    Raises
    ------
    BenchError
        When there is no room.
    """
    needed = sum(record_bytes(int(end - begin)) for begin, end in tape.spans)
    segments = needed // (DEFAULT_SEGMENT_BYTES // 2) + _SPARE_SEGMENTS
    settings = BufferSettings(
        directory=places.buffer_dir, size_bytes=segments * DEFAULT_SEGMENT_BYTES, segment_bytes=DEFAULT_SEGMENT_BYTES
    )
    start_ns = START_S * _SECOND_NS
    appender = LogAppender(settings, now_ns=start_ns)
    start = SessionStart(
        session_id=START_S << 28,
        start_ns=start_ns,
        description="HK data",
        data_dir=str(places.data_dir),
        time_per_file_s=3600.0,
        max_file_bytes=10**9,
        fsync="rotate",
        buffer_bytes=settings.size_bytes,
    )
    stop_ns = start_ns + int((tape.received_s[-1] + 1) * _SECOND_NS)
    try:
        _append(appender, RecordKind.SESSION_START, start.to_bytes(), start_ns)
        appender.set_preamble(start.to_bytes())
        for payload, received_s in zip(tape.payloads(), tape.received_s.tolist(), strict=True):
            _append(appender, RecordKind.MESSAGE, payload, start_ns + int(received_s * _SECOND_NS))
        _append(appender, RecordKind.SESSION_STOP, SessionStop(stop_ns=stop_ns).to_bytes(), stop_ns)
    finally:
        appender.close()
    return stop_ns


def _append(appender: LogAppender, kind: RecordKind, payload: bytes, received_ns: int) -> None:
    if appender.append(kind, payload, received_ns=received_ns) is None:
        raise BenchError("there is no room for the log of this run: take fewer --messages")
