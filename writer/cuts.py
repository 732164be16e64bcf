"""Files that end in something no reader may see, until they have been cut back or removed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from writer.files import FileOperations


class PendingCuts:
    """Cuts files by name through fresh descriptors, and remembers those that the disk would not let it cut.

    Parameters
    ----------
    operations : FileOperations
        The seam to the disk.
    """

    def __init__(self, operations: FileOperations) -> None:
        self._operations = operations
        self._valid_lengths: dict[Path, int] = {}

    def add(self, path: Path, valid_length: int) -> None:
        """Cut a file back to `valid_length`, or remove it when that is 0: now, or when `finish` can."""
        self._valid_lengths[path] = valid_length
        with contextlib.suppress(OSError):
            self.finish()

    def finish(self) -> None:
        """Do what is still pending; a file that is gone needs nothing.

        Raises
        ------
        OSError
            When the disk still refuses.
        """
        for path, valid_length in list(self._valid_lengths.items()):
            with contextlib.suppress(FileNotFoundError):
                self._cut(path, valid_length)
            del self._valid_lengths[path]

    def _cut(self, path: Path, valid_length: int) -> None:
        if not valid_length:
            self._operations.remove(path)
            return
        descriptor = self._operations.open_existing(path)
        try:
            self._operations.truncate(descriptor, valid_length)
        finally:
            self._operations.close(descriptor)
