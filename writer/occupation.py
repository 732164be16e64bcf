"""Tells whether somebody writes to a file of an archive, or will go on with it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aggregator import status
from aggregator.buffer import SHARED_MEMORY
from aggregator.locks import WRITER_LOCK, is_held
from writer.checkpoint import CheckpointStore

FRESH_S = 60
"""A file changed more recently may be somebody's on another machine, whom nothing here shows."""

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation:
    """Why a file is not to be touched.

    Parameters
    ----------
    text : str
        In words.
    is_certain : bool
        Whether somebody has it open now; if not, an operator may know better.
    """

    text: str
    is_certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """The file that a recorder has begun and not ended.

    Parameters
    ----------
    path : Path
        The file, without links.
    buffer_dir : Path
        The recorder's buffer directory.
    is_live : bool
        Whether its writer runs.
    """

    path: Path
    buffer_dir: Path
    is_live: bool


def open_files(buffer_dirs: Iterable[Path]) -> list[OpenFile]:
    """Return the files that recorders have open, by their checkpoints and status snapshots."""
    return [
        OpenFile(path=Path(name).resolve(), buffer_dir=directory, is_live=is_held(directory / WRITER_LOCK))
        for directory in buffer_dirs
        for name in sorted(_named_in(directory))
    ]


def buffer_dirs_here(shared_memory: Path = SHARED_MEMORY) -> list[Path]:
    """Return the buffer directories in shared memory that this user may look into."""
    return sorted(
        path for path in shared_memory.glob("hkagg-*") if path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    )


def occupation_of(path: Path, opened: Iterable[OpenFile], now_ns: int) -> Occupation | None:
    """Tell why a file is not to be touched, None when nothing speaks against it.

    Raises
    ------
    OSError
        When the file cannot be opened.
    """
    if _is_open_for_writing(path):
        return Occupation(text="a process has it open for writing", is_certain=True)
    for each in opened:
        if each.path == path.resolve():
            return _recorders(each)
    age_s = (now_ns - path.stat().st_mtime_ns) / _NS_PER_S
    if age_s < FRESH_S:
        text = f"it was changed {max(age_s, 0):.0f} s ago and may still be written: wait for {FRESH_S} s"
        return Occupation(text=text, is_certain=False)
    return None


def _recorders(opened: OpenFile) -> Occupation:
    if opened.is_live:
        return Occupation(text=f"the recorder of {opened.buffer_dir} writes to it", is_certain=True)
    text = f"the recorder of {opened.buffer_dir} will mend it and go on with it when its writer starts again"
    return Occupation(text=text, is_certain=False)


def _named_in(directory: Path) -> set[str]:
    checkpoint = CheckpointStore(directory).load()
    snapshot = status.read_snapshot(directory, status.WRITER) or {}
    names = {checkpoint.file if checkpoint else "", snapshot.get("current_file") or ""}
    return {name for name in names if isinstance(name, str) and name}


def _is_open_for_writing(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # A read lease is to be had only on a file that nobody has open for writing.
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        # Only the owner may ask, and not every file system can tell.
        return error.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
    finally:
        os.close(descriptor)
    return False
