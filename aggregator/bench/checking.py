"""Has archives read back: every value of a tape must be there once."""

from __future__ import annotations

from pathlib import Path

from aggregator.bench.figures import Check
from aggregator.bench.processes import run_module
from aggregator.bench.tape import Tape


def read_back(tape: Tape, data_dir: Path, messages: int | None = None) -> Check:
    """Compare an archive with what was sent.

    Parameters
    ----------
    tape : Tape
        What was sent.
    data_dir : Path
        The archive.
    messages : int, optional
        How many messages of the tape were sent; all when not given.

    Raises
    ------
    BenchError
        When the archive cannot be read.
    """
    sent = tape.messages if messages is None else messages
    found = run_module("writer.bench.read_back", str(tape.path), str(data_dir), str(sent))
    return Check(**found)
