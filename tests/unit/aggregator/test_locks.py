from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator.errors import LockHeldError
from aggregator.locks import ArchiveLock, ProcessLock, is_held

HOLDER = (
    "import sys; from pathlib import Path; from aggregator.locks import ProcessLock\n"
    "ProcessLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()\n"
)


def test_a_lock_held_by_another_process_names_it_and_is_free_when_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(path)
        with pytest.raises(LockHeldError, match=rf"another writer \(pid {holder.pid}\)"):
            ProcessLock(path).acquire()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert not is_held(path)
    lock = ProcessLock(path)
    lock.acquire()
    lock.release()
    lock.release()
    assert path.read_text() == f"{os.getpid()}\n"


def test_asking_does_not_disturb_another_who_asks(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "absent")
    lock = ProcessLock(tmp_path / "ingest.lock")
    lock.acquire()
    assert is_held(tmp_path / "ingest.lock")
    lock.release()
    assert not is_held(tmp_path / "ingest.lock")


def test_an_archive_has_one_recorder_and_no_lock_file(tmp_path: Path) -> None:
    first, second = ArchiveLock(tmp_path), ArchiveLock(tmp_path)
    first.acquire()
    with pytest.raises(LockHeldError, match="another recorder already writes to"):
        second.acquire()
    assert list(tmp_path.iterdir()) == []
    first.release()
    first.release()
    second.acquire()
    second.release()
