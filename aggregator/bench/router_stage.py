"""Stage `router`: publishers, a real Crossbar.io and the recorder, at rising rates until something is saturated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from aggregator.bench.checking import read_back
from aggregator.bench.figures import HKAGG, Round
from aggregator.bench.processes import Program, children_of, cpu_s
from aggregator.bench.recorders import Places, start, start_module
from aggregator.bench.tape import Tape
from aggregator.bench.watch import Watch
from aggregator.bench.wire_stage import READY_WITHIN_S, TAKEN_WITHIN_S, stop
from aggregator.bench.workloads import ROOT
from aggregator.demo.router import Router, RouterSettings, free_port
from aggregator.errors import BenchError

STEP_S = 2.0
STEPS = 8
_SMALL_MESSAGE_RATE = 250.0
_FULL_RATE_BYTES = 4096
_MOST_BYTES = 128 << 20
ROUTER, PUBLISHER = "router", "publisher"
_STEP_MARK = '{"rate"'


def ladder(message_bytes: float) -> list[float]:
    """Return the rates to try, in messages per second, each twice the one before.

    Parameters
    ----------
    message_bytes : float
        Size of a message's payload; large ones begin lower.
    """
    first = max(1.0, _SMALL_MESSAGE_RATE / (1 + message_bytes / _FULL_RATE_BYTES))
    return [first * 2**step for step in range(STEPS)]


def messages_needed(message_bytes: float) -> int:
    """Return how many messages a tape for all steps has, within reason."""
    return max(1, min(int(sum(ladder(message_bytes)) * STEP_S), int(_MOST_BYTES / message_bytes)))


def run_router(tape: Tape, places: Places) -> Round:
    """Publish a tape through a router until something is saturated.

    Parameters
    ----------
    tape : Tape
        What is published.
    places : Places
        Where files go; empty.

    Raises
    ------
    RouterMissingError
        When Crossbar.io is not installed.
    BenchError
        When something does not get through.
    """
    with _running_router(places.root / "router") as router:
        programs = start(HKAGG, places, router.settings.port)
        try:
            return _climb(tape, places, router, programs)
        finally:
            for program in programs:
                program.kill()


def _climb(tape: Tape, places: Places, router: Router, programs: list[Program]) -> Round:
    watch = Watch(programs)
    watch.until_rest(READY_WITHIN_S)
    ready_s = [program.cpu_s() for program in programs]
    publisher = _start_publisher(tape, places, router)
    try:
        steps = _follow(publisher, router, programs, watch)
    finally:
        publisher.kill()
    watch.until_rest(TAKEN_WITHIN_S)
    used_s = stop(programs, watch)
    sent = int(steps[-1]["messages"])
    found = verdict(steps)
    return Round(
        wall_s=sent / found["limit_messages_per_s"],
        cpu_s={program.name: used_s[program.name] - ready for program, ready in zip(programs, ready_s, strict=True)},
        peak_bytes=dict(watch.peak_bytes),
        archive_bytes=sum(path.stat().st_size for path in places.archive_files),
        check=read_back(tape, places.data_dir, sent),
        remarks={"steps": steps, "sent": sent, **found},
    )


def verdict(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the best rate that was achieved and which process was saturated at the end.

    Parameters
    ----------
    steps : sequence of mapping
        With `rate`, `achieved` and `busy`, the share of a core by process.
    """
    last = steps[-1]
    saturated = last["achieved"] < 0.95 * last["rate"]
    busiest = max(last["busy"], key=last["busy"].__getitem__)
    return {
        "limit_messages_per_s": max(step["achieved"] for step in steps),
        "saturated": busiest if saturated else None,
    }


@contextmanager
def _running_router(directory: Path) -> Iterator[Router]:
    router = Router(RouterSettings(port=free_port(), address_root=ROOT), directory)
    router.start()
    try:
        Watch([]).until(router.is_ready, READY_WITHIN_S, "the router to be ready")
        yield router
    finally:
        router.stop()


def _start_publisher(tape: Tape, places: Places, router: Router) -> Program:
    rates = ",".join(f"{rate:g}" for rate in ladder(tape.payload_bytes / tape.messages))
    where = ["--url", router.settings.websocket_url, "--realm", router.settings.realm]
    return start_module(
        PUBLISHER, places, "ingest.bench.publisher", str(tape.path), *where, "--rates", rates, "--step", f"{STEP_S:g}"
    )


def _follow(publisher: Program, router: Router, programs: Sequence[Program], watch: Watch) -> list[dict[str, Any]]:
    """Note with each step that the publisher tells of how busy each process was meanwhile."""
    pids = {program.name: [program.pid] for program in (*programs, publisher)}
    pids[ROUTER] = [router.pid, *children_of(router.pid)]
    steps: list[dict[str, Any]] = []
    before_s, before = perf_counter(), _used_s(pids)

    def has_ended() -> bool:
        nonlocal before_s, before
        told = _steps_told(publisher)
        if len(told) > len(steps):
            now_s, now = perf_counter(), _used_s(pids)
            busy = {name: (now[name] - before[name]) / (now_s - before_s) for name in pids}
            steps.append({**told[len(steps)], "busy": busy})
            before_s, before = now_s, now
        return not publisher.is_running and len(steps) == len(told)

    watch.until(has_ended, TAKEN_WITHIN_S, "the publisher to end")
    publisher.collect()
    if not steps:
        raise BenchError(f"the publisher did not get through; it said: {publisher.said()}")
    return steps


def _steps_told(publisher: Program) -> list[dict[str, Any]]:
    lines = publisher.output().splitlines()
    return [json.loads(line) for line in lines if line.startswith(_STEP_MARK) and line.endswith("}")]


def _used_s(pids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    return {name: sum(map(cpu_s, each)) for name, each in pids.items()}
