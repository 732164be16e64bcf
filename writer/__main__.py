"""`hkagg writer`: the disk side of the pair; it owns the clock, the signals and the waiting."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import time
from pathlib import Path

from aggregator.bell import BellWaiter, Ring
from aggregator.buffer import prepare_directory
from aggregator.errors import DiskTroubleError, HkaggError
from aggregator.locks import INGEST_LOCK, WRITER_LOCK, ProcessLock, is_held
from aggregator.settings import Caps
from writer.files import DiskFiles
from writer.report import Report
from writer.service import Service

LOG = logging.getLogger("hkagg.writer")

WAIT_S = 0.1
"""Longest wait for the bell: what a lost ring costs."""
GATHER_S = 0.5
"""How long messages gather in the log before they are taken: a feed's messages are decoded many at once."""
STATUS_EVERY_S = 1.0
STOP_RECORD_WITHIN_S = 5.0
"""How long a writer that is told to stop waits for ingest, told at the same time, to end the session."""
LEFT_ALONE_S = 1.5
"""How long a child writer drains the log after its parent died."""


def make_parser() -> argparse.ArgumentParser:
    """Return the argument parser of `hkagg writer`."""
    parser = argparse.ArgumentParser(
        prog="hkagg writer",
        description="Writes what ingest puts into the log to the archive. What to write where comes from ingest, "
        "through the log: the two may start in either order, and either may be restarted at any time.",
    )
    parser.add_argument("--buffer-dir", required=True, type=Path, help="the buffer directory that ingest uses")
    parser.add_argument("--parent-fd", type=int, help=argparse.SUPPRESS)
    return parser


class Ending:
    """Whether and why this process is to end: a signal, or a parent that has gone.

    Parameters
    ----------
    parent_fd : int or None
        Read end of a pipe whose other end only the parent holds. With it signals are ignored: those that a terminal
        or a container sends to the whole process group are the parent's to answer.
    """

    def __init__(self, parent_fd: int | None) -> None:
        self._parent_fd = parent_fd
        self._since_s: float | None = None
        self._ingest_is_gone = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN if parent_fd is not None else self._on_signal)

    def is_over(self, service: Service, more: bool, directory: Path) -> bool:
        """Whether to end now, after a step that said whether there is more."""
        if not self.is_near or self._since_s is None:
            return False
        if service.is_complete and not more:
            return True
        waited_s = time.monotonic() - self._since_s
        if is_held(directory / INGEST_LOCK):
            return waited_s > STOP_RECORD_WITHIN_S
        # What ingest committed last may have come after the last look at the log: look once more.
        looked_since, self._ingest_is_gone = self._ingest_is_gone, True
        return (looked_since and not more) or (self._parent_fd is not None and waited_s > LEFT_ALONE_S)

    @property
    def is_near(self) -> bool:
        """Whether this process has been told to end."""
        self._look_for_parent()
        return self._since_s is not None

    def _look_for_parent(self) -> None:
        if self._parent_fd is None or self._since_s is not None:
            return
        readable, _, _ = select.select([self._parent_fd], [], [], 0)
        if readable and not os.read(self._parent_fd, 1):
            self._since_s = time.monotonic()

    def _on_signal(self, number: int, _frame: object) -> None:
        LOG.info("%s: finishing", signal.Signals(number).name)
        self._since_s = time.monotonic()


def run(directory: Path, ending: Ending) -> None:
    """Write until told to end.

    Parameters
    ----------
    directory : Path
        The buffer directory, locked by the caller.
    ending : Ending
        Tells when.
    """
    service = Service(directory=directory, operations=DiskFiles(), caps=Caps())
    report = Report(pid=os.getpid(), started_ns=time.time_ns())
    bell = BellWaiter(directory)
    next_status_s = 0.0
    more = False
    while not ending.is_over(service, more, directory):
        if not more:
            _listen(bell, ending)
        was_open = service.recorder.session is not None
        more = service.step(time.time_ns())
        has_closed = was_open and service.recorder.session is None
        if has_closed or time.monotonic() >= next_status_s:
            next_status_s = time.monotonic() + STATUS_EVERY_S
            report.publish(service, time.time_ns())
    try:
        service.leave()
    except DiskTroubleError as error:
        LOG.warning("%s", error)
    report.publish(service, time.time_ns(), stopped=True)
    bell.close()


def _listen(bell: BellWaiter, ending: Ending) -> None:
    """Wait for a ring, and then for more, unless somebody is waiting for us."""
    heard = bell.wait(WAIT_S)
    until_s = time.monotonic() + GATHER_S
    while heard is Ring.MORE and not ending.is_near and time.monotonic() < until_s:
        heard = max(heard, bell.wait(WAIT_S))


def main(argv: list[str] | None = None) -> int:
    """Run `hkagg writer`; return its exit code."""
    args = make_parser().parse_args(argv)
    logging.basicConfig(
        level=os.environ.get("LOGLEVEL", "info").upper(), format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    try:
        directory = prepare_directory(args.buffer_dir)
        lock = ProcessLock(directory / WRITER_LOCK)
        lock.acquire()
        run(directory, Ending(args.parent_fd))
        lock.release()
    except HkaggError as error:
        print(f"hkagg writer: {error}", file=sys.stderr)  # noqa: T201 - the one line that the operator sees
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
