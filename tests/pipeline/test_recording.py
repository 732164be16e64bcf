"""Messages go into a real log; a real writer process makes an archive of them; so3g reads it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aggregator.layout import segment_name
from aggregator.segment import list_segments
from tests.support.archive_check import assert_archive_is_clean
from tests.support.reading import HKTree, data_frames, frames, load, times_of
from tests.support.recording import T0, Recording, block, end, feed, wait_for_sequence, writer_process
from tests.support.wait import wait_until

SECOND = 1_000_000_000


def as_g3(seconds: list[float]) -> list[int]:
    return [int(t * 1e8) for t in seconds]


def test_every_value_time_type_and_name_reaches_so3g(tmp_path: Path) -> None:
    recording = Recording(tmp_path, now_ns=time.time_ns())
    recording.start()
    values: dict[str, list[Any]] = {"ohm": [], "count": [], "on": [], "state": []}
    times: list[float] = []
    with writer_process(recording.buffer) as writer:
        for i in range(200):
            row: dict[str, Any] = {"ohm": 0.1 * i, "count": i * 10**15, "on": i % 3 == 0, "state": f"Zustand ä {i}"}
            for name, value in row.items():
                values[name].append(value)
            times.append(recording.now_s + 0.123456789)
            recording.message(block("temps", times[-1:], **{k: [v] for k, v in row.items()}), feed())
            recording.advance(0.1)
        recording.stop()
        recording.ring()
        wait_for_sequence(recording, recording.appender.position.sequence)
        assert end(writer) == 0
    got = load(recording.data)
    address = "observatory.lab.feeds.temperatures."
    assert {name.removeprefix(address) for name in got} == set(values)
    for name, expected in values.items():
        loaded_times, loaded = got[address + name]
        assert loaded.tolist() == expected
        np.testing.assert_allclose(loaded_times, times, rtol=0, atol=1e-6)
    assert [got[address + name][1].dtype.kind for name in values] == ["f", "i", "b", "U"]
    assert times_of(recording.data, address.rstrip("."), "temps") == as_g3(times)
    assert_archive_is_clean(recording.data)


def test_hktree_finds_the_fields_by_agent_and_feed(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    for _ in range(5):
        recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed())
        recording.advance(1)
    recording.stop()
    recording.drain(recording.service())
    tree = HKTree(T0 / SECOND - 10, recording.now_s + 10, data_dir=str(recording.data))
    tree.lab.temperatures.ohm._load()
    assert tree.lab.temperatures.ohm._val.tolist() == [1.5] * 5


def test_a_writer_started_before_there_is_a_log_records_it_all(tmp_path: Path) -> None:
    buffer = tmp_path / "buffer"
    buffer.mkdir(mode=0o700)
    with writer_process(buffer) as writer:
        recording = Recording(tmp_path, now_ns=time.time_ns())
        recording.start()
        recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed())
        recording.stop()
        wait_for_sequence(recording, 3)
        assert end(writer) == 0
    assert load(recording.data)["observatory.lab.feeds.temperatures.ohm"][1].tolist() == [1.5]


def test_a_file_ends_in_the_middle_of_a_frame_and_the_next_holds_the_rest(tmp_path: Path) -> None:
    recording = Recording(tmp_path, time_per_file_s=10.0)
    recording.start()
    service = recording.service()
    times = []
    for _ in range(100):
        times.append(recording.now_s)
        recording.message(block("temps", times[-1:], ohm=[recording.now_s]), feed(frame_length=7))
        recording.advance(0.5)
        recording.drain(service)
    recording.stop()
    recording.drain(service)
    assert len(recording.files()) >= 4
    assert times_of(recording.data, feed()["address"], "temps") == as_g3(times)
    for path in recording.files():
        kinds = [frame["hkagg_type"] for frame in frames(path)]
        assert kinds[:2] == [0, 1]
    assert_archive_is_clean(recording.data)


def test_two_sessions_within_one_second_make_two_files(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    for _ in range(2):
        recording.start()
        recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed())
        recording.stop()
        recording.advance(0.25)
        recording.drain(recording.service())
    stems = [int(path.stem) for path in recording.files()]
    assert stems == [T0 // SECOND, T0 // SECOND + 1]
    assert len(times_of(recording.data, feed()["address"], "temps")) == 2
    assert_archive_is_clean(recording.data)


def test_a_file_ends_where_its_folder_ends(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.now_ns = 1_700_099_990 * SECOND
    recording.start()
    service = recording.service()
    for _ in range(20):
        recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed(frame_length=3))
        recording.advance(1)
        recording.drain(service)
    recording.stop()
    recording.drain(service)
    assert {path.parent.name for path in recording.files()} == {"17000", "17001"}
    assert_archive_is_clean(recording.data)


def test_a_stale_provider_is_removed_and_returns_as_another(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    quiet, steady = feed(agent="quiet", fresh_time=5, frame_length=100), feed(agent="steady")
    for i in range(40):
        if i < 5 or i > 30:
            recording.message(block("temps", [recording.now_s], ohm=[float(i)]), quiet)
        recording.message(block("temps", [recording.now_s], ohm=[float(i)]), steady)
        recording.advance(1)
        recording.drain(service)
    recording.stop()
    recording.drain(service)
    statuses = [frame for frame in frames(recording.files()[0]) if frame["hkagg_type"] == 1]
    named = [[p["description"].value.split(".")[1] for p in frame["providers"]] for frame in statuses]
    assert named == [[], ["quiet", "steady"], ["steady"], ["steady", "quiet"]]
    ids = {frame["prov_id"] for frame in data_frames(recording.data) if "quiet" in frame["address"]}
    assert len(ids) == 2
    assert load(recording.data)["observatory.quiet.feeds.temperatures.ohm"][1].tolist() == [
        *map(float, [0, 1, 2, 3, 4, *range(31, 40)])
    ]
    assert_archive_is_clean(recording.data)


def test_a_restarted_agent_is_another_provider_at_once(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    for session in ("1.0", "2.0"):
        recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed(session=session))
        recording.advance(1)
    recording.stop()
    recording.drain(recording.service())
    assert [(f["prov_id"], f["provider_session_id"]) for f in data_frames(recording.data)] == [(0, "1.0"), (1, "2.0")]
    assert_archive_is_clean(recording.data)


def test_a_block_that_changes_its_fields_goes_on_beside_itself(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    for i in range(12):
        fields = {"a": [float(i)]} if i % 2 else {"a": [float(i)], "b": [i]}
        recording.message(block("temps", [recording.now_s], **fields), feed())
        recording.advance(1)
    recording.stop()
    recording.drain(recording.service())
    got = load(recording.data)
    assert sorted(got["observatory.lab.feeds.temperatures.a"][1].tolist()) == [float(i) for i in range(12)]
    assert got["observatory.lab.feeds.temperatures.b"][1].tolist() == [0, 2, 4, 6, 8, 10]
    assert len({frame["prov_id"] for frame in data_frames(recording.data)}) == 2
    assert_archive_is_clean(recording.data)


def test_a_field_name_in_two_blocks_of_a_feed_makes_no_reader_complain(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    for _ in range(3):
        both = block("one", [recording.now_s], ohm=[1.0]) | block("two", [recording.now_s + 0.5], ohm=[2.0])
        recording.message(both, feed())
        recording.advance(1)
    recording.stop()
    recording.drain(recording.service())
    values = load(recording.data)["observatory.lab.feeds.temperatures.ohm"][1].tolist()
    assert sorted(values) == [1.0] * 3 + [2.0] * 3
    assert_archive_is_clean(recording.data)


def test_a_session_without_messages_leaves_a_file_that_readers_accept(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    recording.advance(1)
    recording.stop()
    recording.drain(recording.service())
    (path,) = recording.files()
    assert [frame["hkagg_type"] for frame in frames(path)] == [0, 1]
    assert_archive_is_clean(recording.data)


def test_a_type_widens_within_a_frame_and_stays_wide(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    for value in (True, 2, 2.5, 3, False):
        recording.message(block("temps", [recording.now_s], x=[value]), feed(frame_length=2))
        recording.advance(1)
        recording.drain(service)
    recording.stop()
    recording.drain(service)
    kinds = [type(frame["blocks"][0]["x"]).__name__ for frame in data_frames(recording.data)]
    assert kinds[-1] == "G3VectorDouble"
    assert kinds == sorted(kinds, key=["G3VectorBool", "G3VectorInt", "G3VectorDouble"].index)


def test_an_ingest_killed_without_a_stop_closes_its_session_at_the_next_start(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    recording.message(block("temps", [recording.now_s], ohm=[1.0]), feed())
    recording.advance(2)
    recording.restart_ingest()
    recording.start()
    recording.message(block("temps", [recording.now_s], ohm=[2.0]), feed())
    recording.advance(1)
    recording.stop()
    recording.drain(recording.service())
    assert len(recording.files()) == 2
    assert load(recording.data)["observatory.lab.feeds.temperatures.ohm"][1].tolist() == [1.0, 2.0]
    assert len({frame["session_id"] for path in recording.files() for frame in frames(path)}) == 2
    assert_archive_is_clean(recording.data)


@pytest.mark.parametrize(
    "crash_at",
    ["writer.lot-taken#2", "writer.frames-appended#2", "writer.file-started", "writer.checkpoint-begun#3"],
)
def test_a_killed_writer_is_resumed_without_losing_or_doubling_a_row(tmp_path: Path, crash_at: str) -> None:
    recording = Recording(tmp_path)
    recording.start()
    times = []
    with writer_process(recording.buffer, HKAGG_CRASH_AT=crash_at) as writer:
        while writer.poll() is None:
            times.append(recording.now_s)
            last = recording.message(block("temps", times[-1:], ohm=[1.5]), feed(frame_length=0.1))
            recording.advance(0.05)
            if len(times) % 20 == 0:
                wait_until_taken_or_dead(recording, writer, last)
        assert writer.returncode == -signal.SIGKILL
    with writer_process(recording.buffer) as writer:
        times.append(recording.now_s)
        recording.message(block("temps", times[-1:], ohm=[1.5]), feed(frame_length=0.1))
        recording.stop()
        wait_for_sequence(recording, recording.appender.position.sequence)
        assert end(writer) == 0
    assert times_of(recording.data, feed()["address"], "temps") == as_g3(times)
    assert_archive_is_clean(recording.data)


def wait_until_taken_or_dead(recording: Recording, writer: Any, sequence: int) -> None:
    wait_until(lambda: writer.poll() is not None or recording.writer_status().get("sequence", 0) >= sequence)


def test_a_writer_that_is_restarted_goes_on_in_the_same_session_and_file(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    times = []
    for _ in range(3):
        service = recording.service()
        for _ in range(5):
            times.append(recording.now_s)
            recording.message(block("temps", times[-1:], ohm=[1.5]), feed(frame_length=2))
            recording.advance(1)
            recording.drain(service)
        service.leave()
    service = recording.service()
    recording.stop()
    recording.drain(service)
    assert len(recording.files()) == 1
    assert times_of(recording.data, feed()["address"], "temps") == as_g3(times)
    assert {frame["prov_id"] for frame in data_frames(recording.data)} == {0}
    assert_archive_is_clean(recording.data)


def test_segments_go_when_their_rows_are_in_the_archive(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    for _ in range(200):
        recording.message(block("temps", [recording.now_s] * 100, ohm=[1.5] * 100), feed(frame_length=2))
        recording.advance(1)
        recording.drain(service)
    assert len(list_segments(recording.buffer)) < 10
    assert not (recording.buffer / segment_name(1)).exists()


def test_a_clock_set_back_leaves_an_archive_without_complaint(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    sent = []
    for step in (0, -3600, 3600 * 2):
        recording.advance(step)
        for _ in range(5):
            sent.append(recording.now_s)
            recording.message(block("temps", sent[-1:], ohm=[1.5]), feed(frame_length=2))
            recording.advance(1)
            recording.drain(service)
    recording.stop()
    recording.drain(service)
    assert sorted(times_of(recording.data, feed()["address"], "temps")) == sorted(as_g3(sent))
    assert_archive_is_clean(recording.data)


def test_what_cannot_be_archived_goes_to_quarantine_and_harms_no_neighbour(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    recording.raw(b"\xc1 not msgpack")
    recording.raw(b"whatever", flags=1)
    recording.message({"temps": "not a block"}, feed())
    recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed())
    recording.message(block("temps", [float("nan")], ohm=[1.5]), feed())
    recording.message(block("temps", [recording.now_s + 1], ohm=["hot"]), feed())
    recording.message({}, feed())
    recording.stop()
    recording.drain(service)
    counters = service.counters
    assert (counters.total("read"), counters.total("archived"), counters.total("quarantined")) == (7, 3, 4)
    assert counters.total("misfits") == 3
    assert service.pending_messages == 0
    values = load(recording.data)["observatory.lab.feeds.temperatures.ohm"][1]
    assert values[0] == 1.5
    assert np.isnan(values[1])
    assert len(values) == 2
    assert_archive_is_clean(recording.data)


def test_a_second_writer_on_the_same_buffer_is_refused_with_one_line(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    with writer_process(recording.buffer) as first:
        wait_for_sequence(recording, 1)
        with writer_process(recording.buffer) as second:
            assert second.wait(timeout=20) == 1
            assert second.stderr is not None
            message = second.stderr.read().decode()
        assert f"pid {first.pid}" in message
        assert message.count("\n") == 1
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with writer_process(recording.buffer) as third:
        recording.stop()
        wait_for_sequence(recording, 2)
        assert end(third) == 0
