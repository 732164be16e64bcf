from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import so3g.hk
from spt3g import core

from tests.support.archive_check import assert_archive_is_clean
from tests.support.archives import (
    ADDRESS,
    SESSION,
    START_S,
    block,
    head,
    rows,
    write_clean_archive,
    write_file,
)
from writer.conformance import Tolerance, check_archive, check_file
from writer.file_check import FileCheck
from writer.frames import Session, status_frame
from writer.g3 import frame_bytes, frame_from_bytes

GOOD = rows(1, block("b", [1, 2], x=[1.0, 2.0]))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "hk"


def changed(frame: bytes, change: Callable[[Any], None]) -> bytes:
    loaded = frame_from_bytes(frame)
    change(loaded)
    return frame_bytes(loaded)


def without(frame: bytes, key: str) -> bytes:
    return changed(frame, lambda loaded: loaded.__delitem__(key))


def with_value(frame: bytes, key: str, value: Any) -> bytes:
    def change(loaded: Any) -> None:
        if key in loaded:
            del loaded[key]
        loaded[key] = value

    return changed(frame, change)


def with_blocks(*columns: Any, rows_of: int = 2) -> bytes:
    """Make a data frame by plain G3 calls, past every check of our own."""
    samples = core.G3TimesampleMap()
    samples.times = core.G3VectorTime(START_S * 10**8 + np.arange(rows_of))
    for number, column in enumerate(columns):
        samples[f"x{number}"] = column
    return with_value(GOOD, "blocks", core.G3VectorFrameObject([samples]))


def test_a_clean_archive_has_no_faults_and_is_read_whole(data_dir: Path) -> None:
    write_clean_archive(data_dir)
    data = assert_archive_is_clean(data_dir, tolerate=())
    assert sorted(data) == [
        "observatory.acu.feeds.stream.az",
        "observatory.acu.feeds.stream.moving",
        f"{ADDRESS}.heater",
        f"{ADDRESS}.kelvin",
        f"{ADDRESS}.state",
        f"{ADDRESS}.x",
    ]
    times, kelvin = data[f"{ADDRESS}.kelvin"]
    assert list(kelvin) == [4.0, 4.1, 4.2, 4.3, 5.0, 5.1, 5.2]
    assert list(times - START_S) == [0.5, 1.5, 2.5, 10.5, 100.5, 101.5, 102.5]
    assert list(data[f"{ADDRESS}.state"][1]) == ["on", "on", "off", "µ", "on"]


def test_an_archive_without_files_is_clean(data_dir: Path) -> None:
    data_dir.mkdir()
    assert assert_archive_is_clean(data_dir) == {}


def test_the_stock_aggregators_files_are_clean(data_dir: Path) -> None:
    path = write_file(data_dir, [])
    helper = so3g.hk.HKSessionHelper(hkagg_version=2, start_time=float(START_S), description="HK data")
    prov_id = helper.add_provider(ADDRESS)
    frame = helper.data_frame(prov_id, timestamp=START_S + 1.0)
    samples = core.G3TimesampleMap()
    samples.times = core.G3VectorTime([core.G3Time((START_S + 1) * 10**8)])
    samples["x"] = core.G3VectorDouble([1.0])
    frame["blocks"].append(samples)
    frame["block_names"].extend(["b"])
    frame["address"] = ADDRESS
    frame["provider_session_id"] = "1"
    writer = core.G3Writer(str(path))
    for each in (helper.session_frame(), helper.status_frame(float(START_S)), frame):
        writer(each)
    writer(core.G3Frame(core.G3FrameType.EndProcessing))
    assert check_file(path) == []


def swap(frame: Any) -> None:
    entries = list(frame["providers"])
    del frame["providers"]
    frame["providers"] = core.G3VectorFrameObject(entries[::-1])


FAULTS = {
    "no head": ([], "ends before it has a session frame"),
    "session frame only": (head()[:1], "ends before it has a session frame"),
    "status frame first": (head()[::-1], "does not begin with a session frame"),
    "two sessions' frames": (
        [*head(), status_frame(Session(session_id=9, start_time_s=1.0), START_S + 1.0, [])],
        "its session_id is 9",
    ),
    "version 1": ([*head(), with_value(GOOD, "hkagg_version", 1)], "hkagg_version is 1 instead of 2"),
    "no version": ([*head(), without(GOOD, "hkagg_version")], "hkagg_version is None"),
    "unknown kind": ([*head(), with_value(GOOD, "hkagg_type", 3)], "hkagg_type is 3"),
    "no kind": ([*head(), without(GOOD, "hkagg_type")], "hkagg_type is None"),
    "key missing": ([*head(), without(GOOD, "provider_session_id")], "key provider_session_id is missing"),
    "key too many": ([*head(), with_value(GOOD, "extra", 1)], "key extra does not belong"),
    "key of wrong type": ([*head(), with_value(GOOD, "timestamp", START_S + 1)], "key timestamp is of type int"),
    "not HK": ([*head(), frame_bytes(core.G3Frame(core.G3FrameType.Scan))], "a frame of type 'S'"),
    "unknown provider": ([*head((5, ADDRESS)), GOOD], "prov_id 0 is not in the status frame"),
    "provider gone": (
        [*head(), GOOD, status_frame(SESSION, START_S + 2.0, []), rows(2, block("b", [2], x=[1.0]))],
        "prov_id 0 is not in the status frame",
    ),
    "another address": ([*head(), with_value(GOOD, "address", "a.b.c.d")], "its address is 'a.b.c.d'"),
    "another provider session": (
        [*head(), GOOD, with_value(rows(2, block("b", [2], x=[1.0])), "provider_session_id", "2")],
        "stands for two provider sessions",
    ),
    "bad address": (head((0, "a.b.c")), "address 'a.b.c' is not four"),
    "providers out of order": (
        [head()[0], changed(head((0, "a.b.c.d"), (1, "a.b.c.e"))[1], swap)],
        "not in order of prov_id",
    ),
    "no rows": ([*head(), with_blocks(core.G3VectorDouble([]), rows_of=0)], "block 'b' has no rows"),
    "no fields": ([*head(), with_blocks()], "block 'b' has no fields"),
    "odd block": (
        [*head(), with_value(GOOD, "blocks", core.G3VectorFrameObject([core.G3Int(3)]))],
        "block 'b' is a G3Int",
    ),
    "names missing": ([*head(), with_value(GOOD, "block_names", core.G3VectorString([]))], "1 blocks have the names"),
    "rows out of order": ([*head(), rows(1, block("b", [2, 1], x=[1.0, 2.0]))], "not in time order"),
    "rows repeated": ([*head(), rows(1, block("b", [2, 2], x=[1.0, 2.0]))], "1 rows of block 'b' repeat"),
    "fields change": ([*head(), GOOD, rows(2, block("b", [3], y=[1.0]))], "other fields than before: ['x', 'y']"),
    "type widens": (
        [*head(), rows(1, block("b", [1], x=[1])), rows(2, block("b", [2], x=[1.5]))],
        "b.x changes from int to double",
    ),
    "type narrows": ([*head(), GOOD, rows(2, block("b", [3], x=[1]))], "b.x changes from double to int"),
    "number turns string": ([*head(), GOOD, rows(2, block("b", [3], x=["a"]))], "from double to string"),
    "bad field name": ([*head(), rows(1, block("b", [1], **{"1x": [1.0]}))], "field '1x' of block 'b'"),
    "long field name": ([*head(), rows(1, block("b", [1], **{"x" * 256: [1.0]}))], "is not a valid field name"),
    "past the folder": ([*head(), rows(90_000, block("b", [90_000], x=[1.0]))], "is past the file's folder 17000"),
    "frame times repeat": ([*head(), GOOD, GOOD], "HKScanner has 1 warning"),
    "provider comes back": (
        [*head(), status_frame(SESSION, START_S + 1.0, []), head()[1]],
        "HKScanner has 1 warning",
    ),
    "frame before its provider": ([*head(at_s=5), GOOD], "HKScanner has 1 warning"),
    "nothing where providers should be": (
        [head()[0], with_value(head()[1], "providers", core.G3VectorFrameObject([core.G3MapFrameObject()]))],
        "its content is not that of its kind",
    ),
    "clock is off": ([*head(), rows(100, block("b", [1], x=[1.0]))], "HKScanner has 1 warning"),
    "one field in two blocks": (
        [*head(), rows(1, block("b", [1], x=[1.0]), block("c", [1], x=[1.0]))],
        "HKScanner has 1 error",
    ),
    "cut short": ([*head(), GOOD[:-1]], "a frame that ends too early"),
    "zeros": ([*head(), bytes(100)], "zero bytes where a frame should begin, 100 bytes"),
    "checksum": ([*head(), GOOD[:-1] + b"x", GOOD], "a frame whose checksum is wrong"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_breach_of_a_rule_is_told_with_its_file(data_dir: Path, name: str) -> None:
    frames, expected = FAULTS[name]
    path = write_file(data_dir, frames)
    faults = check_file(path)
    assert any(expected in fault for fault in faults), faults
    assert all(fault.startswith(f"{path}: ") for fault in faults)
    with pytest.raises(AssertionError):
        assert_archive_is_clean(data_dir, tolerate=())


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_so3gs_scanner_has_to_tell_a_rule_of_our_own_tells_too(data_dir: Path, name: str) -> None:
    findings = FileCheck(write_file(data_dir, FAULTS[name][0])).run().findings.items
    faults = check_file(data_dir / "17000" / f"{START_S}.g3")
    assert any("HKScanner" in fault for fault in faults) <= bool(findings), faults


def test_a_fault_names_the_byte_at_which_its_frame_begins(data_dir: Path) -> None:
    path = write_file(data_dir, [*head(), GOOD, GOOD[:-1] + b"x"])
    offset = len(b"".join(head()) + GOOD)
    assert check_file(path) == [f"{path}: byte {offset}: a frame whose checksum is wrong, {len(GOOD)} bytes"]


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("type widens", Tolerance.WIDENING),
        ("rows repeated", Tolerance.EQUAL_TIMES),
        ("clock is off", Tolerance.SCANNER_WARNINGS),
    ],
)
def test_what_feeds_may_do_can_be_tolerated(data_dir: Path, name: str, tolerance: Tolerance) -> None:
    path = write_file(data_dir, FAULTS[name][0])
    assert check_file(path)
    assert check_file(path, tolerate={tolerance}) == []


@pytest.mark.parametrize("name", ["type narrows", "number turns string", "one field in two blocks"])
def test_tolerance_has_its_limits(data_dir: Path, name: str) -> None:
    assert check_file(write_file(data_dir, FAULTS[name][0]), tolerate=set(Tolerance))


def test_a_file_in_the_wrong_place_is_told(data_dir: Path) -> None:
    (path,) = write_clean_archive(data_dir)[:1]
    moved = data_dir / "17001" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    assert check_file(moved) == [f"{moved}: it belongs into folder 17000"]


@pytest.mark.parametrize("name", ["1700012345.g3.gz", "1700012345.tmp", "notes.g3", ".hidden"])
def test_a_file_that_is_no_archive_file_is_told(data_dir: Path, name: str) -> None:
    (path,) = write_clean_archive(data_dir)[:1]
    other = path.with_name(name)
    path.rename(other)
    assert f"{other}: its name is not a whole number of seconds and .g3" in check_archive(data_dir)


def test_anything_but_numbered_folders_is_told(data_dir: Path) -> None:
    write_clean_archive(data_dir)
    (data_dir / "notes.txt").touch()
    (data_dir / "lost+found").mkdir()
    assert len(check_archive(data_dir)) == 2


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "17000" / "1700012345.g3"
    assert check_file(path) == [f"{path}: it cannot be read: No such file or directory"]
