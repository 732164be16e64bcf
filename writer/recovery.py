"""Taking up the archive file that a former writer left open."""

from __future__ import annotations

import logging
from pathlib import Path

from aggregator.crash_points import crash_point
from aggregator.errors import ArchiveFileTooShortError, DiskTroubleError
from writer.archive import Archive
from writer.quarantine import Entry, Quarantine

LOG = logging.getLogger("hkagg.writer")
GONE = frozenset({2, 20})
"""ENOENT and ENOTDIR."""


def reopen(archive: Archive, data_dir: Path, path: Path, valid_length: int, quarantine: Quarantine) -> None:
    """Open a file at its valid length; what is behind it goes to quarantine, and comes again from the log.

    A file that was moved away, or that has lost bytes, is left alone; the next frame begins another.

    Parameters
    ----------
    archive : Archive
        The session's.
    data_dir : Path
        Its root, which tells a lost disk from a moved file.
    path : Path
        The file.
    valid_length : int
        In bytes, from the checkpoint.
    quarantine : Quarantine
        Takes the cut tail.

    Raises
    ------
    DiskTroubleError
        When the disk is not there (yet) or refuses.
    """
    try:
        tail = archive.resume(path, valid_length)
    except ArchiveFileTooShortError as error:
        LOG.error("%s", error)
        close_at_last_frame(archive, path, quarantine)
        return
    except DiskTroubleError as error:
        if error.errno in GONE and data_dir.is_dir():
            LOG.warning("%s was moved away; recording goes on in a new file", path)
            return
        raise
    crash_point("writer.file-resumed")
    if tail:
        LOG.info("cut %d bytes behind the last checkpoint off %s; they are written again from the log", len(tail), path)
        _keep_tail(quarantine, tail)


def close_at_last_frame(archive: Archive, path: Path, quarantine: Quarantine) -> None:
    """End a file at its last whole frame, where the log that could say better is gone.

    Raises
    ------
    DiskTroubleError
        When the disk refuses.
    """
    try:
        tail = archive.salvage(path)
    except DiskTroubleError as error:
        if error.errno in GONE:
            return
        raise
    if tail:
        LOG.warning("cut a torn frame of %d bytes off %s", len(tail), path)
        _keep_tail(quarantine, tail)


def _keep_tail(quarantine: Quarantine, tail: bytes) -> None:
    try:
        quarantine.put(Entry(sequence=0, part=0, received_ns=0, reason="cut-tail", content=tail))
    except OSError as error:
        LOG.warning("the cut bytes could not be kept in quarantine: %s", error)
