"""The operations on files that the archive needs, behind a seam at which tests make any of them fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol

_ANYONE = 0o666
"""Mode of a new file before the umask: readers are other users as a rule."""

_LARGEST_WRITE = 1 << 30
"""Linux writes at most 2 GiB at once."""


class FileOperations(Protocol):
    """What the archive does to the disk; every method raises `OSError` when the disk refuses."""

    def make_directory(self, path: Path) -> bool:
        """Make a directory and its parents; tell whether it was not there."""

    def open_hidden(self, directory: Path) -> int:
        """Create a file for writing that has no name yet and vanishes unless it is given one."""

    def give_name(self, descriptor: int, path: Path) -> None:
        """Let a hidden file appear under a name; `FileExistsError` when the name is taken."""

    def open_new(self, path: Path) -> int:
        """Create a named file for writing; `FileExistsError` when the name is taken."""

    def open_existing(self, path: Path) -> int:
        """Open a file for reading and writing."""

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`."""

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`."""

    def size(self, descriptor: int) -> int:
        """Tell a file's length in bytes."""

    def find(self, path: Path) -> None:
        """Look a name up; `FileNotFoundError` when it is not there any more."""

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut a file to `length` bytes."""

    def sync(self, descriptor: int) -> None:
        """Make a file's bytes and length durable."""

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""

    def remove(self, path: Path) -> None:
        """Remove a file."""

    def close(self, descriptor: int) -> None:
        """Close a descriptor; it is gone even when this raises."""


class DiskFiles:
    """The real file operations."""

    def make_directory(self, path: Path) -> bool:
        """Make a directory and its parents; tell whether it was not there."""
        if path.is_dir():
            return False
        path.mkdir(parents=True, exist_ok=True)
        return True

    def open_hidden(self, directory: Path) -> int:
        """Create a file for writing that has no name yet and vanishes unless it is given one."""
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _ANYONE)

    def give_name(self, descriptor: int, path: Path) -> None:
        """Let a hidden file appear under a name; `FileExistsError` when the name is taken."""
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Only with a directory descriptor does Python follow the link in /proc to the file itself.
            os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=directory, follow_symlinks=True)
        finally:
            os.close(directory)

    def open_new(self, path: Path) -> int:
        """Create a named file for writing; `FileExistsError` when the name is taken."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _ANYONE)

    def open_existing(self, path: Path) -> int:
        """Open a file for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`, in as many pieces as the disk takes it."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest[:_LARGEST_WRITE], offset)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            rest = rest[written:]
            offset += written

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`."""
        pieces = []
        while length and (piece := os.pread(descriptor, min(length, _LARGEST_WRITE), offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def size(self, descriptor: int) -> int:
        """Tell a file's length in bytes."""
        return os.fstat(descriptor).st_size

    def find(self, path: Path) -> None:
        """Look a name up; `FileNotFoundError` when it is not there any more."""
        path.stat()

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut a file to `length` bytes."""
        os.ftruncate(descriptor, length)

    def sync(self, descriptor: int) -> None:
        """Make a file's bytes and length durable."""
        os.fdatasync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def close(self, descriptor: int) -> None:
        """Close a descriptor; it is gone even when this raises."""
        os.close(descriptor)
