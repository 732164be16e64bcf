"""Stage `floor`: what transport and the G3 library cost alone, with the same messages and the same frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aggregator.bench.figures import FLOOR, Round
from aggregator.bench.processes import run_module
from aggregator.bench.recorders import Places
from aggregator.bench.tape import Tape
from aggregator.bench.wire_stage import run_wire
from aggregator.bench.writer_stage import run_writer

TRANSPORT, G3 = "transport", "g3"


def run_floor(tape: Tape, places: Places, clock_ns: Callable[[], int]) -> Round:
    """Measure both floors once.

    Parameters
    ----------
    tape : Tape
        What is sent, and of what the frames are made.
    places : Places
        Where files go; empty.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.

    Raises
    ------
    BenchError
        When one of the programs fails.
    """
    transport = run_wire(FLOOR, tape, places, clock_ns)
    archived = run_writer(tape, places)
    g3 = run_module("writer.bench.g3_floor", str(places.data_dir))
    return replace(
        transport,
        cpu_s={**transport.cpu_s, G3: g3["cpu_s"]},
        peak_bytes={**transport.peak_bytes, G3: 0},
        archive_bytes=archived.archive_bytes,
        remarks={"g3_wall_s": g3["wall_s"]},
    )
