"""Stage `writer`: a log that is full already into an archive: ``python -m writer.bench.drain BUFFER_DIR``.

The time that the writer is told is that of the log's records, as if each had been taken when it came.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from aggregator.errors import BenchError
from aggregator.settings import Caps
from writer.files import DiskFiles
from writer.service import Service


def drain(buffer_dir: Path, now_ns: int) -> dict[str, float]:
    """Write everything that is in a log, to the end of its session.

    Parameters
    ----------
    buffer_dir : Path
        Holds the log.
    now_ns : int
        When the last record was received, Unix nanoseconds.

    Returns
    -------
    dict
        CPU and wall seconds.

    Raises
    ------
    BenchError
        When the session does not come to its end.
    """
    cpu_begun, wall_begun = process_time(), perf_counter()
    service = Service(directory=buffer_dir, operations=DiskFiles(), caps=Caps())
    while service.step(now_ns):
        pass
    took = {"cpu_s": process_time() - cpu_begun, "wall_s": perf_counter() - wall_begun}
    if not service.is_complete:
        raise BenchError(f"the writer stopped half-way: {service.trouble.reason or 'the session is still open'}")
    service.leave()
    return took


def main(argv: Sequence[str]) -> int:
    """Run the program; its arguments are a buffer directory and the time, Unix nanoseconds."""
    sys.stdout.write(json.dumps(drain(Path(argv[0]), int(argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
