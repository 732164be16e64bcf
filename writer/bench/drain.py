"""Stage `writer`: a full log into an archive: ``python -m writer.bench.drain TAPE BUFFER_DIR DATA_DIR``.

The writer has a session open and has come to rest before the log is filled, as if it had stood still while the
messages came; what is counted begins when it goes on. The time that it is told is the end of the session.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from aggregator.bench.filled_log import START_NS, FilledLog
from aggregator.bench.tape import load_tape
from aggregator.errors import BenchError
from aggregator.settings import Caps
from writer.files import DiskFiles
from writer.service import Service


def drain(tape_path: Path, buffer_dir: Path, data_dir: Path) -> dict[str, float]:
    """Fill a log and write everything that is in it, to the end of its session.

    Parameters
    ----------
    tape_path : Path
        What is put into the log.
    buffer_dir, data_dir : Path
        Where log and archive come to be; empty.

    Returns
    -------
    dict
        CPU and wall seconds.

    Raises
    ------
    BenchError
        When the session does not come to its end.
    """
    log = FilledLog(load_tape(tape_path), buffer_dir, data_dir)
    service = Service(directory=buffer_dir, operations=DiskFiles(), caps=Caps())
    _step_to_rest(service, START_NS)
    log.fill()
    cpu_begun, wall_begun = process_time(), perf_counter()
    _step_to_rest(service, log.stop_ns)
    took = {"cpu_s": process_time() - cpu_begun, "wall_s": perf_counter() - wall_begun}
    log.close()
    if not service.is_complete:
        raise BenchError(f"the writer stopped half-way: {service.trouble.reason or 'the session is still open'}")
    service.leave()
    return took


def _step_to_rest(service: Service, now_ns: int) -> None:
    while service.step(now_ns) or service.has_backlog:
        pass


def main(argv: Sequence[str]) -> int:
    """Run the program; its arguments are a tape, a buffer directory and a data directory."""
    tape_path, buffer_dir, data_dir = map(Path, argv)
    sys.stdout.write("\n" + json.dumps(drain(tape_path, buffer_dir, data_dir)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
