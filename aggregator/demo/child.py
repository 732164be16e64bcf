"""A child process in a session of its own, so that nothing it starts can be left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class ChildProcess:
    """A program that is started, signalled and stopped as one.

    Parameters
    ----------
    command : Sequence[str]
        The program and its arguments.
    log_path : Path
        Where its standard output and error go; appended to when it is started again.
    environment : Mapping[str, str] | None
        Variables on top of this process's own.
    stop_signal : signal.Signals
        What asks the program to end.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.command = tuple(command)
        self.log_path = log_path
        self._environment = dict(environment or {})
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False

    @property
    def pid(self) -> int:
        """Process id of the program, which is also its group's; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run; None while it runs or before the first start."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; does nothing while it runs."""
        if self.is_running:
            return
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._is_over = False
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is a list made by this program
                self.command,
                # A folder of the name of one of our packages where the user happens to be is not ours to import.
                env=os.environ | {"PYTHONSAFEPATH": "1"} | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone; one that has ended is left in peace."""
        if self._process and self.is_running:
            self._process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and to all that it started."""
        if self._process and not self._is_over:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def request_stop(self) -> None:
        """Ask the program to end and return at once."""
        self.send(self._stop_signal)

    def stop(self, timeout_s: float = 15) -> int | None:
        """End the program and everything it started, by force when it does not end in time.

        Parameters
        ----------
        timeout_s : float
            How long it may take after being asked.

        Returns
        -------
        int | None
            Its exit code; None when it was never started.
        """
        if self._process is None or self._is_over:
            return self.exit_code
        self.request_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        for pid in self.session_members():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Afterwards its process id may become somebody else's.
        self._is_over = True
        return self._process.wait()

    def session_members(self) -> list[int]:
        """Find all living processes of the program's session, whatever groups they have made for themselves.

        Returns
        -------
        list[int]
            Their process ids; empty when the program and everything it started is gone.
        """
        if self._process is None or self._is_over:
            return []
        return [pid for pid, session in _sessions() if session == self._process.pid]

    def log_tail(self, lines: int = 20) -> str:
        """Give the last lines of what the program has said.

        Parameters
        ----------
        lines : int
            How many.

        Returns
        -------
        str
            The lines as they stand in its log; empty when there is no log.
        """
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])


def _sessions() -> Iterator[tuple[int, int]]:
    """Give process id and session of every process that lives (Linux: proc(5), fields 3 and 6 of stat)."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            state, _parent, _group, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if state not in "ZX":
            yield int(entry.name), int(session)
