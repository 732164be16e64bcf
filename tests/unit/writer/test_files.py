from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aggregator.errors import DiskTroubleError
from aggregator.settings import FsyncPolicy
from writer.archive import Archive
from writer.files import DiskFiles

MIB = 1 << 20
HEAD = (b"h" * 1000,)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_kernel_takes_in_part_is_completed_or_fails(tmp_path: Path) -> None:
    files = DiskFiles()
    descriptor = files.open_new(tmp_path / "file")
    with files_of_at_most(MIB):
        files.write(descriptor, b"x" * MIB, 0)
        with pytest.raises(OSError, match="too large") as refused:
            files.write(descriptor, b"y" * MIB, MIB // 2)
    assert refused.value.errno == errno.EFBIG
    assert (tmp_path / "file").read_bytes() == b"x" * (MIB // 2) + b"y" * (MIB // 2)
    files.close(descriptor)


def test_a_real_refusal_by_the_kernel_leaves_only_whole_frames(tmp_path: Path) -> None:
    archive = Archive(DiskFiles(), tmp_path, FsyncPolicy.ROTATE)
    path = archive.start_file(1_700_000_000 * 10**9, HEAD)
    frame = b"f" * (MIB // 3)
    with files_of_at_most(MIB):
        archive.append([frame])
        with pytest.raises(DiskTroubleError) as trouble:
            archive.append([frame, frame])
    assert trouble.value.errno == errno.EFBIG
    assert path.read_bytes() == HEAD[0] + frame
    archive.append([frame, frame])
    archive.close()
    assert path.read_bytes() == HEAD[0] + frame * 3


def test_a_hidden_file_that_is_never_named_leaves_nothing(tmp_path: Path) -> None:
    files = DiskFiles()
    descriptor = files.open_hidden(tmp_path)
    files.write(descriptor, b"x", 0)
    assert list(tmp_path.iterdir()) == []
    files.close(descriptor)
    assert list(tmp_path.iterdir()) == []


def test_a_hidden_file_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    files = DiskFiles()
    (tmp_path / "taken").write_bytes(b"mine")
    descriptor = files.open_hidden(tmp_path)
    with pytest.raises(FileExistsError):
        files.give_name(descriptor, tmp_path / "taken")
    files.give_name(descriptor, tmp_path / "free")
    files.close(descriptor)
    assert (tmp_path / "taken").read_bytes() == b"mine"
    assert (tmp_path / "free").exists()


def test_a_directory_is_new_only_once(tmp_path: Path) -> None:
    files = DiskFiles()
    assert files.make_directory(tmp_path / "a" / "b")
    assert not files.make_directory(tmp_path / "a" / "b")
