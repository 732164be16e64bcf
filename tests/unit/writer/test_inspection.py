from __future__ import annotations

import json
import queue
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import so3g.hk
from spt3g import core

from tests.support.archives import ADDRESS, SESSION, START_S, block, head, rows, write_clean_archive, write_file
from writer.inspection import main
from writer.survey import Survey
from writer.survey_view import utc


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "hk"


def as_json(capsys: pytest.CaptureFixture[str], *paths: Path | str, code: int = 0) -> Any:
    assert main([*map(str, paths), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_blocks_of_all_files_are_added_up(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_clean_archive(data_dir)
    found = as_json(capsys, data_dir)
    session_id = SESSION.session_id
    assert found["blocks"] == [
        {
            "address": "observatory.acu.feeds.stream",
            "block": "az",
            "providers": [[session_id, 1]],
            "fields": [{"name": "az", "types": ["int"]}, {"name": "moving", "types": ["bool"]}],
            "rows": 3,
            "first_s": START_S,
            "last_s": START_S + 0.01,
            "rate_hz": 200.0,
            "gaps": [],
        },
        {
            "address": ADDRESS,
            "block": "odd",
            "providers": [[session_id, 0]],
            "fields": [{"name": "x", "types": ["double"]}],
            "rows": 1,
            "first_s": START_S + 11.5,
            "last_s": START_S + 11.5,
            "rate_hz": None,
            "gaps": [],
        },
        {
            "address": ADDRESS,
            "block": "temps",
            "providers": [[session_id, 0], [session_id, 2]],
            "fields": [
                {"name": "kelvin", "types": ["double"]},
                {"name": "state", "types": ["string"]},
                {"name": "heater", "types": ["double"]},
            ],
            "rows": 7,
            "first_s": START_S + 0.5,
            "last_s": START_S + 102.5,
            "rate_hz": 1.0,
            "gaps": [[START_S + 2.5, START_S + 10.5], [START_S + 10.5, START_S + 100.5]],
        },
    ]
    assert [file["path"] for file in found["files"]] == [str(first), str(second)]
    assert found["files"][0] == {
        "path": str(first),
        "size_bytes": first.stat().st_size,
        "frames": {"session": 1, "status": 1, "data": 3, "other": 0},
        "session_ids": [session_id],
        "hkagg_versions": [2],
        "rows": 8,
        "first_s": START_S,
        "last_s": START_S + 11.5,
        "remarks": [],
    }
    size_bytes = first.stat().st_size + second.stat().st_size
    assert found["total"] == {"files": 2, "size_bytes": size_bytes, "frames": 9, "rows": 11}
    assert found["errors"] == []


def test_people_see_a_table_and_a_line_for_each_file(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_clean_archive(data_dir)
    assert main([str(data_dir)]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    (temps,) = [line.split() for line in lines if " temps " in line]
    assert temps[:6] == [ADDRESS, "temps", "2", "kelvin,", "state,", "heater"]
    assert temps[6:11] == ["2", "double,", "1", "string", "7"]
    assert temps[11:] == ["2023-11-15", "01:39:05", "2023-11-15", "01:40:47", "1", "2", "(1", "min", "38", "s)"]
    assert any(
        line.startswith(f"{first}: ") and "5 frames (3 data, 1 session, 1 status), 8 rows" in line for line in lines
    )
    assert any(line.startswith(f"{second}: ") for line in lines)
    assert lines[-1].startswith("2 files: ")
    assert said.err == ""


def test_one_field_with_two_types_is_shown_with_both(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_file(data_dir, [*head(), rows(1, block("b", [1], x=[1])), rows(2, block("b", [2], x=[1.5]))])
    assert as_json(capsys, data_dir)["blocks"][0]["fields"] == [{"name": "x", "types": ["double", "int"]}]
    main([str(data_dir)])
    assert "1 double/int" in capsys.readouterr().out


def test_pauses_do_not_lower_a_rate(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tenths = np.arange(11) / 10
    frames = [rows(at_s, block("b", list(at_s + tenths), x=[1.0] * 11)) for at_s in (0, 1000)]
    write_file(data_dir, [*head(), *frames])
    assert as_json(capsys, data_dir)["blocks"][0]["rate_hz"] == pytest.approx(10.0)


@pytest.mark.parametrize("rows_per_frame", [1, 3, 50])
def test_rows_that_stay_away_are_gaps_however_they_are_framed(
    data_dir: Path, capsys: pytest.CaptureFixture[str], rows_per_frame: int
) -> None:
    times = [*range(100), *range(150, 300), *range(1000, 1050)]
    chunks = [times[at : at + rows_per_frame] for at in range(0, len(times), rows_per_frame)]
    write_file(data_dir, [*head(), *(rows(chunk[0], block("b", chunk, x=[1.0] * len(chunk))) for chunk in chunks)])
    assert as_json(capsys, data_dir)["blocks"][0]["gaps"] == [
        [START_S + 99, START_S + 150],
        [START_S + 299, START_S + 1000],
    ]


def test_a_span_leaves_out_rows_blocks_and_files_without_any(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = write_clean_archive(data_dir)
    far = write_file(data_dir, [b"no frames"], ctime_s=START_S + 50_000)
    found = as_json(capsys, data_dir, "--start", str(START_S + 1), "--end", "2023-11-15T01:39:15")
    assert [(each["block"], each["rows"]) for each in found["blocks"]] == [("temps", 2)]
    assert [file["path"] for file in found["files"]] == [str(first)]
    assert far.exists()
    assert main([str(data_dir), "--end", "2020-01-01"]) == 0
    assert capsys.readouterr().out == "there are no rows in this span\n"


def test_single_rows_have_the_rate_at_which_they_came(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [rows(at_s, block("b", [at_s], x=[1.0])) for at_s in (0, 10, 20)]
    write_file(data_dir, [*head(), *frames])
    assert as_json(capsys, data_dir)["blocks"][0]["rate_hz"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("tail", "remark"),
    [
        (rows(2, block("b", [2], x=[1.0]))[:-5], "a frame that ends too early"),
        (bytes(4096), "zero bytes where a frame should begin"),
        (b"junk" * 10, "bytes that do not begin a frame"),
    ],
)
def test_a_torn_file_is_said_to_be_torn_and_its_whole_frames_are_listed(
    data_dir: Path, capsys: pytest.CaptureFixture[str], tail: bytes, remark: str
) -> None:
    good = [*head(), rows(1, block("b", [1], x=[1.0]))]
    write_file(data_dir, [*good, tail])
    found = as_json(capsys, data_dir)
    offset = len(b"".join(good))
    assert found["files"][0]["remarks"] == [f"{remark}, at byte {offset}: {len(tail)} bytes are not listed"]
    assert found["files"][0]["frames"]["data"] == 1
    assert found["blocks"][0]["rows"] == 1
    assert main([str(data_dir)]) == 0
    assert remark in capsys.readouterr().out


def test_frames_behind_a_damaged_one_are_listed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = rows(1, block("b", [1], x=[1.0]))
    write_file(data_dir, [*head(), good[:-1] + b"x", rows(2, block("b", [2], x=[1.0]))])
    assert as_json(capsys, data_dir)["blocks"][0]["rows"] == 1


@pytest.mark.parametrize("content", [b"", b"no frames at all", bytes(500)])
def test_a_file_that_is_no_archive_file_is_one_line_and_exit_code_2(
    data_dir: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = write_file(data_dir, [content])
    assert main([str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"hkagg inspect: {path} is not a file of a housekeeping archive: ")
    assert said.err.count("\n") == 1


def test_what_can_be_read_is_shown_beside_what_cannot(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path, _) = write_clean_archive(data_dir)
    missing, empty = data_dir / "missing.g3", data_dir / "empty"
    empty.mkdir()
    found = as_json(capsys, missing, path, empty, path, code=2)
    assert [file["path"] for file in found["files"]] == [str(path)]
    assert found["errors"] == [
        f"{empty}: there is no .g3 file in this folder",
        f"{missing}: No such file or directory",
    ]


def test_frames_that_are_not_housekeeping_are_counted_only(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_file(data_dir, [])
    writer = core.G3Writer(str(path))
    odd = core.G3Frame(core.G3FrameType.Housekeeping)
    odd["anything"] = 1
    for frame in (core.G3Frame(core.G3FrameType.Scan), odd, core.G3Frame(core.G3FrameType.EndProcessing)):
        writer(frame)
    (file,) = as_json(capsys, path)["files"]
    assert file["frames"] == {"session": 0, "status": 0, "data": 0, "other": 1}
    assert [remark.split(":")[0] for remark in file["remarks"]] == ["the frame at byte 17 is no HK frame"]


@pytest.mark.parametrize("version", [0, 1])
def test_older_versions_get_one_clear_line(data_dir: Path, capsys: pytest.CaptureFixture[str], version: int) -> None:
    path = write_file(data_dir, [])
    helper = so3g.hk.HKSessionHelper(hkagg_version=version, start_time=float(START_S), description="old")
    prov_id = helper.add_provider(ADDRESS)
    writer = core.G3Writer(str(path))
    for frame in (
        helper.session_frame(),
        helper.status_frame(1.0),
        helper.data_frame(prov_id, timestamp=2.0),
        core.G3Frame(core.G3FrameType.EndProcessing),
    ):
        writer(frame)
    found = as_json(capsys, path)
    assert found["blocks"] == []
    assert found["files"][0]["hkagg_versions"] == [version]
    assert found["files"][0]["frames"] == {"session": 1, "status": 1, "data": 1, "other": 0}
    assert found["files"][0]["remarks"] == [
        f"its frames have hkagg_version {version}: blocks are listed of version 2 only"
    ]
    assert main([str(path)]) == 0


def test_an_archive_of_the_stock_aggregator_is_listed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drivers = pytest.importorskip("ocs.agents.aggregator.drivers")
    messages: queue.Queue[Any] = queue.Queue()
    now_s = time.time()
    data = {"x": [1.5, 2.5], "n": [1, 2], "s": ["a", "b"], "f": [True, False]}
    stock = drivers.Aggregator(messages, 3600, str(data_dir))
    messages.put(
        (
            {"b": {"block_name": "b", "timestamps": [now_s, now_s + 0.5], "data": data}},
            {"address": ADDRESS, "session_id": "1", "agg_params": {}, "feed_name": "temperatures"},
        )
    )
    stock.run()
    stock.close()
    (found,) = as_json(capsys, data_dir)["blocks"]
    assert (found["address"], found["block"], found["rows"], found["rate_hz"]) == (ADDRESS, "b", 2, 2.0)
    types = {field["name"]: field["types"] for field in found["fields"]}
    assert types == {"x": ["double"], "n": ["int"], "s": ["string"], "f": ["bool"]}


def test_names_chosen_by_feeds_cannot_command_the_terminal(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_file(data_dir, [*head(), rows(1, block("\x1b[2Jgone [red]", [1], x=[1.0]))])
    assert main([str(data_dir)]) == 0
    assert "\\x1b[2Jgone [red]" in capsys.readouterr().out


def test_many_fields_and_many_files_are_abridged_for_people_only(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {f"x{number}": [1.0] for number in range(20)}
    for number in range(30):
        write_file(data_dir, [*head(), rows(1, block("b", [1], **columns))], ctime_s=START_S + number)
    assert len(as_json(capsys, data_dir)["files"]) == 30
    assert main([str(data_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "and 16 more" in lines[1]
    assert lines[-1].startswith("30 files: ")


def test_progress_tells_of_every_byte(data_dir: Path) -> None:
    (path, _) = write_clean_archive(data_dir)
    steps: list[int] = []
    Survey().add(path, steps.append)
    assert sum(steps) == path.stat().st_size


@pytest.mark.parametrize(
    ("time_g3", "text"),
    [
        (None, "-"),
        (0, "1970-01-01 00:00:00"),
        (START_S * 10**8 + 99_999_999, "2023-11-15 01:39:05"),
        (2**63 - 1, "4892-10-07 21:52:48"),
        (-(2**63), "-92233720369 s"),
    ],
)
def test_any_timestamp_can_be_written(time_g3: int | None, text: str) -> None:
    assert utc(time_g3) == text


def test_no_path_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "usage: hkagg inspect" in capsys.readouterr().err
