"""Keeps a writer running as a child of ingest, for launchers that start one command only.

The child is in a session of its own, out of reach of signals to ingest's process group, and holds the read end of a
pipe whose other end only ingest has: when that closes, on purpose or because ingest died, the child finishes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from twisted.logger import Logger

from aggregator.locks import WRITER_LOCK, is_held

SECOND_NS = 1_000_000_000
FIRST_PAUSE_NS = SECOND_NS // 2
LONGEST_PAUSE_NS = 30 * SECOND_NS
SETTLED_AFTER_NS = 60 * SECOND_NS
"""A child that lived this long is started again without delay."""

log = Logger()


class WriterChild:
    """A writer that is started again when it dies.

    Parameters
    ----------
    directory : Path
        The buffer directory, absolute.
    command : tuple of str
        What starts a writer; its arguments are added.
    """

    def __init__(self, directory: Path, *, command: tuple[str, ...] = (sys.executable, "-m", "writer")) -> None:
        self._directory = directory
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None
        self._started_ns = 0
        self._next_start_ns = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._finishing = False

    @property
    def pid(self) -> int | None:
        """Process id of the child; None when there is none."""
        return self._process.pid if self._process else None

    def look_after(self, now_ns: int) -> None:
        """Start the child where none runs; to be called about once a second."""
        if not self.has_ended(now_ns) or self._finishing or now_ns < self._next_start_ns:
            return
        # A writer that somebody else started, or that outlives an ingest killed a moment ago, does the job too.
        if not is_held(self._directory / WRITER_LOCK):
            self._start(now_ns)

    def has_ended(self, now_ns: int) -> bool:
        """Whether no child runs; one that has ended is taken note of."""
        if self._process is None:
            return True
        code = self._process.poll()
        if code is None:
            return False
        self._process = None
        self._close_pipe()
        if not self._finishing:
            self._plan_restart(code, now_ns)
        return True

    def finish(self) -> None:
        """Tell the child that nothing more comes: it drains the log, closes its file and ends."""
        self._finishing = True
        self._close_pipe()

    def kill(self) -> None:
        """End a child that did not finish; the next writer goes on from its checkpoint."""
        if self._process is not None:
            log.warn("the writer has not finished in time and is killed; the next one goes on from its checkpoint")
            self._process.kill()

    def _start(self, now_ns: int) -> None:
        read_end, self._pipe = os.pipe()
        arguments = ["--buffer-dir", str(self._directory), "--parent-fd", str(read_end)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[read_end],
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            log.error("cannot start the writer: {error}", error=error)
            self._close_pipe()
            self._plan_restart(None, now_ns)
            return
        finally:
            os.close(read_end)
        self._started_ns = now_ns
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, as asked for
        threading.Thread(target=_relay, args=(self._process.stdout,), daemon=True).start()
        log.info("started the writer, pid {pid}", pid=self._process.pid)

    def _plan_restart(self, code: int | None, now_ns: int) -> None:
        if now_ns - self._started_ns >= SETTLED_AFTER_NS:
            self._pause_ns = FIRST_PAUSE_NS
        self._next_start_ns = now_ns + self._pause_ns
        log.error(
            "the writer ended (exit code {code}); it is started again in {pause} s",
            code=code,
            pause=self._pause_ns / SECOND_NS,
        )
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def _relay(output: IO[bytes]) -> None:
    """Pass on what the child says, so that it never holds our own output open past our end."""
    with output:
        for line in output:
            sys.stderr.write(line.decode(errors="replace"))
            sys.stderr.flush()
