"""One memory-mapped segment file of the log; the only module that maps memory."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from pathlib import Path

from crc32c import crc32c

from aggregator.crash_points import crash_point
from aggregator.errors import LogFormatError, LogSpaceError
from aggregator.layout import (
    MAGIC,
    SEGMENT_HEADER,
    SEGMENT_HEADER_BYTES,
    SEGMENT_SUFFIX,
    VERSION,
    segment_name,
)

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG}


KEPT_FREE = 2
"""One part in this many of a segment is left free on the file system beside it: a writer that cannot write its
checkpoint for want of room could never release a segment to make some."""


class CorruptSegmentError(LogFormatError):
    """A segment's header is damaged; its records cannot be trusted and are counted as missing."""


class Segment:
    """A mapped segment.

    Attributes
    ----------
    path : Path
        The file.
    view : memoryview
        Its bytes; writable in the process that made it.
    words : memoryview
        The same memory as unsigned 64-bit words, for commit stores and loads.
    log_id, first_sequence : int
        From the header.
    inode : int
        Number of the file, by which a reader knows it from another one of the same name.
    """

    def __init__(self, path: Path, mapped: mmap.mmap, *, inode: int, log_id: int, first_sequence: int) -> None:
        self.path = path
        self.inode = inode
        self.log_id = log_id
        self.first_sequence = first_sequence
        self._map = mapped
        self.view = memoryview(mapped)
        self.words = self.view.cast("Q")

    @property
    def size_bytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.view)

    def close(self) -> None:
        """Unmap; where somebody still holds a view of a payload, the map goes with the last of them."""
        with contextlib.suppress(BufferError):
            self.words.release()
            self.view.release()
            self._map.close()

    def activate(self, directory: Path, *, log_id: int, first_sequence: int) -> None:
        """Give a spare its header and its place in the log; from here on readers see it."""
        kib = self.size_bytes // 1024
        head = SEGMENT_HEADER.pack(MAGIC, VERSION, kib, log_id, first_sequence, 0)
        head = head[:-4] + crc32c(head[:-4]).to_bytes(4, "little")
        self.view[:SEGMENT_HEADER_BYTES] = head
        self.log_id, self.first_sequence = log_id, first_sequence
        target = directory / segment_name(first_sequence)
        crash_point("log.segment-made")
        self.path.rename(target)
        crash_point("log.segment-named")
        self.path = target


def create_spare(path: Path, size_bytes: int) -> Segment:
    """Reserve and map a zeroed segment under a temporary name.

    The space is reserved before mapping: a store into a hole of a full file system would be a SIGBUS, which
    no program can answer.

    Raises
    ------
    LogSpaceError
        When the file system has no room for it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
        _require_room_for_others(descriptor, size_bytes // KEPT_FREE)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        mapped = mmap.mmap(descriptor, size_bytes, flags=flags)
        inode = os.fstat(descriptor).st_ino
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in NO_ROOM:
            raise
        raise LogSpaceError(f"no room for a segment of {size_bytes} bytes in {path.parent}") from error
    finally:
        os.close(descriptor)
    return Segment(path, mapped, inode=inode, log_id=0, first_sequence=0)


def _require_room_for_others(descriptor: int, wanted_bytes: int) -> None:
    status = os.fstatvfs(descriptor)
    if status.f_bavail * status.f_frsize < wanted_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def open_segment(path: Path) -> Segment:
    """Map an existing segment for reading.

    Raises
    ------
    FileNotFoundError
        When it has been released meanwhile.
    CorruptSegmentError
        When its header is damaged.
    LogFormatError
        When it is not a segment, or of a format version that this program does not read.
    """
    with path.open("rb") as file:
        head = file.read(SEGMENT_HEADER_BYTES)
        status = os.fstat(file.fileno())
        size_bytes = status.st_size
        log_id, first_sequence = _check_header(path, head, size_bytes)
        mapped = mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ)
    return Segment(path, mapped, inode=status.st_ino, log_id=log_id, first_sequence=first_sequence)


def _check_header(path: Path, head: bytes, size_bytes: int) -> tuple[int, int]:
    if len(head) < SEGMENT_HEADER_BYTES or not any(head):
        raise CorruptSegmentError(f"{path} has no whole segment header")
    magic, version, kib, log_id, first_sequence, crc = SEGMENT_HEADER.unpack(head)
    if magic != MAGIC:
        raise LogFormatError(f"{path} is not a segment of an hkagg log: move it out of the buffer directory")
    if version != VERSION:
        raise LogFormatError(
            f"{path} has log format version {version} and this hkagg reads version {VERSION}: finish this log with "
            "the hkagg that wrote it, or move the buffer directory aside"
        )
    named = path.name == segment_name(first_sequence)
    if crc != crc32c(head[:-4]) or kib * 1024 != size_bytes or not named:
        raise CorruptSegmentError(f"{path} has a damaged segment header")
    return log_id, first_sequence


def list_segments(directory: Path) -> list[tuple[int, Path]]:
    """Return (first sequence, path) of every segment in a buffer directory, oldest first."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):  # noqa: PTH208 - a name is all that is needed, and this is the cheap call
            stem = name[: -len(SEGMENT_SUFFIX)]
            if name.endswith(SEGMENT_SUFFIX) and len(stem) == 20 and stem.isdigit():
                found.append((int(stem), directory / name))
    found.sort()
    return found
