from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from aggregator.buffer import SHARED_MEMORY, default_directory, default_size_bytes, file_system_of, prepare_directory
from aggregator.errors import BufferDirectoryError
from aggregator.settings import MIB

Usage = namedtuple("Usage", "total used free")


def test_the_default_directory_is_in_shared_memory_and_named_by_instance() -> None:
    assert default_directory("aggregator") == SHARED_MEMORY / "hkagg-aggregator"


def test_the_directory_is_private_to_its_user(tmp_path: Path) -> None:
    made = prepare_directory(tmp_path / "a" / "b")
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert prepare_directory(tmp_path).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("inside", [".", "buffer", "a/../buffer"])
def test_a_buffer_inside_the_data_directory_is_refused(tmp_path: Path, inside: str) -> None:
    with pytest.raises(BufferDirectoryError, match="inside the data directory"):
        prepare_directory(tmp_path / inside, data_dir=tmp_path)


def test_a_buffer_inside_the_data_directory_by_a_link_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    with pytest.raises(BufferDirectoryError, match="inside the data directory"):
        prepare_directory(tmp_path / "link" / "buffer", data_dir=data)


def test_a_place_where_no_directory_can_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BufferDirectoryError, match="choose another --buffer-dir"):
        prepare_directory(tmp_path / "file" / "buffer")


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.buffer.file_system_of", lambda _path: "nfs4")
    with pytest.raises(BufferDirectoryError, match="network file system"):
        prepare_directory(tmp_path)


def test_the_file_system_is_that_of_the_deepest_mount_point(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("a / ext4 rw 0 0\nb /data nfs4 rw 0 0\nc /data/my\\040disk xfs rw 0 0\n")
    assert file_system_of(Path("/data/x"), mounts) == "nfs4"
    assert file_system_of(Path("/data/my disk/x"), mounts) == "xfs"
    assert file_system_of(Path("/database"), mounts) == "ext4"
    assert file_system_of(Path("/x"), tmp_path / "absent") == ""


@pytest.mark.parametrize(("free", "size"), [(10**12, 512 * MIB), (64 * MIB, 32 * MIB)])
def test_the_default_size_leaves_half_of_what_is_free(
    free: int, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(0, 0, free))
    assert default_size_bytes(tmp_path) == size


def test_too_little_space_for_any_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(0, 0, 1000))
    with pytest.raises(BufferDirectoryError, match="bytes free"):
        default_size_bytes(tmp_path)
