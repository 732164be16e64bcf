"""File systems of their own for tests that need root; elsewhere the tests skip, and say so."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_JOURNAL = 2


@contextmanager
def mounted(target: Path, *arguments: str) -> Iterator[None]:
    """Mount a file system on a directory."""
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("LOUD: only root can mount; what full, lost and failing disks do is not proved in this run")
    target.mkdir(exist_ok=True)
    run("mount", *arguments, str(target))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(target)], check=False, capture_output=True)  # noqa: S607


class PowerlessDisk:
    """An ext4 in a file whose power can be cut.

    Parameters
    ----------
    root : Path
        Gets the image and the mount point.
    """

    def __init__(self, root: Path) -> None:
        self._image = root / "disk.img"
        self.path = root / "disk"
        self.path.mkdir()

    def make(self, size_bytes: int = 64 << 20) -> None:
        """Make the file system."""
        if os.geteuid() or shutil.which("mkfs.ext4") is None:
            pytest.skip("LOUD: power loss needs root and mkfs.ext4: it is not proved in this run")
        with self._image.open("wb") as image:
            image.truncate(size_bytes)
        run("mkfs.ext4", "-q", "-F", str(self._image))

    def power_on(self) -> None:
        """Mount it; the journal is replayed."""
        run("mount", "-o", "loop", str(self._image), str(self.path))

    def power_off(self) -> None:
        """Lose whatever has not reached the disk, and unmount."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_JOURNAL))
        finally:
            os.close(descriptor)
        run("umount", str(self.path))

    def dispose(self) -> None:
        """Unmount for good."""
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)  # noqa: S607


def run(*command: str) -> None:
    """Run a command of the system, or skip the test with what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"LOUD: {command[0]} refuses: {done.stderr.strip()}")
