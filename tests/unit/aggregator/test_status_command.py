"""`hkagg status` finds the recorder, shows it to people and to programs, and exits with its state."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator import status_command, which_buffer
from aggregator.errors import BufferDirectoryError
from aggregator.locks import INGEST_LOCK, WRITER_LOCK, ProcessLock
from aggregator.status import INGEST, WRITER, write_snapshot
from aggregator.status_view import duration, size

NOW_NS = 1_750_000_000_000_000_000


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Path]:
    """A buffer directory whose pair is alive and recording."""
    write_snapshot(
        tmp_path,
        INGEST,
        {
            "pid": 41,
            "now_ns": NOW_NS,
            "started_ns": NOW_NS - 7_500 * 10**9,
            "state": "recording",
            "connected": True,
            "counters": {"received": 1234, "dropped": {"a": 2, "b": 3}},
            "buffer": {"size_bytes": 1 << 29, "used_bytes": 1 << 26, "fill": 0.125},
            "feeds": 3,
        },
    )
    write_snapshot(
        tmp_path,
        WRITER,
        {
            "pid": 42,
            "now_ns": NOW_NS,
            "started_ns": NOW_NS,
            "state": "recording",
            "current_file": "/data/17500/1750000000.g3",
            "file_bytes": 2048,
            "file_opened_ns": NOW_NS - 5 * 10**9,
            "counters": {"archived": 1200},
            "pending_messages": 29,
            "lag_s": 0.25,
            "providers": 4,
        },
    )
    locks = [ProcessLock(tmp_path / name) for name in (INGEST_LOCK, WRITER_LOCK)]
    for lock in locks:
        lock.acquire()
    yield tmp_path
    for lock in locks:
        lock.release()


def status(*arguments: str) -> int:
    return status_command.main(arguments, clock_ns=lambda: NOW_NS)


def test_people_see_the_state_and_the_numbers(recorder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--buffer-dir", str(recorder)) == 0
    out = capsys.readouterr().out
    for shown in (
        "RECORDING",
        "/data/17500/1750000000.g3  2.0 KiB, open for 5 s",
        "12.5% of 512.0 MiB",
        "1,234 received, 1,200 archived, 29 pending",
        "0.2 s",
        "5 dropped, 0 rejected, 0 gaps",
        "recording, pid 41, up 2 h 5 min",
        "recording, pid 42, up 0 s",
    ):
        assert shown in out


def test_programs_get_one_line_of_json(recorder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--buffer-dir", str(recorder), "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["state"], content["reasons"], content["now_ns"]) == ("recording", [], NOW_NS)
    assert content["buffer_dir"] == str(recorder)
    assert content["ingest"]["alive"]
    assert content["writer"]["snapshot"]["pid"] == 42


def test_a_buffer_directory_that_nobody_uses_is_not_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--buffer-dir", str(tmp_path)) == 2
    assert "NOT RUNNING" in capsys.readouterr().out


def test_watching_goes_on_until_interrupted(
    recorder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_command, "EVERY_S", 0.001)
    times = iter([NOW_NS, NOW_NS])

    def clock_ns() -> int:
        try:
            return next(times)
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        status_command.main(["--buffer-dir", str(recorder), "--json", "--watch"], clock_ns=clock_ns)
    assert capsys.readouterr().out.count('"state": "recording", "reasons"') == 2


def found(shared_memory: Path, *arguments: str) -> Path:
    parser = argparse.ArgumentParser()
    which_buffer.add_arguments(parser)
    return which_buffer.find(parser.parse_args(arguments), shared_memory)


@pytest.fixture
def shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty stand-in for /dev/shm."""
    monkeypatch.delenv("INSTANCE_ID", raising=False)
    return tmp_path


def test_the_only_recorder_of_a_machine_needs_no_name(shared_memory: Path) -> None:
    (shared_memory / "hkagg-north").mkdir()
    assert found(shared_memory) == shared_memory / "hkagg-north"


def test_several_recorders_are_named_so_that_one_can_be_chosen(shared_memory: Path) -> None:
    for name in ("south", "north"):
        (shared_memory / f"hkagg-{name}").mkdir()
    with pytest.raises(BufferDirectoryError, match="one of north, south"):
        found(shared_memory)


def test_the_only_recorder_that_runs_is_meant_among_several(shared_memory: Path) -> None:
    for name in ("south", "north"):
        (shared_memory / f"hkagg-{name}").mkdir()
    lock = ProcessLock(shared_memory / "hkagg-south" / WRITER_LOCK)
    lock.acquire()
    assert found(shared_memory) == shared_memory / "hkagg-south"
    lock.release()


def test_no_recorder_at_all_is_said(shared_memory: Path) -> None:
    with pytest.raises(BufferDirectoryError, match="no recorder has run"):
        found(shared_memory)


def test_a_directory_that_is_not_there_is_named(shared_memory: Path) -> None:
    with pytest.raises(BufferDirectoryError, match="/nowhere"):
        found(shared_memory, "--buffer-dir", "/nowhere")


def test_the_instance_id_names_the_default_directory(shared_memory: Path) -> None:
    with pytest.raises(BufferDirectoryError, match="/hkagg-of-nobody"):
        found(shared_memory, "--instance-id", "of-nobody")


@pytest.mark.parametrize(
    ("time_s", "text"), [(-3, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (7_500, "2 h 5 min"), (90_000, "1 d 1 h")]
)
def test_durations_are_read_in_their_two_largest_units(time_s: float, text: str) -> None:
    assert duration(time_s) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")])
def test_sizes_are_read_in_binary_units(amount: int, text: str) -> None:
    assert size(amount) == text
