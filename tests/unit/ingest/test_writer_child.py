from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aggregator.locks import WRITER_LOCK, ProcessLock
from ingest.writer_child import SECOND_NS, WriterChild
from tests.support.wait import wait_until

LISTENING = """
import os, signal, sys
print("up", os.getpgid(0) == os.getpid(), flush=True)
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
pipe = int(arguments["--parent-fd"])
assert os.read(pipe, 1) == b""
print("nothing more from above", flush=True)
"""


def child_of(code: str, directory: Path) -> WriterChild:
    return WriterChild(directory, command=(sys.executable, "-c", code))


def test_the_child_is_in_a_group_of_its_own_and_ends_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = child_of(LISTENING, tmp_path)
    child.look_after(0)
    heard: list[str] = []

    def has_said(text: str) -> bool:
        heard.append(capsys.readouterr().err)
        return text in "".join(heard)

    wait_until(lambda: has_said("up True"))
    assert not child.has_ended(1)
    child.finish()
    wait_until(lambda: child.has_ended(2))
    wait_until(lambda: has_said("nothing more from above"))
    child.look_after(3)
    assert child.pid is None


def test_a_child_that_dies_is_started_again_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    child = child_of("raise SystemExit(3)", tmp_path)
    now_ns = 0
    pauses_ns = []
    for _ in range(5):
        child.look_after(now_ns)
        assert child.pid is not None
        wait_until(lambda: child.has_ended(now_ns))  # noqa: B023 - evaluated within the turn
        died_ns = now_ns
        while child.pid is None:
            now_ns += SECOND_NS // 4
            child.look_after(now_ns)
        pauses_ns.append(now_ns - died_ns)
        wait_until(lambda: child.has_ended(now_ns))  # noqa: B023 - evaluated within the turn
        now_ns += 31 * SECOND_NS
    assert pauses_ns == sorted(pauses_ns)
    assert pauses_ns[0] < pauses_ns[-1] <= 30 * SECOND_NS


def test_a_child_that_lived_long_is_started_again_soon(tmp_path: Path) -> None:
    child = child_of("raise SystemExit(3)", tmp_path)
    now_ns = 0
    for _ in range(6):
        child.look_after(now_ns)
        now_ns += 100 * SECOND_NS
        wait_until(lambda: child.has_ended(now_ns))  # noqa: B023 - evaluated within the turn
        now_ns += SECOND_NS // 2
    child.look_after(now_ns)
    assert child.pid is not None
    wait_until(lambda: child.has_ended(now_ns))


def test_no_child_is_started_beside_a_writer_that_is_there(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / WRITER_LOCK)
    lock.acquire()
    child = child_of(LISTENING, tmp_path)
    child.look_after(0)
    assert child.pid is None
    lock.release()
    child.look_after(1)
    assert child.pid is not None
    child.finish()
    wait_until(lambda: child.has_ended(2))


def test_a_command_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    child = WriterChild(tmp_path, command=(str(tmp_path / "missing"),))
    child.look_after(0)
    assert child.pid is None
    child.look_after(SECOND_NS)
    assert child.has_ended(SECOND_NS)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = child_of("import signal; signal.pause()", tmp_path)
    child.look_after(0)
    child.finish()
    assert not child.has_ended(1)
    child.kill()
    wait_until(lambda: child.has_ended(2))
