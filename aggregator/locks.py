"""One process per job on a buffer directory: `flock` on a file that names its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path

from aggregator.errors import LockHeldError

INGEST_LOCK = "ingest.lock"
WRITER_LOCK = "writer.lock"
ASKERS_TRIES = 50
ASKERS_PAUSE_S = 0.01


class ProcessLock:
    """An exclusive lock that the kernel frees when its holder dies, however it dies.

    Parameters
    ----------
    path : Path
        The lock file; it stays when the lock is released.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, at once but for those who are only asking.

        Raises
        ------
        LockHeldError
            When another process has it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock_soon(descriptor)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            job = self._path.stem
            raise LockHeldError(
                f"another {job} (pid {holder}) already works on {self._path.parent}: stop it first, or give this one "
                "its own --buffer-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Free the lock. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class ArchiveLock:
    """An exclusive lock on a data directory itself, since readers expect no lock file in it.

    Parameters
    ----------
    data_dir : Path
        Root of the archive; it exists.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; on a file system that knows no locks, or is not there yet, there is none.

        Raises
        ------
        LockHeldError
            When another recorder on this machine writes this archive.
        """
        try:
            descriptor = os.open(self._data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            _lock_soon(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            raise LockHeldError(
                f"another recorder already writes to {self._data_dir}: stop it first, or give this one its own "
                "--data-dir"
            ) from error
        except OSError:
            os.close(descriptor)
            return
        self._descriptor = descriptor

    def release(self) -> None:
        """Free the lock. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock_soon(descriptor: int) -> None:
    """Take an exclusive lock within half a second: whoever only asks, by `is_held`, has it for an instant."""
    pause = threading.Event()
    for _ in range(ASKERS_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        pause.wait(ASKERS_PAUSE_S)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on this file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # A shared request fails only against the exclusive holder, so that two askers do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
