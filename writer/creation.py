"""Creates a file of the archive so that it holds its head from the first moment that anyone can see it.

The head is written to a file without a name, which then appears under one in a single step; a process killed
in between leaves nothing. File systems that know no such files (NFS) get a named file at once, which is removed
when its head cannot be written.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from writer.cuts import PendingCuts
from writer.files import FileOperations

MOST_TAKEN_NAMES = 100_000
"""So many seconds in a row are taken only on a disk that says so of every name."""


def file_path(data_dir: Path, ctime_s: int) -> Path:
    """Tell where the file of a second belongs: ``<first 5 digits>/<ctime>.g3``."""
    return data_dir / str(ctime_s)[:5] / f"{ctime_s}.g3"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCreator:
    """Creates files with heads.

    Parameters
    ----------
    operations : FileOperations
        The seam to the disk.
    cuts : PendingCuts
        Takes a file whose head could not be written whole, for removal.
    data_dir : Path
        Root of the archive; made with its folders when a file needs them.
    is_durable : bool
        Whether a file and its name survive a power loss from the start.
    """

    operations: FileOperations
    cuts: PendingCuts
    data_dir: Path
    is_durable: bool

    def create(self, first_s: int, head: bytes) -> tuple[int, Path]:
        """Create the file of second `first_s`, or of the next second that is not taken.

        Returns
        -------
        tuple[int, Path]
            The descriptor, open for reading and writing, and the file's name.

        Raises
        ------
        OSError
            When the disk refuses.
        """
        self._make_folder(file_path(self.data_dir, first_s).parent)
        descriptor, path = self._create_hidden(first_s, head) or self._create_named(first_s, head)
        try:
            if self.is_durable:
                self.operations.sync_directory(path.parent)
        except OSError:
            self._discard(descriptor, path)
            raise
        return descriptor, path

    def _create_hidden(self, first_s: int, head: bytes) -> tuple[int, Path] | None:
        try:
            descriptor = self.operations.open_hidden(file_path(self.data_dir, first_s).parent)
        except OSError:
            # Unknown here, or real trouble, in which the named way will run as well.
            return None
        try:
            self._write_head(descriptor, head)
        except OSError:
            self._discard(descriptor)
            raise
        try:
            path = self._name(descriptor, first_s)
        except OSError:
            self._discard(descriptor)
            return None
        return self._reopen(descriptor, path), path

    def _reopen(self, descriptor: int, path: Path) -> int:
        # The kernel goes on calling a file that was born without a name "(deleted)", which would alarm whoever
        # looks with lsof.
        try:
            self.operations.close(descriptor)
            return self.operations.open_existing(path)
        except OSError:
            self.cuts.add(path, 0)
            raise

    def _name(self, descriptor: int, first_s: int) -> Path:
        for path in self._free_names(first_s):
            with contextlib.suppress(FileExistsError):
                self.operations.give_name(descriptor, path)
                return path
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _create_named(self, first_s: int, head: bytes) -> tuple[int, Path]:
        descriptor, path = self._open_new(first_s)
        try:
            self._write_head(descriptor, head)
        except OSError:
            self._discard(descriptor, path)
            raise
        return descriptor, path

    def _open_new(self, first_s: int) -> tuple[int, Path]:
        for path in self._free_names(first_s):
            with contextlib.suppress(FileExistsError):
                return self.operations.open_new(path), path
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _free_names(self, first_s: int) -> Iterator[Path]:
        for ctime_s in range(first_s, first_s + MOST_TAKEN_NAMES):
            path = file_path(self.data_dir, ctime_s)
            if path.parent != file_path(self.data_dir, ctime_s - 1).parent:
                self._make_folder(path.parent)
            yield path

    def _make_folder(self, folder: Path) -> None:
        if self.operations.make_directory(folder) and self.is_durable:
            self.operations.sync_directory(folder.parent)

    def _write_head(self, descriptor: int, head: bytes) -> None:
        self.operations.write(descriptor, head, 0)
        if self.is_durable:
            self.operations.sync(descriptor)

    def _discard(self, descriptor: int, path: Path | None = None) -> None:
        with contextlib.suppress(OSError):
            self.operations.close(descriptor)
        if path is not None:
            self.cuts.add(path, 0)
