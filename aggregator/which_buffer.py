"""Which buffer directory a command means: the arguments that say so, and what is found without them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from aggregator.buffer import SHARED_MEMORY, default_directory
from aggregator.errors import BufferDirectoryError
from aggregator.locks import INGEST_LOCK, WRITER_LOCK, is_held


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--buffer-dir` and `--instance-id`."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--buffer-dir", type=Path, metavar="DIR", help="the recorder's buffer directory")
    which.add_argument(
        "--instance-id",
        metavar="ID",
        default=os.environ.get("INSTANCE_ID"),
        help="the recorder's OCS instance-id, for the default buffer directory (default: $INSTANCE_ID, or the only "
        "recorder that runs here)",
    )


def find(arguments: argparse.Namespace, shared_memory: Path = SHARED_MEMORY) -> Path:
    """Return the directory that parsed arguments mean.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the arguments of `add_arguments`.
    shared_memory : Path
        Where to look for the only recorder when nothing is said.

    Raises
    ------
    BufferDirectoryError
        When it is not there, or there are several to choose from.
    """
    if arguments.buffer_dir is not None:
        return _existing(arguments.buffer_dir)
    if arguments.instance_id is not None:
        return _existing(default_directory(arguments.instance_id))
    found = sorted(path for path in shared_memory.glob("hkagg-*") if path.is_dir() and _is_ours(path))
    running = [path for path in found if is_held(path / INGEST_LOCK) or is_held(path / WRITER_LOCK)]
    if not found:
        raise BufferDirectoryError("no recorder has run on this machine since it booted: give --buffer-dir if one has")
    if len(found) > 1 and len(running) != 1:
        names = ", ".join(path.name.removeprefix("hkagg-") for path in running or found)
        raise BufferDirectoryError(f"there are several recorders on this machine: give --instance-id, one of {names}")
    return (running or found)[0]


def _existing(path: Path) -> Path:
    if not path.is_dir():
        raise BufferDirectoryError(f"there is no buffer directory {path}: no recorder has run on it")
    if not _is_ours(path):
        raise BufferDirectoryError(f"the buffer directory {path} is another user's: ask as that user")
    return path


def _is_ours(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK)
