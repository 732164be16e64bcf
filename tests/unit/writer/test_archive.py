from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.errors import ArchiveFileTooShortError, DiskTroubleError
from aggregator.settings import FsyncPolicy
from tests.support.faulty_files import OPERATIONS, FaultyFiles
from writer.archive import Archive
from writer.creation import file_path
from writer.frames import Session, session_frame, status_frame
from writer.g3 import core

NS = 1_000_000_000
START_S = 1_700_012_345
SESSION = Session(session_id=17, start_time_s=float(START_S))
HEAD = (session_frame(SESSION), status_frame(SESSION, float(START_S), []))
HEAD_BYTES = b"".join(HEAD)
FRAMES = tuple(status_frame(SESSION, START_S + 1.0 + n, [(n, "a.b.feeds.c")]) for n in range(3))
HOUR_S = 3600.0
GIB = 1 << 30
SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE)


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hk"


@pytest.fixture(params=list(FsyncPolicy))
def archive(request: pytest.FixtureRequest, files: FaultyFiles, data_dir: Path) -> Iterator[Archive]:
    archive = Archive(files, data_dir, request.param)
    yield archive
    files.heal()
    archive.close()


def started(files: FaultyFiles, data_dir: Path, fsync: FsyncPolicy = FsyncPolicy.NEVER) -> Archive:
    archive = Archive(files, data_dir, fsync)
    archive.start_file(START_S * NS, HEAD)
    return archive


def tree(data_dir: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data_dir)): path.read_bytes() for path in data_dir.rglob("*.g3")}


def frames_in(path: Path) -> int:
    return sum(1 for _ in core.G3File(str(path)))


def test_a_file_holds_its_head_and_what_is_appended(archive: Archive, data_dir: Path) -> None:
    path = archive.start_file(START_S * NS + 999_999_999, HEAD)
    archive.append(FRAMES[:2])
    archive.append([])
    archive.append(FRAMES[2:])
    assert path == archive.path == data_dir / "17000" / "1700012345.g3"
    assert path.read_bytes() == HEAD_BYTES + b"".join(FRAMES)
    assert archive.valid_length == path.stat().st_size
    assert archive.opened_ns == START_S * NS + 999_999_999
    assert frames_in(path) == 5
    archive.close()
    assert not archive.is_open
    archive.close()


def test_a_file_is_readable_for_others_as_the_umask_says(archive: Archive) -> None:
    before = os.umask(0o022)
    try:
        path = archive.start_file(START_S * NS, HEAD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_children_do_not_inherit_the_file(archive: Archive) -> None:
    path = archive.start_file(START_S * NS, HEAD)
    inheritable = [
        os.get_inheritable(int(link.name))
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and link.readlink() == path
    ]
    assert inheritable == [False]


@pytest.mark.parametrize("hidden_is_known", [True, False])
def test_a_taken_second_gives_way_to_the_next_and_nothing_is_overwritten(
    archive: Archive, files: FaultyFiles, data_dir: Path, hidden_is_known: bool
) -> None:
    if not hidden_is_known:
        files.break_down("open_hidden", errno.EOPNOTSUPP)
    for taken in (START_S, START_S + 1):
        path = file_path(data_dir, taken)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"somebody else's")
    assert archive.start_file(START_S * NS, HEAD).stem == str(START_S + 2)
    assert list(tree(data_dir).values()).count(b"somebody else's") == 2


@pytest.mark.parametrize("hidden_is_known", [True, False])
def test_a_name_beyond_the_boundary_is_put_into_its_own_folder(
    archive: Archive, files: FaultyFiles, data_dir: Path, hidden_is_known: bool
) -> None:
    if not hidden_is_known:
        files.break_down("open_hidden", errno.EOPNOTSUPP)
    last_s = 1_700_099_999
    file_path(data_dir, last_s).parent.mkdir(parents=True)
    file_path(data_dir, last_s).touch()
    path = archive.start_file(last_s * NS + 5, HEAD)
    assert path == data_dir / "17001" / "1700100000.g3"
    assert not archive.must_rotate(last_s * NS + 6, HOUR_S, GIB)
    assert not archive.must_rotate((last_s + 2) * NS, HOUR_S, GIB)


def test_a_file_has_its_whole_head_when_it_appears(
    files: FaultyFiles, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, bytes]] = []
    write, sync = files.write, files.sync

    def watched_write(descriptor: int, data: bytes, offset: int) -> None:
        write(descriptor, data, offset)
        seen.append(tree(data_dir))

    def watched_sync(descriptor: int) -> None:
        sync(descriptor)
        seen.append(tree(data_dir))

    monkeypatch.setattr(files, "write", watched_write)
    monkeypatch.setattr(files, "sync", watched_sync)
    archive = started(files, data_dir, FsyncPolicy.ROTATE)
    assert seen == [{}, {}]
    assert list(tree(data_dir).values()) == [HEAD_BYTES]
    archive.close()


@pytest.mark.parametrize("hidden_is_known", [True, False])
@pytest.mark.parametrize("operation", ["make_directory", "write", "sync", "sync_directory", "open_new"])
@pytest.mark.parametrize("code", SPACE_ERRORS)
def test_a_file_that_cannot_be_begun_leaves_nothing(
    files: FaultyFiles, data_dir: Path, operation: str, code: int, hidden_is_known: bool
) -> None:
    archive = Archive(files, data_dir, FsyncPolicy.FRAME)
    if not hidden_is_known or operation == "open_new":
        files.break_down("open_hidden", errno.EOPNOTSUPP)
    files.fail_nth(operation, 1, code)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.start_file(START_S * NS, HEAD)
    assert trouble.value.errno == code
    assert str(data_dir) in str(trouble.value)
    assert not archive.is_open
    assert tree(data_dir) == {}
    path = archive.start_file(START_S * NS, HEAD)
    assert tree(data_dir) == {"17000/1700012345.g3": HEAD_BYTES}
    assert path == archive.path
    archive.close()


def test_a_headless_file_that_cannot_be_removed_is_removed_before_the_next_is_begun(
    files: FaultyFiles, data_dir: Path
) -> None:
    archive = Archive(files, data_dir, FsyncPolicy.NEVER)
    files.break_down("open_hidden")
    files.break_down("remove", errno.EROFS)
    files.fail_nth("write", 1)
    for _ in range(2):
        with pytest.raises(DiskTroubleError):
            archive.start_file(START_S * NS, HEAD)
    files.heal()
    archive.start_file(START_S * NS, HEAD)
    assert tree(data_dir) == {"17000/1700012345.g3": HEAD_BYTES}
    archive.close()


@pytest.mark.parametrize("code", SPACE_ERRORS)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_failed_append_leaves_the_file_as_it_was_and_can_be_repeated(
    archive: Archive, files: FaultyFiles, data_dir: Path, nth: int, code: int
) -> None:
    path = archive.start_file(START_S * NS, HEAD)
    archive.append(FRAMES[:1])
    before = path.read_bytes()
    files.fail_nth("write", nth, code)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.append(FRAMES)
    assert trouble.value.errno == code
    assert str(path) in str(trouble.value)
    assert path.read_bytes() == before
    assert archive.is_open
    archive.append(FRAMES)
    assert tree(data_dir) == {"17000/1700012345.g3": before + b"".join(FRAMES)}


def test_a_file_that_cannot_be_cut_back_is_left_and_cut_before_the_next_is_begun(
    archive: Archive, files: FaultyFiles, data_dir: Path
) -> None:
    path = archive.start_file(START_S * NS, HEAD)
    archive.append(FRAMES[:1])
    files.fail_nth("write", 2, errno.EIO)
    files.break_down("truncate", errno.EIO)
    with pytest.raises(DiskTroubleError):
        archive.append(FRAMES)
    assert not archive.is_open
    assert archive.path == path
    assert archive.valid_length == len(HEAD_BYTES + FRAMES[0])
    with pytest.raises(DiskTroubleError):
        archive.start_file(START_S * NS, HEAD)
    files.heal()
    archive.start_file(START_S * NS, HEAD)
    archive.append(FRAMES)
    assert tree(data_dir) == {
        "17000/1700012345.g3": HEAD_BYTES + FRAMES[0],
        "17000/1700012346.g3": HEAD_BYTES + b"".join(FRAMES),
    }


def test_a_file_that_cannot_be_cut_back_and_is_gone_later_holds_up_nothing(
    archive: Archive, files: FaultyFiles, data_dir: Path
) -> None:
    path = archive.start_file(START_S * NS, HEAD)
    files.fail_nth("write", 1, errno.EIO)
    files.break_down("truncate", errno.EIO)
    with pytest.raises(DiskTroubleError):
        archive.append(FRAMES)
    path.unlink()
    archive.start_file(START_S * NS, HEAD)
    assert tree(data_dir) == {"17000/1700012345.g3": HEAD_BYTES}


def test_after_a_failed_fsync_the_descriptor_is_never_used_again(files: FaultyFiles, data_dir: Path) -> None:
    archive = started(files, data_dir, FsyncPolicy.FRAME)
    archive.append(FRAMES[:1])
    before = files.calls.copy()
    files.fail_nth("sync", 1, errno.EIO)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.append(FRAMES[1:])
    assert trouble.value.errno == errno.EIO
    assert not archive.is_open
    assert archive.valid_length == len(HEAD_BYTES + FRAMES[0])
    assert files.calls["open_existing"] == before["open_existing"] + 1, "cut through a fresh descriptor"
    archive.start_file(START_S * NS, HEAD)
    archive.append(FRAMES[1:])
    archive.close()
    assert tree(data_dir) == {
        "17000/1700012345.g3": HEAD_BYTES + FRAMES[0],
        "17000/1700012346.g3": HEAD_BYTES + b"".join(FRAMES[1:]),
    }


@pytest.mark.parametrize("operation", ["sync", "close"])
def test_a_file_whose_closing_fails_is_closed_and_keeps_its_frames(
    files: FaultyFiles, data_dir: Path, operation: str
) -> None:
    archive = started(files, data_dir, FsyncPolicy.ROTATE)
    archive.append(FRAMES)
    files.fail_nth(operation, 1, errno.EDQUOT)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.close()
    assert trouble.value.errno == errno.EDQUOT
    assert not archive.is_open
    archive.start_file((START_S + 5) * NS, HEAD)
    archive.close()
    assert tree(data_dir)["17000/1700012345.g3"] == HEAD_BYTES + b"".join(FRAMES)


def test_each_policy_syncs_when_it_says(files: FaultyFiles, data_dir: Path) -> None:
    synced = {}
    for policy in FsyncPolicy:
        before = files.calls["sync"]
        archive = started(files, data_dir, policy)
        archive.append(FRAMES[:1])
        archive.append(FRAMES[1:])
        archive.close()
        synced[policy] = files.calls["sync"] - before
    # The head, each append, the end.
    assert synced == {FsyncPolicy.NEVER: 0, FsyncPolicy.ROTATE: 2, FsyncPolicy.FRAME: 4}


def test_a_file_that_somebody_removed_is_noticed_before_frames_go_into_the_void(
    archive: Archive, data_dir: Path
) -> None:
    archive.start_file(START_S * NS, HEAD).unlink()
    with pytest.raises(DiskTroubleError) as trouble:
        archive.append(FRAMES)
    assert trouble.value.errno == errno.ENOENT
    assert not archive.is_open
    archive.start_file(START_S * NS, HEAD)
    archive.append(FRAMES)
    assert tree(data_dir) == {"17000/1700012345.g3": HEAD_BYTES + b"".join(FRAMES)}


def test_a_data_directory_that_moved_away_is_made_again(archive: Archive, data_dir: Path) -> None:
    archive.start_file(START_S * NS, HEAD)
    data_dir.rename(data_dir.with_name("moved"))
    with pytest.raises(DiskTroubleError):
        archive.append(FRAMES)
    archive.start_file(START_S * NS, HEAD)
    archive.append(FRAMES)
    assert tree(data_dir) == {"17000/1700012345.g3": HEAD_BYTES + b"".join(FRAMES)}
    assert tree(data_dir.with_name("moved")) == {"17000/1700012345.g3": HEAD_BYTES}


def test_a_name_that_cannot_be_looked_up_for_now_costs_nothing(archive: Archive, files: FaultyFiles) -> None:
    path = archive.start_file(START_S * NS, HEAD)
    files.fail_nth("find", 1, errno.ESTALE)
    with pytest.raises(DiskTroubleError):
        archive.append(FRAMES)
    archive.append(FRAMES)
    assert archive.path == path
    assert path.read_bytes() == HEAD_BYTES + b"".join(FRAMES)


def test_a_resumed_file_goes_on_behind_its_valid_length(archive: Archive, data_dir: Path) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    path.write_bytes(HEAD_BYTES + FRAMES[0] + FRAMES[1] + FRAMES[2][:50])
    tail = archive.resume(path, len(HEAD_BYTES + FRAMES[0]))
    assert tail == FRAMES[1] + FRAMES[2][:50]
    assert path.read_bytes() == HEAD_BYTES + FRAMES[0]
    assert archive.opened_ns == START_S * NS
    archive.append(FRAMES[1:])
    assert path.read_bytes() == HEAD_BYTES + b"".join(FRAMES)


def test_a_whole_file_is_resumed_without_a_cut(archive: Archive, data_dir: Path) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    path.write_bytes(HEAD_BYTES)
    assert archive.resume(path, len(HEAD_BYTES)) == b""
    assert archive.valid_length == len(HEAD_BYTES)


def test_a_file_that_lost_bytes_is_not_resumed(archive: Archive, data_dir: Path) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    path.write_bytes(HEAD_BYTES[:-1])
    with pytest.raises(ArchiveFileTooShortError, match=str(path)):
        archive.resume(path, len(HEAD_BYTES))
    assert not archive.is_open
    assert path.read_bytes() == HEAD_BYTES[:-1]


@pytest.mark.parametrize("tail", [b"", FRAMES[1][:-1], bytes(5000), b"junk"])
def test_a_file_of_unknown_length_is_salvaged_to_its_last_whole_frame(
    archive: Archive, data_dir: Path, tail: bytes
) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    path.write_bytes(HEAD_BYTES + FRAMES[0] + tail)
    assert archive.salvage(path) == tail
    assert path.read_bytes() == HEAD_BYTES + FRAMES[0]
    assert not archive.is_open


def test_no_whole_frame_is_ever_cut_off_by_a_salvage(archive: Archive, data_dir: Path) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    content = HEAD_BYTES + FRAMES[0][:-1] + b"x" + FRAMES[1]
    path.write_bytes(content + b"junk")
    assert archive.salvage(path) == b"junk"
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", HEAD[0], HEAD_BYTES[:-1], bytes(700), b"junk"])
def test_a_file_without_a_head_is_removed_by_a_salvage(archive: Archive, data_dir: Path, content: bytes) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert archive.salvage(path) == content
    assert tree(data_dir) == {}


@pytest.mark.parametrize("operation", ["open_existing", "size", "read", "truncate"])
def test_a_salvage_that_fails_can_be_repeated(
    archive: Archive, files: FaultyFiles, data_dir: Path, operation: str
) -> None:
    path = file_path(data_dir, START_S)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.salvage(path)
    assert trouble.value.errno == errno.ENOENT
    path.parent.mkdir(parents=True)
    path.write_bytes(HEAD_BYTES + b"torn")
    files.fail_nth(operation, 1, errno.EIO)
    with pytest.raises(DiskTroubleError):
        archive.salvage(path)
    assert archive.salvage(path) == b"torn"


def test_a_file_that_is_gone_is_not_resumed(archive: Archive, data_dir: Path) -> None:
    with pytest.raises(DiskTroubleError) as trouble:
        archive.resume(file_path(data_dir, START_S), 100)
    assert trouble.value.errno == errno.ENOENT


@pytest.mark.parametrize("operation", ["open_existing", "size", "read", "truncate"])
def test_a_resume_that_fails_can_be_repeated(
    archive: Archive, files: FaultyFiles, data_dir: Path, operation: str
) -> None:
    path = file_path(data_dir, START_S)
    path.parent.mkdir(parents=True)
    path.write_bytes(HEAD_BYTES + b"torn")
    files.fail_nth(operation, 1, errno.EIO)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.resume(path, len(HEAD_BYTES))
    assert trouble.value.errno == errno.EIO
    assert not archive.is_open
    assert archive.resume(path, len(HEAD_BYTES)) == b"torn"


def test_a_file_is_rotated_by_age_by_size_and_at_the_end_of_its_folder(archive: Archive) -> None:
    archive.start_file(START_S * NS, HEAD)
    assert not archive.must_rotate((START_S + 59) * NS, 60.0, GIB)
    assert archive.must_rotate((START_S + 60) * NS, 60.0, GIB)
    assert not archive.must_rotate(START_S * NS, HOUR_S, archive.valid_length + 1)
    assert archive.must_rotate(START_S * NS, HOUR_S, archive.valid_length)
    assert not archive.must_rotate(1_700_099_999 * NS, 1e9, GIB)
    assert archive.must_rotate(1_700_100_000 * NS, 1e9, GIB)
    archive.close()
    assert not archive.must_rotate(1_700_100_000 * NS, 1.0, 1)


def test_a_clock_that_steps_back_neither_rotates_at_once_nor_keeps_a_file_for_ever(archive: Archive) -> None:
    archive.start_file(1_700_100_010 * NS, HEAD)
    stepped_back_s = 1_700_100_010 - 3600
    assert not archive.must_rotate(stepped_back_s * NS, HOUR_S, GIB)
    assert not archive.must_rotate((stepped_back_s + 3599) * NS, HOUR_S, GIB)
    assert archive.must_rotate((stepped_back_s + 3600) * NS, HOUR_S, GIB)


def test_files_started_after_the_clock_stepped_back_never_meet_older_ones(archive: Archive, data_dir: Path) -> None:
    for second in (10, 11, 12, 10, 10, 11):
        archive.start_file((START_S + second) * NS, HEAD)
        archive.close()
    assert sorted(tree(data_dir)) == [f"17000/{START_S + second}.g3" for second in range(10, 16)]


def record_all(files: FaultyFiles, data_dir: Path, policy: FsyncPolicy) -> None:
    """Append every frame as the writer does: again until it works, to files that rotate."""
    archive = Archive(files, data_dir, policy)
    pending = [[frame] for frame in FRAMES]
    for second in range(START_S, START_S + 40):
        with contextlib.suppress(DiskTroubleError):
            if not archive.is_open:
                archive.start_file(second * NS, HEAD)
            if pending:
                archive.append(pending[0])
                pending.pop(0)
            if archive.must_rotate(second * NS, HOUR_S, len(HEAD_BYTES + FRAMES[0])):
                archive.close()
        assert all(content.startswith(HEAD_BYTES) for content in tree(data_dir).values())
    with contextlib.suppress(DiskTroubleError):
        archive.close()


@pytest.mark.parametrize("policy", list(FsyncPolicy))
@pytest.mark.parametrize("hidden_is_known", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_call_fails_each_frame_is_archived_once_and_nothing_stays_open(
    files: FaultyFiles, data_dir: Path, policy: FsyncPolicy, operation: str, hidden_is_known: bool
) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for nth in range(1, 6):
        files.heal()
        if not hidden_is_known:
            files.break_down("open_hidden", errno.EOPNOTSUPP)
        files.fail_nth(operation, nth, errno.EIO)
        record_all(files, data_dir / str(nth), policy)
        contents = [content.removeprefix(HEAD_BYTES) for _, content in sorted(tree(data_dir / str(nth)).items())]
        assert b"".join(contents) == b"".join(FRAMES)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_misuse_is_refused(archive: Archive) -> None:
    with pytest.raises(RuntimeError):
        archive.append(FRAMES)
    path = archive.start_file(START_S * NS, HEAD)
    with pytest.raises(RuntimeError):
        archive.start_file(START_S * NS, HEAD)
    with pytest.raises(RuntimeError):
        archive.resume(path, 0)


def test_a_disk_that_says_every_name_is_taken_is_trouble_and_not_a_loop(files: FaultyFiles, data_dir: Path) -> None:
    files.break_down("give_name", errno.EEXIST)
    files.break_down("open_new", errno.EEXIST)
    archive = Archive(files, data_dir, FsyncPolicy.NEVER)
    with pytest.raises(DiskTroubleError) as trouble:
        archive.start_file(START_S * NS, HEAD)
    assert trouble.value.errno == errno.EEXIST
