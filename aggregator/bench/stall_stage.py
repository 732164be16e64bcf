"""Stage `stall`: the writer stands still, as on a frozen disk, while messages keep coming.

Network and disk share no process, so a writer that is stopped is all that a frozen disk can do to ingest. How late
ingest's reactor is, is measured from outside: by how long it takes to answer pings that travel among the messages.
"""

from __future__ import annotations

import signal
import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from aggregator.bench.checking import read_back
from aggregator.bench.figures import HKAGG, Round
from aggregator.bench.processes import Program
from aggregator.bench.recorders import Places
from aggregator.bench.replay import ReplayServer
from aggregator.bench.tape import Tape
from aggregator.bench.wire_stage import in_background, running_recorder, stop
from aggregator.errors import BenchError

LAG_EDGES_MS = (1, 2, 5, 10, 20, 50, 100, 1000)
"""Upper edges of the histogram's classes; one more class has the rest."""

_PING_EVERY_S = 0.01
_PONG_WITHIN_S = 60.0
_STALL_FROM, _STALL_TO = 0.2, 0.8


def run_stall(tape: Tape, places: Places, seconds: float) -> Round:
    """Record a tape in a given time, with the writer stopped from a fifth of it to four fifths.

    Parameters
    ----------
    tape : Tape
        What is sent.
    places : Places
        Where files go; empty.
    seconds : float
        How long sending takes.

    Raises
    ------
    BenchError
        When the recorder does not get through.
    """
    lags_s: list[float] = []
    with running_recorder(HKAGG, places) as (server, programs, watch):
        ready_s = [program.cpu_s() for program in programs]
        writer = next(program for program in programs if program.name == "writer")
        over = threading.Event()
        pinging = threading.Thread(target=_ping, args=(server, lags_s, over), daemon=True)
        stalling = threading.Thread(target=_stall, args=(writer, over, seconds), daemon=True)
        pinging.start()
        stalling.start()
        try:
            in_background(watch, lambda: server.replay(tape, tape.messages / seconds))
        finally:
            over.set()
            stalling.join()
            pinging.join()
        watch.until_rest(_PONG_WITHIN_S)
        cpu_s = stop(programs, watch)
    return Round(
        wall_s=seconds,
        cpu_s={program.name: cpu_s[program.name] - ready for program, ready in zip(programs, ready_s, strict=True)},
        peak_bytes=dict(watch.peak_bytes),
        archive_bytes=sum(path.stat().st_size for path in places.archive_files),
        check=read_back(tape, places.data_dir),
        remarks={"stalled_s": seconds * (_STALL_TO - _STALL_FROM), "lag": lag_summary(lags_s)},
    )


def lag_summary(lags_s: Sequence[float]) -> dict[str, Any]:
    """Return how late answers were: how many, the median, the worst, and a histogram by `LAG_EDGES_MS`.

    Parameters
    ----------
    lags_s : sequence of float
        Seconds; at least one.
    """
    lags_ms = sorted(lag * 1e3 for lag in lags_s)
    counts = [0] * (len(LAG_EDGES_MS) + 1)
    for lag in lags_ms:
        counts[bisect_left(LAG_EDGES_MS, lag)] += 1
    names = [f"up to {edge} ms" for edge in LAG_EDGES_MS] + [f"over {LAG_EDGES_MS[-1]} ms"]
    return {
        "pings": len(lags_ms),
        "median_ms": lags_ms[len(lags_ms) // 2],
        "p99_ms": lags_ms[len(lags_ms) * 99 // 100],
        "max_ms": lags_ms[-1],
        "histogram": dict(zip(names, counts, strict=True)),
    }


def _ping(server: ReplayServer, lags_s: list[float], over: threading.Event) -> None:
    while True:
        try:
            lags_s.append(server.round_trip_s(_PONG_WITHIN_S))
        except BenchError:
            # Sending fails in its own thread, with a better reason.
            return
        if over.wait(_PING_EVERY_S):
            return


def _stall(writer: Program, over: threading.Event, seconds: float) -> None:
    if over.wait(seconds * _STALL_FROM):
        return
    writer.signal(signal.SIGSTOP)
    over.wait(seconds * (_STALL_TO - _STALL_FROM))
    writer.signal(signal.SIGCONT)
