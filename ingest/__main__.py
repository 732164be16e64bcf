"""`hkagg ingest`, `python -m ingest`, and what ocs-agent-cli starts: the network side; it owns the clock."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from aggregator.buffer import default_size_bytes, prepare_directory
from aggregator.errors import HkaggError
from aggregator.locks import INGEST_LOCK, ArchiveLock, ProcessLock
from aggregator.settings import BufferSettings
from ingest.arguments import IngestSettings, read_settings

USAGE_ERROR = 2


def main(args: Sequence[str] | None = None) -> int:
    """Run ingest until it is told to end.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments instead of the process's own.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    SystemExit
        When it cannot start; launchers of OCS agents do not look at what an agent returns.
    """
    try:
        settings = read_settings(args)
        directory = prepare_directory(settings.buffer_dir, settings.recorder.data_dir)
        lock = ProcessLock(directory / INGEST_LOCK)
        lock.acquire()
        archive_lock = ArchiveLock(settings.recorder.data_dir)
        try:
            archive_lock.acquire()
            _run(settings, BufferSettings.of_size(directory, settings.buffer_bytes or default_size_bytes(directory)))
        finally:
            archive_lock.release()
            lock.release()
    except HkaggError as error:
        print(f"hkagg ingest: {error}", file=sys.stderr)  # noqa: T201 - the one line that the operator sees
        raise SystemExit(USAGE_ERROR) from None
    return 0


def _run(settings: IngestSettings, buffer: BufferSettings) -> None:
    # Importing Twisted and autobahn takes a second, which nobody should wait for to learn of a typing mistake.
    from ingest.program import run  # noqa: PLC0415 - see above

    print(  # noqa: T201 - where the data wait and go to, before any log is set up
        f"hkagg ingest: buffer {buffer.directory}, {buffer.size_bytes / 2**20:.0f} MiB; "
        f"archive {settings.recorder.data_dir}",
        flush=True,
    )
    run(settings, buffer, pid=os.getpid(), clock_ns=time.time_ns, steady_ns=time.monotonic_ns)


if __name__ == "__main__":
    sys.exit(main())
