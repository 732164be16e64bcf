from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import maybeDeferred

from aggregator.counters import Counters
from aggregator.health import State as HealthState
from aggregator.locks import INGEST_LOCK, ProcessLock
from aggregator.log import Position
from aggregator.status import INGEST, WRITER, read_snapshot, write_snapshot
from ingest.report import Look, Report, State, pipeline
from ingest.upkeep import Seen, Upkeep

S = 1_000_000_000


def look() -> Look:
    counters = Counters(INGEST)
    counters.add("received", 3)
    counters.add("dropped", 2, "observatory.a.feeds.b")
    return Look(
        now_ns=100 * S,
        state=State.RECORDING,
        session_id=42,
        connected=True,
        counters=counters.snapshot(),
        position=Position(7, 1, 640),
        feeds=1,
        losing=True,
    )


def run_once(directory: Path) -> Seen:
    told: list[Seen] = []
    report = Report(pid=1, started_ns=S, buffer_bytes=1000)
    Upkeep(directory=directory, report=report, look=look, tell=told.append, in_thread=maybeDeferred).once()
    return told[0]


def test_a_round_reports_and_tells_what_it_saw(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / INGEST_LOCK)
    lock.acquire()
    write_snapshot(tmp_path, WRITER, {"pending_messages": 5, "lag_s": 1.5, "counters": {"quarantined": {"bad": 2}}})
    run_once(tmp_path)
    snapshot = read_snapshot(tmp_path, INGEST)
    assert snapshot is not None
    assert snapshot["state"] == "recording"
    assert snapshot["log"] == {"sequence": 7, "segment": 1, "offset": 640}
    assert snapshot["buffer"] == {"size_bytes": 1000, "used_bytes": 0, "fill": 0}
    seen = run_once(tmp_path)
    assert seen.health.state is HealthState.DEGRADED
    assert pipeline(seen.observation, degraded="why") == {
        "backlog": 5,
        "lag_s": 1.5,
        "dropped": 2,
        "rejected": 0,
        "quarantined": 2,
        "gaps": 0,
        "writer_alive": False,
        "buffer_fill": 0,
        "degraded": "why",
    }
    lock.release()


def test_a_buffer_without_room_for_a_report_costs_the_report_only(tmp_path: Path) -> None:
    (tmp_path / "ingest.status.json").mkdir()
    assert run_once(tmp_path).health.state is HealthState.STOPPED
