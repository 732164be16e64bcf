"""When and how the writer process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.locks import INGEST_LOCK, ProcessLock
from tests.support.archive_check import assert_archive_is_clean
from tests.support.recording import REPOSITORY, Recording, block, end, feed, wait_for_sequence, writer_process
from tests.support.wait import wait_until


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    recording = Recording(tmp_path, now_ns=time.time_ns())
    recording.start()
    recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed())
    return recording


@pytest.fixture
def child(recording: Recording) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Return a writer that is our child, and our end of the pipe between us."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "writer", "--buffer-dir", str(recording.buffer), "--parent-fd", str(read_end)]
    process = subprocess.Popen(command, cwd=REPOSITORY, pass_fds=[read_end], start_new_session=True)
    os.close(read_end)
    yield process, write_end
    if process.poll() is None:
        process.kill()
    process.wait()


def test_told_to_stop_with_ingest_it_waits_for_the_end_of_the_session(recording: Recording) -> None:
    lock = ProcessLock(recording.buffer / INGEST_LOCK)
    lock.acquire()
    with writer_process(recording.buffer) as writer:
        wait_for_sequence(recording, 2)
        writer.send_signal(signal.SIGTERM)
        wait_until(lambda: writer.poll() is not None or recording.writer_status()["sequence"] == 2)
        recording.stop()
        lock.release()
        assert writer.wait(timeout=20) == 0
    assert recording.writer_status()["state"] == "stopped"
    assert recording.writer_status()["pending_messages"] == 0
    assert len(assert_archive_is_clean(recording.data)) == 1


def test_told_to_stop_alone_it_leaves_the_session_to_the_next_writer(recording: Recording) -> None:
    with writer_process(recording.buffer) as writer:
        wait_for_sequence(recording, 2)
        assert end(writer) == 0
    assert recording.writer_status()["pending_messages"] == 1
    with writer_process(recording.buffer) as writer:
        recording.stop()
        wait_for_sequence(recording, 3)
        assert end(writer) == 0
    assert len(recording.files()) == 1
    assert len(assert_archive_is_clean(recording.data)) == 1


def test_a_child_ignores_signals_to_its_group_and_ends_with_its_parents_pipe(
    recording: Recording, child: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, write_end = child
    wait_for_sequence(recording, 2)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    recording.stop()
    wait_for_sequence(recording, 3)
    assert process.poll() is None
    os.close(write_end)
    assert process.wait(timeout=20) == 0
    assert len(assert_archive_is_clean(recording.data)) == 1


def test_a_child_whose_parent_died_leaves_nothing_behind_but_the_open_session(
    recording: Recording, child: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, write_end = child
    wait_for_sequence(recording, 2)
    os.close(write_end)
    assert process.wait(timeout=20) == 0
    assert recording.writer_status()["pending_messages"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--buffer-dir"),
        (["--buffer-dir", "/proc/nowhere"], "choose another --buffer-dir"),
        (["--buffer-dir", "x", "--colour"], "--colour"),
    ],
)
def test_wrong_use_is_one_clear_line_and_a_failure(arguments: list[str], says: str) -> None:
    command = [sys.executable, "-m", "writer", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert says in last
    assert "Traceback" not in done.stderr


def test_a_log_of_another_version_is_refused_with_one_line(recording: Recording) -> None:
    (segment,) = recording.buffer.glob("*.segment")
    with segment.open("r+b") as file:
        file.seek(8)
        file.write(b"\x09")
    with writer_process(recording.buffer) as writer:
        assert writer.wait(timeout=20) == 1
        assert writer.stderr is not None
        assert b"version 9" in writer.stderr.read()
