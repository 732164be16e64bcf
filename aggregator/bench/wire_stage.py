"""Stage `wire`: a replayed tape into whole recorders, over a WebSocket but without the cost of a router."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from aggregator.bench.checking import read_back
from aggregator.bench.figures import FLOOR, Round
from aggregator.bench.processes import Program
from aggregator.bench.recorders import Places, start
from aggregator.bench.replay import ReplayServer
from aggregator.bench.tape import Tape
from aggregator.bench.watch import Watch
from aggregator.errors import BenchError

READY_WITHIN_S = 60.0
TAKEN_WITHIN_S = 600.0
ENDED_WITHIN_S = 120.0


def run_wire(recorder: str, tape: Tape, places: Places, clock_ns: Callable[[], int]) -> Round:
    """Record a tape once.

    Parameters
    ----------
    recorder : str
        Which one.
    tape : Tape
        What it gets.
    places : Places
        Where its files go; empty.
    clock_ns : callable
        Returns the time now, Unix nanoseconds: it is compared with file times.

    Raises
    ------
    BenchError
        When the recorder does not get through.
    """
    with running_recorder(recorder, places) as (server, programs, watch):
        ready_s = [program.cpu_s() for program in programs]
        begun_s = perf_counter()
        in_background(watch, lambda: server.replay(tape))
        rest_s = watch.until_rest(TAKEN_WITHIN_S)
        asked_ns = clock_ns()
        cpu_s = stop(programs, watch)
    closing_s = (_last_write_ns(places) - asked_ns) / 1e9
    return Round(
        wall_s=rest_s - begun_s + max(0.0, closing_s),
        cpu_s={program.name: cpu_s[program.name] - ready for program, ready in zip(programs, ready_s, strict=True)},
        peak_bytes=dict(watch.peak_bytes),
        archive_bytes=sum(path.stat().st_size for path in places.archive_files),
        check=None if recorder == FLOOR else read_back(tape, places.data_dir),
    )


@contextmanager
def running_recorder(recorder: str, places: Places) -> Iterator[tuple[ReplayServer, list[Program], Watch]]:
    """Run a recorder that is subscribed, records and has come to rest; nothing of it is left afterwards."""
    server = ReplayServer()
    programs: list[Program] = []
    try:
        programs += start(recorder, places, server.port)
        watch = Watch(programs)
        watch.until(lambda: server.has_subscriber, READY_WITHIN_S, f"{recorder} to subscribe")
        watch.until_rest(READY_WITHIN_S)
        yield server, programs, watch
    finally:
        for program in programs:
            program.kill()
        server.close()


def in_background(watch: Watch, work: Callable[[], None]) -> None:
    """Do something in a thread while programs are being watched.

    Raises
    ------
    BenchError
        What the work raised.
    """
    failures: list[BenchError] = []

    def run() -> None:
        try:
            work()
        except BenchError as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    watch.until(lambda: not thread.is_alive(), TAKEN_WITHIN_S, "all messages to be taken")
    if failures:
        raise failures[0]


def stop(programs: Sequence[Program], watch: Watch) -> dict[str, float]:
    """Ask programs to end, wait for them, and return all the CPU seconds that each has used.

    Raises
    ------
    BenchError
        When one does not end.
    """
    for program in programs:
        program.ask_to_stop()
    watch.until_ended(ENDED_WITHIN_S)
    return {program.name: program.collect() for program in programs}


def _last_write_ns(places: Places) -> int:
    return max((path.stat().st_mtime_ns for path in places.archive_files), default=0)
