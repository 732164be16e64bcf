"""The command starts, says where it is, ends when it is told to, and is nobody's burden when it is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aggregator import cli
from aggregator.errors import HkaggError
from tests.support.recording import T0
from tests.support.stand_in import StandIn
from writer.monitor.command import main

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _as_important_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a command that is run in this process from making all later tests slow."""
    monkeypatch.setattr("os.nice", lambda _by: 0)


@contextmanager
def monitor(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "aggregator", "monitor", "--buffer-dir", str(directory), "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def url_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_an_orderly_way_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    with monitor(tmp_path) as child:
        with urllib.request.urlopen(url_of(child)) as page:  # noqa: S310 - the page of the process just started
            assert page.status == 200
        child.send_signal(number)
        out, err = child.communicate(timeout=20)
        assert (child.returncode, out, err) == (0, "", "")


def test_a_killed_monitor_leaves_a_recorder_as_it_was(tmp_path: Path) -> None:
    with StandIn(tmp_path, now_ns=T0) as recorder, monitor(recorder.buffer) as child:
        before = {path.name for path in recorder.buffer.iterdir()}
        with urllib.request.urlopen(url_of(child) + "status.json") as answer:  # noqa: S310 - as above
            assert answer.status == 200
        child.kill()
        child.wait(20)
        assert {path.name for path in recorder.buffer.iterdir()} == before


def test_it_gives_way_to_the_pair(tmp_path: Path) -> None:
    with monitor(tmp_path) as child:
        url_of(child)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_another_machine_is_let_in_only_on_purpose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["monitor", "--buffer-dir", str(tmp_path), "--host", "0.0.0.0"]  # noqa: S104 - is refused
    assert cli.main(arguments, clock_ns=lambda: T0) == cli.USAGE_ERROR
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "--allow-remote" in line


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(HkaggError, match="another --port"):
        main(["--buffer-dir", str(tmp_path), "--port", str(taken.getsockname()[1])], clock_ns=lambda: T0)


def test_without_its_libraries_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("aiohttp", "writer.monitor.serving"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(HkaggError, match=r"pip install 'hkagg\[monitor\]'"):
        main(["--buffer-dir", str(tmp_path), "--port", "0"], clock_ns=lambda: T0)


def test_it_needs_neither_ingest_nor_the_network_libraries() -> None:
    program = (
        "import sys, writer.monitor.serving\n"
        "heavy = {'ingest', 'autobahn', 'twisted', 'ocs', 'zmq'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
