"""A disk that refuses: the real file operations, any of which can be told to fail."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path

from writer.files import DiskFiles

OPERATIONS = (
    "make_directory",
    "open_hidden",
    "give_name",
    "open_new",
    "open_existing",
    "write",
    "read",
    "size",
    "find",
    "truncate",
    "sync",
    "sync_directory",
    "remove",
    "close",
)


class FaultyFiles(DiskFiles):
    """Real files, with faults planned per kind of operation.

    A write that fails writes half of its data first; a close that fails has closed.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._planned: dict[str, dict[int, int]] = {}
        self._broken: dict[str, int] = {}

    def fail_nth(self, operation: str, nth: int, code: int = errno.ENOSPC) -> None:
        """Let the `nth` call from now on fail, counted from 1."""
        self._planned.setdefault(operation, {})[self.calls[operation] + nth] = code

    def break_down(self, operation: str, code: int = errno.EIO) -> None:
        """Let every call fail from now on."""
        self._broken[operation] = code

    def heal(self) -> None:
        """Let everything succeed from now on."""
        self._planned.clear()
        self._broken.clear()

    def _fault(self, operation: str) -> OSError | None:
        self.calls[operation] += 1
        code = self._broken.get(operation) or self._planned.get(operation, {}).get(self.calls[operation])
        return OSError(code, os.strerror(code)) if code else None

    def _pass(self, operation: str) -> None:
        if fault := self._fault(operation):
            raise fault

    def make_directory(self, path: Path) -> bool:
        self._pass("make_directory")
        return super().make_directory(path)

    def open_hidden(self, directory: Path) -> int:
        self._pass("open_hidden")
        return super().open_hidden(directory)

    def give_name(self, descriptor: int, path: Path) -> None:
        self._pass("give_name")
        super().give_name(descriptor, path)

    def open_new(self, path: Path) -> int:
        self._pass("open_new")
        return super().open_new(path)

    def open_existing(self, path: Path) -> int:
        self._pass("open_existing")
        return super().open_existing(path)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        if fault := self._fault("write"):
            super().write(descriptor, data[: len(data) // 2], offset)
            raise fault
        super().write(descriptor, data, offset)

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        self._pass("read")
        return super().read(descriptor, offset, length)

    def size(self, descriptor: int) -> int:
        self._pass("size")
        return super().size(descriptor)

    def find(self, path: Path) -> None:
        self._pass("find")
        super().find(path)

    def truncate(self, descriptor: int, length: int) -> None:
        self._pass("truncate")
        super().truncate(descriptor, length)

    def sync(self, descriptor: int) -> None:
        self._pass("sync")
        super().sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        self._pass("sync_directory")
        super().sync_directory(path)

    def remove(self, path: Path) -> None:
        self._pass("remove")
        super().remove(path)

    def close(self, descriptor: int) -> None:
        fault = self._fault("close")
        super().close(descriptor)
        if fault:
            raise fault
