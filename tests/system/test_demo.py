from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aggregator.ledger import read_ledger
from tests.support.wait import wait_until

PROMISE = "in the archive exactly once, and nothing else is"
PUBLISHING = "which keeps a ledger of all that it publishes"


class Demo:
    """A running demo whose words are in a file."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.output = root / "demo"
        self._words = root / "words"
        command = [sys.executable, "-m", "aggregator.demo", "--output", str(self.output), "--scale", "0.02", *arguments]
        with self._words.open("wb") as words:
            self.process = subprocess.Popen(command, stdout=words, stderr=words, start_new_session=True)

    @property
    def words(self) -> str:
        return self._words.read_text()

    def until(self, words: str) -> None:
        wait_until(lambda: words in self.words or self.process.poll() is not None, 120, lambda: self.words)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def exit_code(self) -> int:
        return self.process.wait(timeout=180)

    def programs(self) -> dict[int, str]:
        """Command lines of all processes that know the demo's folder."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                known = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
                if os.fsencode(self.output) in known and int(process.name) != self.process.pid:
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def pid_of(self, words: str) -> int:
        """Process id of the program with these words in its command line; 0 when there is none."""
        return next((pid for pid, command in self.programs().items() if words in command), 0)


@contextmanager
def demo(root: Path, *arguments: str) -> Iterator[Demo]:
    running = Demo(root, *arguments)
    try:
        yield running
    finally:
        for pid in [running.process.pid, *running.programs()] if running.process.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        running.process.wait()


def test_the_demo_proves_that_every_published_value_is_in_the_archive(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "6") as running:
        assert running.exit_code() == 0, running.words
        assert PROMISE in running.words
        assert list(read_ledger(running.output / "ledgers" / "fake-data-agent"))
        assert list((running.output / "data").rglob("*.g3"))
        assert running.programs() == {}


def test_a_killed_writer_costs_no_value_and_ctrl_c_ends_early_with_the_check(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "3600") as running:
        running.until(PUBLISHING)
        killed = running.pid_of("-m writer")
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: running.pid_of("-m writer") not in {0, killed}, 60, "a new writer")
        running.interrupt()
        assert running.exit_code() == 0, running.words
        assert PROMISE in running.words


@pytest.mark.parametrize("words", ["recorded and then checked", "ws://"])
def test_ctrl_c_before_anything_is_recorded_leaves_nothing_running(tmp_path: Path, words: str) -> None:
    with demo(tmp_path) as running:
        running.until(words)
        running.interrupt()
        assert running.exit_code() == 130, running.words
        assert running.programs() == {}


def test_a_program_that_dies_ends_the_demo_with_its_name_and_leaves_nothing_running(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "3600") as running:
        running.until(PUBLISHING)
        os.kill(running.pid_of("ingest.simulate"), signal.SIGKILL)
        assert running.exit_code() == 1
        assert "the simulated site ended before its time" in running.words
        assert running.programs() == {}


def test_the_demo_does_not_write_into_a_folder_that_has_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine").touch()
    with demo(tmp_path) as running:
        assert running.exit_code() == 2
        assert "is not empty" in running.words
