"""A recorder's life from a seed: messages that are known by their number, and who publishes them.

Since message `k` is the same whenever it is made, a publisher that was killed goes on where the log ends, and the
test knows afterwards what was committed, to the message.
"""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from aggregator.bell import Bell
from aggregator.layout import RecordKind
from aggregator.locks import INGEST_LOCK, ProcessLock
from aggregator.log import LogAppender, LogReader
from aggregator.records import Gap, SessionStart, SessionStop
from aggregator.segment import list_segments
from aggregator.settings import SMALLEST_SEGMENT_BYTES, BufferSettings
from tests.support.recording import SECOND, feed

ENTRY = struct.Struct("<QQ")
"""One line of the ledger: number and log sequence of a message that was committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is published, and how it is recorded.

    Parameters
    ----------
    root : Path
        Gets the buffer, the archive and the ledger.
    seed : int
        Of all that is random.
    start_s : int
        Time of the first row, Unix seconds.
    messages : int
        How many there are.
    per_session : int
        After how many of them a session ends and another begins.
    pause_s : float
        Between two lots of messages.
    fsync : str
        Policy of the sessions.
    segments : int
        How many the buffer holds.
    """

    root: Path
    seed: int
    start_s: int
    messages: int
    per_session: int = 400
    pause_s: float = 0.004
    fsync: str = "rotate"
    segments: int = 256

    @property
    def buffer(self) -> Path:
        """The buffer directory."""
        return self.root / "buffer"

    @property
    def data(self) -> Path:
        """Root of the archive."""
        return self.root / "data"

    @property
    def ledger(self) -> Path:
        """What was committed."""
        return self.root / "ledger"

    @property
    def settings(self) -> BufferSettings:
        """The log's."""
        return BufferSettings(
            directory=self.buffer,
            size_bytes=self.segments * SMALLEST_SEGMENT_BYTES,
            segment_bytes=SMALLEST_SEGMENT_BYTES,
        )

    def is_malformed(self, k: int) -> bool:
        """Whether message `k` belongs into quarantine."""
        return k % 89 == 7

    def payload(self, k: int) -> bytes:
        """Return message `k`."""
        if self.is_malformed(k):
            return b"\xc1" + k.to_bytes(8, "little")
        dice = random.Random(self.seed * 1_000_003 + k)  # noqa: S311 - test data
        number = dice.randrange(7)
        header = feed(
            f"feed{number}",
            session=f"{k // 900}.{number}",
            frame_length=(0.05, 0.2, 0.3)[number % 3],
            fresh_time=(0.15, 0.4, 2.0, 5.0)[number % 4],
        )
        blocks = {"main": _block(dice, self.start_s, k, era=k // 150)}
        if number % 2:
            blocks["side"] = _block(dice, self.start_s, k, era=0, prefix="side_")
        packed: bytes = msgpack.packb([blocks, header])
        return packed


def _block(dice: random.Random, start_s: int, k: int, *, era: int, prefix: str = "") -> dict[str, Any]:
    rows = dice.choice((1, 1, 1, 2, 5))
    columns: dict[str, list[Any]] = {
        "k": [k] * rows,
        "widening": [k * 1.5 if k > 500 else k for _ in range(rows)],
        "text": [f"Wert ä {k}" for _ in range(rows)],
        "sometimes": [dice.choice((1.5, 2.5, None)) for _ in range(rows)],
    }
    if era % 3 == 1:
        columns["extra"] = [dice.random() for _ in range(rows)]
    if era % 3 == 2:
        del columns["sometimes"]
    times = [start_s + k * 1e-3 + i * 1e-4 for i in range(rows)]
    name = f"{prefix}block"
    return {"block_name": name, "timestamps": times, "data": {prefix + c: v for c, v in columns.items()}}


def committed_numbers(plan: Plan) -> list[int]:
    """Return the numbers of the messages that are in the log, or were; nobody may be appending."""
    numbers = [k for k, _ in _entries(plan)]
    following = len(numbers)
    if following < plan.messages and _is_last_record(plan, plan.payload(following)):
        numbers.append(following)
    assert numbers == list(range(len(numbers)))
    return numbers


def committed_payloads(plan: Plan) -> Iterator[bytes]:
    """Yield the well-formed messages that were committed."""
    return (plan.payload(k) for k in committed_numbers(plan) if not plan.is_malformed(k))


def _entries(plan: Plan) -> list[tuple[int, int]]:
    if not plan.ledger.exists():
        return []
    raw = plan.ledger.read_bytes()
    return list(ENTRY.iter_unpack(raw[: len(raw) // ENTRY.size * ENTRY.size]))


def _is_last_record(plan: Plan, payload: bytes) -> bool:
    """Whether the log ends in this message: its publisher died between the log and the ledger."""
    listed = list_segments(plan.buffer)
    if not listed:
        return False
    reader = LogReader(plan.buffer, after_sequence=max(0, listed[-1][0] - 1))
    records = reader.poll(0)
    is_last = bool(records) and bytes(records[-1].payload) == payload
    reader.close()
    return is_last


def publish(plan: Plan) -> None:
    """Go on publishing until all is published, then end the session; may be killed and called again at any time."""
    plan.buffer.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = ProcessLock(plan.buffer / INGEST_LOCK)
    lock.acquire()
    numbers = committed_numbers(plan)
    known = len(_entries(plan))
    with plan.ledger.open("ab", buffering=0) as ledger:
        ledger.truncate(known * ENTRY.size)
        if len(numbers) > known:
            ledger.write(ENTRY.pack(known, 0))
        _publish_from(plan, len(numbers), ledger)
    lock.release()


def publish_some(plan: Plan, first: int, last: int, *, stop: bool = False) -> None:
    """Publish some messages as an ingest that has just been started, without a ledger, and leave or end the session."""
    appender = LogAppender(plan.settings, now_ns=time.time_ns())
    _start(plan, appender)
    for k in range(first, last):
        assert appender.append(RecordKind.MESSAGE, plan.payload(k), received_ns=time.time_ns()) is not None
    if stop:
        _stop(appender)
    appender.close()


def _publish_from(plan: Plan, first: int, ledger: Any) -> None:
    appender = LogAppender(plan.settings, now_ns=time.time_ns())
    bell = Bell(plan.buffer)
    pause = threading.Event()
    _start(plan, appender)
    for k in range(first, plan.messages):
        if k % plan.per_session == plan.per_session - 1:
            _stop(appender)
            _start(plan, appender)
        payload = plan.payload(k)
        while (sequence := appender.append(RecordKind.MESSAGE, payload, received_ns=time.time_ns())) is None:
            pause.wait(0.01)
        ledger.write(ENTRY.pack(k, sequence))
        if k % 101 == 50:
            gap = Gap(from_ns=k, to_ns=k + 1, reason="test", counts={})
            appender.append(RecordKind.GAP, gap.to_bytes(), received_ns=time.time_ns())
        if k % 8 == 0:
            bell.ring(appender.position)
            pause.wait(plan.pause_s)
        if appender.wants_next:
            appender.prepare_next()
    _stop(appender)
    bell.ring(appender.position)
    bell.close()
    appender.close()


def _start(plan: Plan, appender: LogAppender) -> None:
    now_ns = time.time_ns()
    start = SessionStart(
        session_id=(now_ns // SECOND) << 28 | now_ns // 1000 & 0xFFFFFFF,
        start_ns=now_ns,
        description="HK data",
        data_dir=str(plan.data),
        time_per_file_s=1.0,
        max_file_bytes=60_000,
        fsync=plan.fsync,
        buffer_bytes=plan.settings.size_bytes,
    )
    appender.set_preamble(None)
    appender.append(RecordKind.SESSION_START, start.to_bytes(), received_ns=now_ns)
    appender.set_preamble(start.to_bytes())


def _stop(appender: LogAppender) -> None:
    now_ns = time.time_ns()
    appender.set_preamble(None)
    appender.append(RecordKind.SESSION_STOP, SessionStop(stop_ns=now_ns).to_bytes(), received_ns=now_ns)
