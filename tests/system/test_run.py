"""The pair under supervisord: what `hkagg run` promises to operators."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.wait import wait_until

STAND_IN = """
import os, signal, sys, time
from pathlib import Path
from aggregator.locks import ProcessLock
buffer = Path({buffer!r})
def tell(what):
    with (buffer / "story").open("a") as story:
        story.write(f"{name} {{what}} {{os.getpid()}}\\n")
signal.signal(signal.SIGTERM, lambda *_: (tell("stops"), sys.exit(0)))
lock = ProcessLock(buffer / "{name}.lock")
lock.acquire()
tell("starts")
print("{name} was here", flush=True)
if "--hasty" in sys.argv:
    sys.exit(3)
while True:
    signal.pause()
"""

PREFLIGHT = """
import sys
print({buffer!r})
sys.exit(2 if "--nonsense" in sys.argv else 0)
"""


class Pair:
    """`hkagg run` with two stand-ins that write down what happens to them."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.buffer = root / "buffer"
        self.buffer.mkdir()
        for name in ("ingest", "writer"):
            package = root / "stand-ins" / name
            package.mkdir(parents=True)
            (package / "__main__.py").write_text(STAND_IN.format(name=name, buffer=str(self.buffer)))
        (package.parent / "ingest" / "preflight.py").write_text(PREFLIGHT.format(buffer=str(self.buffer)))
        self.log = root / "run.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aggregator", "run", "--data-dir", str(root / "data"), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(root / "stand-ins")},
            )

    def story(self) -> list[list[str]]:
        """What the stand-ins wrote: name, event, pid."""
        path = self.buffer / "story"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def events(self) -> list[str]:
        return [f"{name} {event}" for name, event, _ in self.story()]

    def wait_for(self, event: str, times: int = 1) -> None:
        wait_until(lambda: self.events().count(event) >= times, message=self.log.read_text)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture
def start_pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    """Starts a pair with further arguments; it is stopped at the end."""
    pairs: list[Pair] = []

    def start(*arguments: str) -> Pair:
        pairs.append(Pair(tmp_path, *arguments))
        return pairs[-1]

    yield start
    for pair in pairs:
        if pair.process.poll() is None:
            pair.stop()


@pytest.fixture
def pair(start_pair: Callable[..., Pair]) -> Pair:
    """A pair that has started."""
    pair = start_pair()
    pair.wait_for("ingest starts")
    pair.wait_for("writer starts")
    return pair


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_ingest_first_and_then_the_writer_and_is_a_success(pair: Pair, number: int) -> None:
    assert pair.stop(number) == 0
    assert pair.events()[-2:] == ["ingest stops", "writer stops"]


@pytest.mark.parametrize("name", ["ingest", "writer"])
def test_a_killed_process_is_started_again_and_the_other_left_alone(pair: Pair, name: str) -> None:
    pid = next(int(pid) for who, _, pid in pair.story() if who == name)
    os.kill(pid, signal.SIGKILL)
    pair.wait_for(f"{name} starts", 2)
    other = {"ingest": "writer", "writer": "ingest"}[name]
    assert pair.events().count(f"{other} starts") == 1


def test_the_control_socket_is_the_operators_alone_and_works(pair: Pair) -> None:
    socket = pair.buffer / "supervisor.sock"
    wait_until(socket.exists)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-s", f"unix://{socket}", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ingest", "writer"]


def test_what_the_processes_say_is_in_their_log_files(pair: Pair) -> None:
    said = [pair.buffer / f"{name}.log" for name in ("ingest", "writer")]
    wait_until(lambda: all(log.exists() and f"{log.stem} was here" in log.read_text() for log in said))


def test_standard_output_takes_all_logs_when_asked(start_pair: Callable[..., Pair]) -> None:
    pair = start_pair("--log-dir", "-")
    wait_until(lambda: {"ingest was here", "writer was here"} <= set(pair.log.read_text().splitlines()))
    assert pair.stop() == 0


def test_a_process_that_cannot_start_yet_is_tried_again(start_pair: Callable[..., Pair]) -> None:
    pair = start_pair("--hasty")
    pair.wait_for("ingest starts", 3)
    assert pair.stop() == 0
    assert pair.events()[-1] == "writer stops"


def test_a_second_pair_on_one_buffer_refuses_to_start(pair: Pair, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aggregator", "run"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "stand-ins")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"already works on {pair.buffer}" in done.stderr


def test_a_mistake_in_the_arguments_of_ingest_ends_it_at_once(start_pair: Callable[..., Pair]) -> None:
    pair = start_pair("--nonsense")
    assert pair.process.wait(timeout=30) == 2
    assert pair.story() == []
