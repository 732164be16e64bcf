from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from aggregator.demo.child import ChildProcess
from tests.support.wait import wait_until

OBEDIENT = "import signal; signal.sigwait({signal.SIGTERM, signal.SIGINT})"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
FAMILY = """
import os, signal, subprocess, sys
for _ in range(2):
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], preexec_fn=os.setpgrp)
    print(child.pid, flush=True)
signal.pause()
"""


def child(tmp_path: Path, program: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", program], log_path=tmp_path / "logs" / "child.log")


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_ends_when_it_is_asked(tmp_path: Path) -> None:
    obedient = child(tmp_path, OBEDIENT)
    assert (obedient.pid, obedient.is_running, obedient.stop()) == (0, False, None)
    obedient.start()
    assert obedient.is_running
    assert obedient.exit_code is None
    assert obedient.stop() in {0, -signal.SIGTERM}
    assert not obedient.is_running


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = child(tmp_path, DEAF)
    deaf.start()
    wait_until(lambda: deaf.log_tail() == "deaf", message="the child to be deaf")
    assert deaf.stop(timeout_s=0.1) == -signal.SIGKILL


def test_nothing_that_a_child_started_is_left_whatever_group_it_is_in(tmp_path: Path) -> None:
    family = child(tmp_path, FAMILY)
    family.start()
    wait_until(lambda: len(family.log_tail().split()) == 2, message="the grandchildren")
    grandchildren = [int(pid) for pid in family.log_tail().split()]
    assert set(grandchildren) < set(family.session_members())
    family.stop()
    wait_until(lambda: not any(map(lives, grandchildren)), message="the grandchildren to be gone")
    assert family.session_members() == []


def test_a_child_can_be_started_again_and_goes_on_in_the_same_log(tmp_path: Path) -> None:
    twice = child(tmp_path, "print('hello')")
    for runs in (1, 2):
        twice.start()
        wait_until(lambda: twice.exit_code is not None, message="the child to end")
        assert twice.stop() == 0
        assert twice.log_tail().split() == ["hello"] * runs


def test_a_stopped_child_gets_no_more_signals(tmp_path: Path) -> None:
    obedient = child(tmp_path, OBEDIENT)
    obedient.start()
    first = obedient.stop()
    obedient.send(signal.SIGKILL)
    obedient.send_to_group(signal.SIGKILL)
    assert obedient.stop() == first


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ChildProcess([str(tmp_path / "none")], log_path=tmp_path / "log").start()
