from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import so3g.hk
from spt3g import core

from aggregator.records import session_id_for
from writer.block import BlockData
from writer.frames import Session, data_frame, session_frame, status_frame
from writer.g3 import frame_bytes

START_S = 1_700_000_123.25
ADDRESS = "observatory.lakeshore.feeds.temperatures"
SESSION = Session(session_id=session_id_for(int(START_S), 4242, "HK data"), start_time_s=START_S, description="HK data")
TIMES = np.array([1_700_000_000_00000000, 1_700_000_000_00000001, 1_700_000_001_12345678], dtype=np.int64)
COLUMNS: dict[str, Any] = {
    "flag": np.array([True, False, True]),
    "count": np.array([-(2**63), 0, 2**63 - 1]),
    "small": np.array([1, 2, 3]),
    "kelvin": np.array([0.1, np.nan, -np.inf]),
    "words": ["", "Größe µ 😀", "nul\x00inside"],
}
BLOCK = BlockData(name="temps", times_g3=TIMES, fields=tuple(COLUMNS), columns=tuple(COLUMNS.values()))


def stock_helper() -> Any:
    return so3g.hk.HKSessionHelper(
        session_id=SESSION.session_id, start_time=START_S, hkagg_version=2, description="HK data"
    )


def stock_samples() -> Any:
    samples = core.G3TimesampleMap()
    samples.times = core.G3VectorTime([core.G3Time(int(time)) for time in TIMES])
    samples["flag"] = core.G3VectorBool([True, False, True])
    samples["count"] = core.G3VectorInt([-(2**63), 0, 2**63 - 1])
    samples["small"] = core.G3VectorInt([1, 2, 3])
    samples["kelvin"] = core.G3VectorDouble([0.1, float("nan"), float("-inf")])
    samples["words"] = core.G3VectorString(COLUMNS["words"])
    return samples


def stock_data_frame(prov_id: int, timestamp_s: float) -> Any:
    frame = stock_helper().data_frame(prov_id=prov_id, timestamp=timestamp_s)
    frame["address"] = ADDRESS
    frame["provider_session_id"] = "1699999999.5"
    frame["blocks"].append(stock_samples())
    frame["block_names"].extend(["temps"])
    return frame


def build_data_frame(*blocks: BlockData, timestamp_s: float = START_S) -> bytes:
    return data_frame(
        SESSION,
        prov_id=7,
        address=ADDRESS,
        provider_session_id="1699999999.5",
        timestamp_s=timestamp_s,
        blocks=blocks,
    )


def plain(value: Any) -> Any:
    """Reduce a frame object to its type and contents, all the way down."""
    name = type(value).__name__
    if isinstance(value, (core.G3Frame, core.G3TimesampleMap, core.G3MapFrameObject)):
        outside = [str(value.type)] if isinstance(value, core.G3Frame) else []
        outside += [time.time for time in value.times] if isinstance(value, core.G3TimesampleMap) else []
        return name, outside, {key: plain(value[key]) for key in sorted(value.keys())}
    if isinstance(value, core.G3VectorFrameObject):
        return name, [plain(entry) for entry in value]
    if isinstance(value, (core.G3Int, core.G3String, int, float, str)):
        return name, repr(getattr(value, "value", value))
    return name, [repr(entry) for entry in value]


def read_back(directory: Path, *frames: bytes) -> list[Any]:
    path = directory / "1700000123.g3"
    path.write_bytes(b"".join(frames))
    return [plain(frame) for frame in core.G3File(str(path))]


def test_a_session_frame_equals_that_of_so3g(tmp_path: Path) -> None:
    assert read_back(tmp_path, session_frame(SESSION)) == [plain(stock_helper().session_frame())]


def test_a_status_frame_equals_that_of_so3g_whatever_the_order_of_the_providers(tmp_path: Path) -> None:
    helper = stock_helper()
    for address in (ADDRESS, "observatory.acu.feeds.stream"):
        helper.add_provider(address)
    built = status_frame(SESSION, START_S, [(1, "observatory.acu.feeds.stream"), (0, ADDRESS)])
    assert read_back(tmp_path, built) == [plain(helper.status_frame(timestamp=START_S))]


def test_a_status_frame_without_providers_equals_that_of_so3g(tmp_path: Path) -> None:
    expected = plain(stock_helper().status_frame(timestamp=START_S))
    assert read_back(tmp_path, status_frame(SESSION, START_S, [])) == [expected]


def test_a_data_frame_equals_one_made_of_plain_g3_objects(tmp_path: Path) -> None:
    assert read_back(tmp_path, build_data_frame(BLOCK)) == [plain(stock_data_frame(7, START_S))]


def test_whole_seconds_are_still_doubles(tmp_path: Path) -> None:
    session = Session(session_id=1, start_time_s=1_700_000_000)
    frames = read_back(tmp_path, session_frame(session), status_frame(session, 5, []))
    assert frames[0][2]["start_time"] == ("float", "1700000000.0")
    assert frames[1][2]["timestamp"] == ("float", "5.0")


def test_the_bytes_of_a_frame_are_those_that_the_g3_writer_writes(tmp_path: Path) -> None:
    path = tmp_path / "stock.g3"
    writer = core.G3Writer(str(path))
    frames = [stock_helper().session_frame(), stock_helper().status_frame(1.5), stock_data_frame(7, 2.5)]
    for frame in frames:
        writer(frame)
    writer(core.G3Frame(core.G3FrameType.EndProcessing))
    assert path.read_bytes() == b"".join(map(frame_bytes, frames))


def test_blocks_without_rows_are_left_out(tmp_path: Path) -> None:
    empty = BlockData(name="empty", times_g3=TIMES[:0], fields=("x",), columns=(np.array([]),))
    assert read_back(tmp_path, build_data_frame(empty, BLOCK, empty)) == [plain(stock_data_frame(7, START_S))]


def test_strided_and_read_only_columns_arrive_unchanged(tmp_path: Path) -> None:
    wide = np.arange(12.0).reshape(6, 2)
    wide.setflags(write=False)
    block = BlockData(name="b", times_g3=TIMES[::-1], fields=("x",), columns=(wide[::2, 1],))
    path = tmp_path / "strided.g3"
    path.write_bytes(build_data_frame(block))
    samples = next(iter(core.G3File(str(path))))["blocks"][0]
    assert list(samples["x"]) == [1.0, 5.0, 9.0]
    assert [time.time for time in samples.times] == list(TIMES[::-1])


def test_a_field_may_be_called_times(tmp_path: Path) -> None:
    block = BlockData(name="b", times_g3=TIMES, fields=("times",), columns=(np.array([1, 2, 3]),))
    (frame,) = read_back(tmp_path, build_data_frame(block))
    assert frame[2]["blocks"][1][0][1:] == (list(TIMES), {"times": ("G3VectorInt", ["1", "2", "3"])})


@pytest.mark.parametrize("name", ["\ud800", "half \udcff way"])
def test_names_that_are_no_utf8_do_not_stop_a_frame(tmp_path: Path, name: str) -> None:
    block = BlockData(name=name, times_g3=TIMES, fields=BLOCK.fields, columns=BLOCK.columns)
    frame = data_frame(SESSION, prov_id=1, address=ADDRESS, provider_session_id=name, timestamp_s=1.0, blocks=[block])
    (found,) = read_back(tmp_path, frame)
    assert found[2]["provider_session_id"] == ("str", repr(name.encode("utf-8", "replace").decode()))


@pytest.mark.parametrize("start_s", [0.0, 1_700_000_123.999, 2**31 + 0.5, 2**33 + 7.0])
@pytest.mark.parametrize("description", ["HK data", "Größe"])
def test_session_ids_are_those_of_so3g(start_s: float, description: str) -> None:
    expected = so3g.hk.HKSessionHelper(start_time=start_s, description=description).session_id
    assert session_id_for(int(start_s), os.getpid(), description) == expected
