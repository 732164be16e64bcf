from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator import status
from aggregator.errors import KeepDirectoryError
from aggregator.locks import WRITER_LOCK, ProcessLock
from tests.support.archives import ADDRESS, START_S, block, head, rows, write_clean_archive, write_file
from tests.support.stock import write_stock_archive
from writer import repair, verification
from writer.checkpoint import Checkpoint, CheckpointStore
from writer.framescan import scan_frames
from writer.g3 import HKArchiveScanner, load_range
from writer.repair_plan import make_plan

GOOD = rows(1, block("b", [1, 2], x=[1.0, 2.0]))
LATER = rows(9, block("b", [9], x=[3.0]))


def later_ns() -> int:
    return time.time_ns() + 3600 * 10**9


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "hk"


@pytest.fixture(autouse=True)
def no_recorders_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "buffer_dirs_here", list)


def run(*arguments: Path | str, code: int, now: bool = False) -> None:
    assert repair.main([*map(str, arguments)], clock_ns=time.time_ns if now else later_ns) == code


def as_json(capsys: pytest.CaptureFixture[str], *arguments: Path | str, code: int) -> dict[str, Any]:
    capsys.readouterr()
    run("--json", *arguments, code=code)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def verified(capsys: pytest.CaptureFixture[str], path: Path) -> list[str]:
    capsys.readouterr()
    verification.main(["--json", str(path)])
    return [fault["rule"] for fault in json.loads(capsys.readouterr().out)["faults"]]


def read_by_so3g(paths: list[Path]) -> dict[str, int]:
    scanner = HKArchiveScanner()
    for path in paths:
        scanner.process_file(str(path))
    archive = scanner.finalize()
    fields = sorted(archive.get_fields()[0])
    return {field: len(values) for field, (_, values) in zip(fields, archive.simple(fields), strict=True)}


def test_a_damaged_stock_archive_is_mended_verified_and_read(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn, zeroed, flipped, flipped_last = write_stock_archive(data_dir, minutes=14)[:4]
    os.truncate(torn, torn.stat().st_size - 7)
    torn_frame = torn.read_bytes()[list(scan_frames(torn))[-1].offset :]
    zeroed.write_bytes(zeroed.read_bytes() + bytes(4096))
    for path, frame in ((flipped, 3), (flipped_last, -1)):
        content, span = bytearray(path.read_bytes()), list(scan_frames(path))[frame]
        content[span.offset + span.length // 2] ^= 0x20
        path.write_bytes(content)
    assert sorted(verified(capsys, data_dir)) == ["checksum", "checksum", "frame-torn", "zero-bytes"]
    with pytest.raises(RuntimeError):
        load_range(START_S, START_S + 900, data_dir=str(data_dir))

    found = as_json(capsys, data_dir, code=1)
    assert [(Path(each["path"]), each["action"], each["done"]) for each in found["files"]] == [
        (torn, "cut", True),
        (zeroed, "cut", True),
        (flipped, "leave", False),
        (flipped_last, "cut", True),
    ]
    assert "whole frames follow, which a cut would lose" in found["files"][2]["text"]
    keep_dir = tmp_path / "hk-cut"
    assert Path(found["files"][0]["kept"]).read_bytes() == torn_frame
    assert Path(found["files"][1]["kept"]).read_bytes() == bytes(4096)
    assert len(list(keep_dir.iterdir())) == 3

    assert verified(capsys, data_dir) == ["checksum"]
    flipped.rename(tmp_path / flipped.name)
    assert verified(capsys, data_dir) == []
    rows_read = read_by_so3g(sorted(data_dir.rglob("*.g3")))
    assert set(rows_read) == {
        f"{ADDRESS}.kelvin",
        f"{ADDRESS}.state",
        "observatory.acu.feeds.stream.az",
        "observatory.acu.feeds.stream.moving",
    }
    assert load_range(START_S, START_S + 900, data_dir=str(data_dir))
    run(data_dir, code=0)


@pytest.mark.parametrize("tail", [GOOD[:-1], GOOD[:5], bytes(1), bytes(5000), b"junk" * 50, GOOD[:-1] + b"x"])
def test_a_damaged_end_is_cut_to_the_byte_and_kept(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tail: bytes
) -> None:
    whole = b"".join([*head(), GOOD])
    path = write_file(data_dir, [whole, tail])
    (found,) = as_json(capsys, path, code=0)["files"]
    assert path.read_bytes() == whole
    assert (found["offset"], found["cut_bytes"]) == (len(whole), len(tail))
    kept = tmp_path / "hk-cut" / f"{path.name}.from-{len(whole)}"
    assert found["kept"] == str(kept)
    assert kept.read_bytes() == tail
    assert verified(capsys, data_dir) == []


def test_whole_files_are_not_even_opened_for_writing(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write_clean_archive(data_dir)
    before = [path.stat() for path in paths]
    run(data_dir, code=0)
    assert [path.stat() for path in paths] == before
    assert capsys.readouterr().out == "2 files: all whole, nothing to do\n"
    assert sorted(data_dir.parent.iterdir()) == [data_dir]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_file(data_dir, [*head(), GOOD, LATER[:-3]])
    empty = write_file(data_dir, [bytes(300)], ctime_s=START_S + 5)
    before = path.read_bytes()
    run("--dry-run", data_dir, code=1)
    lines = capsys.readouterr().out.splitlines()
    end = len(b"".join([*head(), GOOD]))
    assert lines[0].startswith(f"{path}: would be cut at byte {end}: frame 3, byte {end}: a frame that ends too early")
    assert lines[1].startswith(f"{empty}: would be taken out of the archive: ")
    assert lines[2].startswith("2 files: 2 damaged, 2 would be mended by cutting ")
    assert path.read_bytes() == before
    assert empty.exists()
    assert sorted(data_dir.parent.iterdir()) == [data_dir]


@pytest.mark.parametrize("where", [0, 20, 200])
def test_damage_with_whole_frames_behind_it_is_left_alone(
    data_dir: Path, capsys: pytest.CaptureFixture[str], where: int
) -> None:
    frames = [*head(), GOOD, LATER]
    content = bytearray(b"".join(frames))
    content[len(b"".join(head())) + where] ^= 0x40
    path = write_file(data_dir, [bytes(content), GOOD[:-9]])
    (found,) = as_json(capsys, path, code=1)["files"]
    assert (found["action"], found["done"], found["cut_bytes"], found["kept"]) == ("leave", False, 0, None)
    assert "1 whole frame follows" in found["text"]
    assert path.read_bytes() == bytes(content) + GOOD[:-9]


def test_a_file_without_one_whole_frame_is_taken_out(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_file(data_dir, [bytes(8192)])
    (found,) = as_json(capsys, data_dir, code=0)["files"]
    assert (found["action"], found["done"]) == ("set-aside", True)
    assert not path.exists()
    assert Path(found["kept"]).read_bytes() == bytes(8192)


def test_what_is_no_file_of_an_archive_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a frame in sight\n")
    (found,) = as_json(capsys, notes, code=1)["files"]
    assert found["action"] == "leave"
    assert notes.read_text() == "not a frame in sight\n"


@pytest.mark.parametrize("content", [b"", head()[0], b"".join(head())])
def test_a_file_with_no_more_than_a_head_is_left_as_it_is(
    data_dir: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = write_file(data_dir, [content])
    assert as_json(capsys, data_dir, code=0)["files"] == []
    assert path.read_bytes() == content


def test_the_same_bytes_are_kept_once_and_others_beside_them(data_dir: Path, tmp_path: Path) -> None:
    whole = b"".join([*head(), GOOD])
    for tail in (b"\0\0", b"\0\0", b"\1\1"):
        write_file(data_dir, [whole, tail])
        run("--keep", tmp_path / "kept", data_dir, code=0)
    name = f"{START_S}.g3.from-{len(whole)}"
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [name, f"{name}.1"]


def test_kept_bytes_may_be_on_a_disk_without_links(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    whole = b"".join([*head(), GOOD])
    for tail in (b"\0\0", b"\1\1"):
        write_file(data_dir, [whole, tail])
        run("--keep", tmp_path / "kept", data_dir, code=0)
    assert sorted(path.read_bytes() for path in (tmp_path / "kept").iterdir()) == [b"\0\0", b"\1\1"]


def test_a_keep_directory_in_the_archive_is_refused(data_dir: Path) -> None:
    path = write_file(data_dir, [*head(), GOOD[:-3]])
    for keep in (data_dir, data_dir / "cut", path.parent):
        with pytest.raises(KeepDirectoryError, match="is inside the archive"):
            run("--keep", keep, data_dir, code=0)
    assert list(data_dir.rglob("*")) == [path.parent, path]


def test_a_file_on_its_own_keeps_its_cut_bytes_near_it(tmp_path: Path) -> None:
    path = tmp_path / "copy.g3"
    path.write_bytes(b"".join([*head(), GOOD[:-3]]))
    run(path, code=0)
    assert [kept.read_bytes() for kept in (tmp_path / "hkagg-cut").iterdir()] == [GOOD[:-3]]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("call", ["fsync", "link", "ftruncate"])
def test_a_repair_that_is_killed_anywhere_is_finished_by_the_next(
    data_dir: Path, tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = b"".join([*head(), GOOD])
    path = write_file(data_dir, [whole, LATER[:-3]])

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, call, killed)
        with pytest.raises(Killed):
            run(data_dir, code=0)
    assert path.read_bytes() == whole + LATER[:-3]
    run(data_dir, code=0)
    assert path.read_bytes() == whole
    assert [kept.read_bytes() for kept in (tmp_path / "hk-cut").iterdir()] == [LATER[:-3]]


@pytest.mark.parametrize("call", ["fsync", "ftruncate"])
def test_a_disk_that_refuses_leaves_the_file_as_it_was(
    data_dir: Path, call: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD[:-3]])
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, refuse)
    run(data_dir, code=2)
    said = capsys.readouterr().err
    assert said == f"hkagg repair: {path}: No space left on device; {path} is as it was\n"
    assert path.read_bytes() == before


def test_a_file_that_changes_while_it_is_looked_at_is_left_alone(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD[:-3]])

    def plan_and_change(path: Path, progress: Any) -> Any:
        made = make_plan(path, progress)
        path.write_bytes(path.read_bytes() + b"more")
        return made

    monkeypatch.setattr(repair, "make_plan", plan_and_change)
    run(data_dir, code=2)
    assert "was changed while it was looked at" in capsys.readouterr().err
    assert path.read_bytes().endswith(b"more")


def test_a_file_changed_just_now_is_refused_but_by_force(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_file(data_dir, [*head(), GOOD, LATER[:-3]])
    before = path.read_bytes()
    run(data_dir, code=1, now=True)
    assert "may still be written: wait for 60 s, or use --force" in capsys.readouterr().out
    assert path.read_bytes() == before
    run("--force", data_dir, code=0, now=True)
    assert path.read_bytes() == b"".join([*head(), GOOD])


def test_a_file_that_is_open_for_writing_is_refused_whatever_is_said(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD, LATER[:-3]])
    with path.open("ab"):
        run("--force", data_dir, code=1)
        assert "left alone: a process has it open for writing\n" in capsys.readouterr().out
    with path.open("rb"):
        run(data_dir, code=0)


@pytest.fixture
def buffer_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "buffer"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def live_writer(buffer_dir: Path) -> Iterator[None]:
    lock = ProcessLock(buffer_dir / WRITER_LOCK)
    lock.acquire()
    yield
    lock.release()


def open_in_checkpoint(buffer_dir: Path, path: Path) -> None:
    CheckpointStore(buffer_dir).save(Checkpoint(log_id=1, file=str(path), valid_length=10), durable=False)


@pytest.mark.usefixtures("live_writer")
@pytest.mark.parametrize("named_by", ["checkpoint", "status"])
def test_the_open_file_of_a_live_recorder_is_refused_whatever_is_said(
    data_dir: Path, buffer_dir: Path, capsys: pytest.CaptureFixture[str], named_by: str
) -> None:
    path = write_file(data_dir, [*head(), GOOD, LATER[:-3]])
    other = write_file(data_dir, [*head(), GOOD[:-3]], ctime_s=START_S + 60)
    if named_by == "checkpoint":
        open_in_checkpoint(buffer_dir, path)
    else:
        status.write_snapshot(buffer_dir, status.WRITER, {"current_file": str(path)})
    run("--force", "--buffer-dir", buffer_dir, data_dir, code=1)
    assert f"left alone: the recorder of {buffer_dir} writes to it\n" in capsys.readouterr().out
    assert path.read_bytes().endswith(LATER[:-3])
    assert other.read_bytes() == b"".join(head())


def test_the_open_file_of_a_recorder_that_does_not_run_is_mended_by_force_only(
    data_dir: Path, buffer_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD, LATER[:-3]])
    open_in_checkpoint(buffer_dir, path)
    monkeypatch.setattr(repair, "buffer_dirs_here", lambda: [buffer_dir])
    run(data_dir, code=1)
    assert "will mend it and go on with it when its writer starts again, or use --force" in capsys.readouterr().out
    run("--force", data_dir, code=0)
    assert path.read_bytes() == b"".join([*head(), GOOD])


def test_what_cannot_be_read_is_one_line_and_exit_code_2(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD[:-3]])
    missing = tmp_path / "missing.g3"
    run(missing, path, code=2)
    said = capsys.readouterr()
    assert said.err == f"hkagg repair: {missing}: No such file or directory\n"
    assert path.read_bytes() == b"".join(head())


def test_modes_and_owners_stay(data_dir: Path) -> None:
    path = write_file(data_dir, [*head(), GOOD[:-3]])
    path.chmod(0o640)
    before = path.stat()
    run(data_dir, code=0)
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_ino) == (0o640, before.st_ino)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.integers(0, len(GOOD)), junk=st.binary(max_size=60), more=st.booleans())
def test_no_whole_frame_is_ever_lost(data_dir: Path, keep: int, junk: bytes, more: bool) -> None:
    shutil.rmtree(data_dir, ignore_errors=True)
    path = write_file(data_dir, [*head(), LATER, GOOD[:keep], junk, LATER if more else b""])
    content = path.read_bytes()
    wanted = content.count(LATER) + content.count(GOOD)
    repair.main([str(data_dir)], clock_ns=later_ns)
    kept = path.read_bytes()
    assert content.startswith(kept)
    assert kept.count(LATER) + kept.count(GOOD) == wanted
