"""Takes damaged bytes out of an archive and keeps them elsewhere, so that no kill at any moment loses any."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import FileChangedError
from writer.archive_tree import data_dir_of, is_in_ctime_folder
from writer.repair_plan import Action, Identity, Plan

CHUNK_BYTES = 1 << 22
PART_SUFFIX = ".part"


def default_keep_dir(path: Path) -> Path:
    """Tell where cut bytes of a file are kept: beside its data directory, never in it."""
    data_dir = data_dir_of(path)
    if is_in_ctime_folder(path):
        return data_dir.with_name(f"{data_dir.name}-cut")
    return data_dir / "hkagg-cut"


def carry_out(plan: Plan, keep_dir: Path) -> Path:
    """Do what was planned: keep a durable copy first, cut the file or remove it then.

    Returns
    -------
    Path
        Where the bytes are kept now.

    Raises
    ------
    FileChangedError
        When the file is not what it was any more; nothing was changed.
    OSError
        When the disk refuses; the file is as it was.
    """
    descriptor = os.open(plan.path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _require_unchanged(descriptor, plan)
        kept = _keep(descriptor, plan, keep_dir)
        _require_unchanged(descriptor, plan)
        if plan.action is Action.CUT:
            os.ftruncate(descriptor, plan.end)
            os.fsync(descriptor)
        else:
            plan.path.unlink()
            _sync_directory(plan.path.parent)
    finally:
        os.close(descriptor)
    return kept


def _require_unchanged(descriptor: int, plan: Plan) -> None:
    if Identity.of(os.fstat(descriptor)) != plan.identity:
        raise FileChangedError(str(plan.path))


def _keep(descriptor: int, plan: Plan, keep_dir: Path) -> Path:
    keep_dir.mkdir(parents=True, exist_ok=True)
    part = keep_dir / f"{plan.path.name}.{os.getpid()}{PART_SUFFIX}"
    try:
        with part.open("wb") as stream:
            for chunk in _chunks(descriptor, plan.end):
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        kept = _give_name(part, keep_dir / f"{plan.path.name}.from-{plan.end}")
    finally:
        part.unlink(missing_ok=True)
    _sync_directory(keep_dir)
    return kept


def _give_name(part: Path, wanted: Path) -> Path:
    """Give a copy its name, or the next free one; where the same bytes are there already, one copy will do."""
    for number in itertools.count():
        path = wanted if not number else wanted.with_name(f"{wanted.name}.{number}")
        try:
            os.link(part, path)
        except FileExistsError:
            if not _is_same(part, path):
                continue
        except OSError:
            # Not every file system has links; only then may a name that is taken just now be overwritten.
            if path.exists():
                continue
            part.rename(path)
        break
    return path


def _is_same(first: Path, second: Path) -> bool:
    if first.stat().st_size != second.stat().st_size:
        return False
    with first.open("rb") as one, second.open("rb") as other:
        while piece := one.read(CHUNK_BYTES):
            if piece != other.read(CHUNK_BYTES):
                return False
    return True


def _chunks(descriptor: int, offset: int) -> Iterator[bytes]:
    while chunk := os.pread(descriptor, CHUNK_BYTES, offset):
        yield chunk
        offset += len(chunk)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
