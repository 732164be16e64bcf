"""Notices that the file system which an archive lives on is not mounted: its empty mount point takes files gladly.

What is written there disappears from sight when the file system comes back. So a session remembers the mount point
that its data directory was under, and waits for it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from aggregator.errors import DiskTroubleError


def mount_point(path: Path) -> str:
    """Return the mount point that a path, existing or not, is under."""
    path = path.absolute()
    return next((str(place) for place in (path, *path.parents) if os.path.ismount(place)), "/")


def require_mounted(mount: str) -> None:
    """Check that something is still mounted on a mount point.

    Raises
    ------
    DiskTroubleError
        When nothing is.
    """
    if not os.path.ismount(mount):
        cause = OSError(errno.ENODEV, "nothing is mounted there")
        raise DiskTroubleError("find the file system of the data directory on", mount, cause)
