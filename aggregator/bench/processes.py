"""Programs under measurement: their CPU time and memory, as the kernel accounts for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aggregator.errors import BenchError

_TAIL_BYTES = 2000
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""A folder named `writer` where the user happens to be is not ours to import (Python 3.11 and later)."""

_CPU_CLOCK = 2
"""Of the clock ids that Linux derives from process ids: user and system time, to the nanosecond."""


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used so far, threads that ended included, in seconds.

    Source: clock_getcpuclockid(3); it is what /proc/PID/stat has, less coarse.

    Raises
    ------
    ProcessLookupError
        When there is no such process.
    """
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError as error:
        raise ProcessLookupError(pid) from error


def anonymous_bytes(pid: int) -> int:
    """Return the memory that belongs to a process alone, which mapped files such as the log do not; 0 when it ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    return 0


def children_of(pid: int) -> list[int]:
    """Return the process ids of all descendants of a process."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found + [further for child in found for further in children_of(child)]


class Program:
    """A program under measurement.

    Parameters
    ----------
    name : str
        In results.
    command : sequence of str
        With which it is started.
    log_path : Path
        Where it says what it says.
    stop_signal : Signals
        What asks it to end.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log_path: Path, stop_signal: signal.Signals = signal.SIGTERM
    ) -> None:
        self.name = name
        self._log_path = log_path
        self._stop_signal = stop_signal
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is a list made by this program
                command,
                env={**os.environ, **_SAFE_PATH, "LOGLEVEL": "warn"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; one that has stays accounted for until `collect`."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is None and os.waitid(os.P_PID, self.pid, options) is None

    def cpu_s(self) -> float:
        """Return the CPU time it has used so far, in seconds."""
        return cpu_s(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_running:
            os.kill(self.pid, number)

    def ask_to_stop(self) -> None:
        """Ask it to end and return at once."""
        self.signal(self._stop_signal)

    def collect(self) -> float:
        """Return all the CPU time that a program that has ended used, in seconds, and forget it."""
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime

    def kill(self) -> None:
        """End it by force, if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()

    def output(self) -> str:
        """Return all that it has said so far."""
        return self._log_path.read_text(errors="replace")

    def said(self) -> str:
        """Return the last of what it said, for the message of an error."""
        return self.output()[-_TAIL_BYTES:].strip()


def run_module(module: str, *arguments: str, timeout_s: float = 600) -> Mapping[str, Any]:
    """Run a module as a program of its own and return the JSON object that it prints.

    Raises
    ------
    BenchError
        When it fails or prints something else.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, **_SAFE_PATH}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=True, timeout=timeout_s)  # noqa: S603 - see above
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        raise BenchError(f"{module} failed: {error} {said.decode(errors='replace')[-_TAIL_BYTES:]}") from error
    return json_object(done.stdout.decode(), module)


def json_object(text: str, source: str) -> Mapping[str, Any]:
    """Read the JSON object that a program has printed in its last line.

    Raises
    ------
    BenchError
        When it is something else.
    """
    try:
        content = json.loads((text.strip().splitlines() or [""])[-1])
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise BenchError(f"{source} did not do its part; it said: {text[-_TAIL_BYTES:]}")
    return content
