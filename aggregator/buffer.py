"""The buffer directory: where it is, whether it can serve, how much it may hold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from aggregator.errors import BufferDirectoryError
from aggregator.settings import FEWEST_SEGMENTS, MIB, SMALLEST_SEGMENT_BYTES

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - shared memory is what it is for; the directory in it is mode 0700
LARGEST_DEFAULT_BYTES = 512 * MIB
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "lustre", "fuse.sshfs"})


def default_directory(instance_id: str) -> Path:
    """Return the buffer directory of a recorder that was not given one: in shared memory, by instance-id."""
    return SHARED_MEMORY / f"hkagg-{instance_id}"


def prepare_directory(path: Path, data_dir: Path | None = None) -> Path:
    """Make the buffer directory, private to its user, and check that a log can live there.

    Parameters
    ----------
    path : Path
        The directory; made where it does not exist.
    data_dir : Path, optional
        Root of the archive, which must not contain the buffer.

    Returns
    -------
    Path
        The directory, absolute.

    Raises
    ------
    BufferDirectoryError
        When it is inside the data directory, on a network file system, somebody else's or not writable.
    """
    path = path.expanduser().resolve()
    if data_dir is not None and path.is_relative_to(data_dir.expanduser().resolve()):
        raise BufferDirectoryError(
            f"the buffer directory {path} is inside the data directory {data_dir}, where readers expect only .g3 "
            "files: choose another --buffer-dir"
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.stat().st_uid
        if owner not in (os.geteuid(), 0) or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"it belongs to uid {owner}")
        if owner == os.geteuid():
            path.chmod(0o700)
    except OSError as error:
        raise BufferDirectoryError(
            f"cannot use the buffer directory {path} ({error.strerror or error}): choose another --buffer-dir"
        ) from error
    _refuse_network(path)
    return path


def default_size_bytes(path: Path) -> int:
    """Return 512 MiB, or half of what is free at `path` when that is less.

    Raises
    ------
    BufferDirectoryError
        When there is too little space for any log.
    """
    half = shutil.disk_usage(path).free // 2
    smallest = FEWEST_SEGMENTS * SMALLEST_SEGMENT_BYTES
    if half < smallest:
        raise BufferDirectoryError(f"{path} has less than {2 * smallest} bytes free: choose another --buffer-dir")
    return min(LARGEST_DEFAULT_BYTES, half)


def _refuse_network(path: Path) -> None:
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        raise BufferDirectoryError(
            f"the buffer directory {path} is on a network file system ({kind}), which cannot hold shared memory: "
            "choose a --buffer-dir in /dev/shm or on a local disk"
        )


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that holds a path, as the kernel names it; empty when it is not known."""
    best, kind = -1, ""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        _, mount_point, mounted, *_ = line.split(" ")
        point = Path(mount_point.encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), mounted
    return kind
