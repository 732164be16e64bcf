from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import CheckingProcessError
from tests.support.archives import (
    ADDRESS,
    START_S,
    block,
    head,
    rows,
    write_clean_archive,
    write_file,
)
from tests.support.stock import StockRecorder, write_stock_archive
from writer import verification
from writer.framescan import FrameSpan, scan_frames
from writer.rules import BY_NAME, Rule
from writer.verification import main
from writer.verify_view import MOST_LINES

GOOD = rows(1, block("b", [1, 2], x=[1.0, 2.0]))
STOCK_REMARKS = {"frame-time"}
"""The stock aggregator stamps a frame when it is written, a minute after its first row here."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "hk"


def verify(capsys: pytest.CaptureFixture[str], *arguments: Path | str, code: int) -> dict[str, Any]:
    assert main(["--json", *map(str, arguments)]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def places(found: dict[str, Any]) -> list[tuple[str, int | None, str]]:
    return [(Path(fault["path"]).name, fault["frame"], fault["rule"]) for fault in found["faults"]]


def spans_of(path: Path) -> list[FrameSpan]:
    return list(scan_frames(path))


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x20
    path.write_bytes(content)


def test_a_clean_archive_is_clean(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write_clean_archive(data_dir)
    found = verify(capsys, data_dir, code=0)
    assert (found["faults"], found["remarks"], found["errors"]) == ([], [], [])
    assert [file["path"] for file in found["files"]] == [str(path) for path in paths]
    size_bytes = sum(path.stat().st_size for path in paths)
    assert found["total"] == {"files": 2, "size_bytes": size_bytes, "frames": 9, "rows": 11, "faults": 0, "remarks": 0}


def test_a_whole_archive_of_the_stock_aggregator_has_no_faults(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_stock_archive(data_dir)
    assert len(paths) > 2
    found = verify(capsys, data_dir, code=0)
    assert {remark["rule"] for remark in found["remarks"]} == STOCK_REMARKS
    assert found["total"]["rows"] == 120 * 3


def test_each_fault_of_a_damaged_stock_archive_has_file_frame_and_rule(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn, zeroed, flipped, late = write_stock_archive(data_dir, minutes=14)[:4]
    last = {path: len(spans_of(path)) - 1 for path in (torn, zeroed, flipped, late)}
    middle = spans_of(flipped)[3]
    os.truncate(torn, torn.stat().st_size - 7)
    zeroed.write_bytes(zeroed.read_bytes() + bytes(4096))
    flip(flipped, middle.offset + middle.length // 2)
    copy = late.with_name(f"{int(late.stem) + 1}.g3")
    shutil.copy(late, copy)
    found = verify(capsys, data_dir, code=1)
    assert set(places(found)) == {
        (torn.name, last[torn], "frame-torn"),
        (zeroed.name, last[zeroed] + 1, "zero-bytes"),
        (flipped.name, 3, "checksum"),
        *((copy.name, number, "rows-overlap") for number in (2, 3)),
    }
    (fault,) = [fault for fault in found["faults"] if fault["rule"] == "checksum"]
    assert (fault["offset"], fault["path"], fault["count"]) == (middle.offset, str(flipped), 1)


def test_type_drift_and_rows_out_of_order_in_stock_files_are_told(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = StockRecorder(data_dir)
    recorder.publish({"x": [1, 2], "s": ["a", "b"]})
    recorder.publish({"x": [3], "s": ["c"]}, after_s=70)
    recorder.publish({"x": [1.5], "s": ["d"]}, after_s=70)
    recorder.publish({"x": [2.5], "s": ["e"]}, session="2")
    recorder.publish({"x": ["high"], "s": ["f"]}, session="3")
    recorder.close()
    later = StockRecorder(data_dir, start_s=recorder.now_s + 100)
    later.publish({"x": [True, False]}, times_s=[later.now_s, later.now_s - 5.0])
    later.close()
    found = verify(capsys, data_dir, code=1)
    texts = {fault["rule"]: fault["text"] for fault in found["faults"]}
    assert f"{ADDRESS} b.x changes from int to double" in texts["type-widening"]
    assert f"{ADDRESS}.x is of type " in texts["type-drift"]
    drifts = [fault["text"].split(" is of type ")[1][:8] for fault in found["faults"] if fault["rule"] == "type-drift"]
    assert drifts == ["string h", "bool her"]
    assert "rows of block 'b' are not in time order" in texts["row-order"]


def test_type_drift_from_file_to_file_names_both(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_file(data_dir, [*head(), rows(1, block("b", [1], x=[1]))])
    second = write_file(data_dir, [*head(), rows(9, block("b", [9], x=[1.5]))], ctime_s=START_S + 9)
    (fault,) = verify(capsys, data_dir, code=1)["faults"]
    assert (fault["path"], fault["frame"], fault["rule"]) == (str(second), 2, "type-drift")
    assert fault["text"] == f"{ADDRESS}.x is of type double here and int in {first} frame 2"


def test_files_are_compared_in_order_of_time_whatever_their_order_on_the_command_line(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(capsys, *write_clean_archive(data_dir)[::-1], code=0)["faults"] == []


@pytest.mark.parametrize(("byte", "rule"), [(0, "not-a-frame"), (13, "frame-torn")])
def test_whole_frames_behind_damage_are_still_checked(
    data_dir: Path, capsys: pytest.CaptureFixture[str], byte: int, rule: str
) -> None:
    frames = [*head(), GOOD, GOOD, rows(9, block("b", [3, 3], x=[1.0, 2.0]))]
    path = write_file(data_dir, frames)
    flip(path, spans_of(path)[2].offset + byte)
    found = verify(capsys, path, code=1)
    assert places(found) == [(path.name, 2, rule), (path.name, 4, "row-repeat")]
    assert f"{len(GOOD)} bytes" in found["faults"][0]["text"]


def test_a_whole_frame_is_found_though_a_torn_one_reaches_into_it(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD[:-20], rows(9, block("b", [9, 9], x=[1.0, 2.0]))])
    found = verify(capsys, path, code=1)
    assert places(found) == [(path.name, 2, "checksum"), (path.name, 3, "row-repeat")]
    assert found["total"]["rows"] == 2


def test_strangers_in_the_data_directory_are_told(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_clean_archive(data_dir)
    (data_dir / "notes.txt").touch()
    (data_dir / "lost+found").mkdir()
    first.with_suffix(".g3.gz").touch()
    odd = second.rename(second.with_name("odd.g3"))
    found = verify(capsys, data_dir, code=1)
    assert set(places(found)) == {
        ("notes.txt", None, "stranger"),
        ("lost+found", None, "stranger"),
        (f"{first.name}.gz", None, "stranger"),
        (odd.name, None, "file-name"),
    }


def test_a_file_in_the_wrong_folder_is_told_but_not_one_named_by_itself(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path, _) = write_clean_archive(data_dir)
    moved = data_dir / "17001" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    assert places(verify(capsys, data_dir, code=1)) == [(moved.name, None, "folder")]
    assert verify(capsys, moved, code=0)["faults"] == []


def test_a_folder_above_several_archives_is_no_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clean_archive(tmp_path / "site" / "hk")
    (tmp_path / "site" / "notes.txt").touch()
    assert verify(capsys, tmp_path, code=0)["total"]["files"] == 2


@pytest.mark.parametrize(
    ("at_s", "rule"),
    [(-8000.0, "file-reach"), (8000.0, "file-reach"), (-1.7e9 - 1e5, "row-time"), (6e9, "row-time"), (3600.0, None)],
)
def test_rows_that_readers_cannot_find_by_time_are_told(
    data_dir: Path, capsys: pytest.CaptureFixture[str], at_s: float, rule: str | None
) -> None:
    write_file(data_dir, [*head(), rows(1, block("b", [at_s], x=[1.0]))])
    found = verify(capsys, data_dir, code=1 if rule else 0)
    assert [fault["rule"] for fault in found["faults"]] == ([rule] if rule else [])


def test_structure_only_leaves_the_contents_out(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_file(data_dir, [*head(), rows(1, block("b", [2, 1], x=[1.0, 2.0])), GOOD])
    assert places(verify(capsys, data_dir, code=1)) == [(path.name, 2, "row-order"), (path.name, 3, "rows-overlap")]
    assert verify(capsys, data_dir, "--structure-only", code=0)["total"]["frames"] == 4
    flip(path, path.stat().st_size - 10)
    assert places(verify(capsys, data_dir, "--structure-only", code=1)) == [(path.name, 3, "checksum")]


def test_a_rule_can_be_ignored_and_remarks_taken_as_faults(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_file(data_dir, [*head(), rows(100, block("b", [1, 1], x=[1.0, 2.0]))])
    assert main([str(data_dir)]) == 1
    assert main(["--ignore", "row-repeat", str(data_dir)]) == 0
    assert main(["--ignore", "row-repeat", "--strict", str(data_dir)]) == 1
    assert main(["--ignore", "row-repeat", "--ignore", "frame-time", "--strict", str(data_dir)]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["--ignore", "no-such-rule", str(data_dir)])
    assert stop.value.code == 2
    assert "there is no rule 'no-such-rule'; the rules are frame-torn" in capsys.readouterr().err


def test_processes_of_their_own_find_the_same(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first, _) = write_clean_archive(data_dir)
    write_file(data_dir, [*head(), rows(200, block("temps", [200], kelvin=["x"], state=["on"]))], ctime_s=START_S + 200)
    flip(first, first.stat().st_size - 10)
    alone = verify(capsys, data_dir, "--jobs", "1", code=1)
    assert verify(capsys, data_dir, "--jobs", "2", code=1) == alone
    assert {rule for _, _, rule in places(alone)} == {"checksum", "type-drift"}


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_a_number_of_processes_that_is_none_is_refused(
    data_dir: Path, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--jobs", jobs, str(data_dir)])
    assert stop.value.code == 2
    assert "--jobs" in capsys.readouterr().err


def test_a_killed_process_is_one_clear_error(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clean_archive(data_dir)

    def broken(*_: object) -> Any:
        raise BrokenProcessPool

    monkeypatch.setattr(verification, "run_jobs", broken)
    with pytest.raises(CheckingProcessError, match="try again with --jobs 1"):
        main([str(data_dir)])


def test_what_cannot_be_read_is_one_line_and_exit_code_2(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path, _) = write_clean_archive(data_dir)
    missing, empty = tmp_path / "missing.g3", tmp_path / "empty"
    empty.mkdir()
    assert main([str(missing), str(path), str(empty)]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        f"hkagg verify: {empty}: there is no .g3 file in this folder",
        f"hkagg verify: {missing}: No such file or directory",
    ]
    assert said.out.startswith("1 file, ")


@pytest.mark.parametrize("content", [b"", head()[0]])
def test_a_file_that_has_nothing_to_read_is_only_remarked(
    data_dir: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    write_file(data_dir, [content])
    found = verify(capsys, data_dir, code=0)
    assert [remark["rule"] for remark in found["remarks"]] == ["only-session"]


def test_people_get_a_line_per_fault_the_meaning_and_the_sum(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(data_dir, [*head(), GOOD, rows(2, block("b", [3, 3], x=[1.0, 2.0]))[:-4]])
    assert main([str(data_dir)]) == 1
    first, _, legend, total = capsys.readouterr().out.splitlines()
    offset = len(b"".join([*head(), GOOD]))
    assert first.startswith(f"{path}: frame 3, byte {offset}: frame-torn: a frame that ends too early, ")
    assert legend.split()[:2] == ["frame-torn", "1"]
    assert total.endswith("1 fault in 1 file; see what can be mended with 'hkagg repair --dry-run'")
    assert main([str(write_clean_archive(data_dir / "other")[0])]) == 0
    assert capsys.readouterr().out.endswith(" 8 rows: clean\n")


def test_very_many_faults_are_abridged_for_people_only(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = rows(1, block("b", [2, 1], x=[1.0, 2.0]))
    write_file(data_dir, [*head(), *[bad] * 1200])
    assert main(["--ignore", "rows-overlap", "--ignore", "frame-order", str(data_dir)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == MOST_LINES + 4
    assert f"row-order: {1200 - MOST_LINES:,} more" in lines[MOST_LINES]
    listed = [fault for fault in verify(capsys, data_dir, code=1)["faults"] if fault["rule"] == "row-order"]
    assert len(listed) == 1000
    assert sum(fault["count"] for fault in listed) == 1200


def test_names_chosen_by_feeds_cannot_command_the_terminal(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_file(data_dir, [*head(), rows(1, block("\x1b[2Jgone [red]", [1, 1], **{"\x1b[1m": [1.0, 2.0]}))])
    assert main([str(data_dir)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_every_rule_is_in_the_reference() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "verify.md"
    text = page.read_text(encoding="utf-8")
    rows_of_table = [
        f"| `{rule.value}`{' (remark)' if rule.is_remark else ''} | {rule.meaning} | {rule.effect} |" for rule in Rule
    ]
    assert [row for row in rows_of_table if row not in text] == []
    assert len(BY_NAME) == len(Rule)


def test_the_command_is_part_of_hkagg(data_dir: Path) -> None:
    write_clean_archive(data_dir)
    command = [sys.executable, "-m", "aggregator", "verify", str(data_dir)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(": clean\n")
