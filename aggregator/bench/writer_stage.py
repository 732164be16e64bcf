"""Stage `writer`: from a log that holds a whole tape to the archive, without a network."""

from __future__ import annotations

from aggregator.bench.checking import read_back
from aggregator.bench.figures import Round
from aggregator.bench.processes import json_object
from aggregator.bench.recorders import Places, start_module
from aggregator.bench.tape import Tape
from aggregator.bench.watch import Watch

DRAINED_WITHIN_S = 600.0


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
    where = [str(tape.path), str(places.buffer_dir), str(places.data_dir)]
    program = start_module("writer", places, "writer.bench.drain", *where)
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
