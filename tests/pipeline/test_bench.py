"""Tiny runs of each stage of the benchmark, with real processes and real archives, but without a router."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from aggregator.bench import command
from aggregator.bench.figures import FLOOR, HKAGG, STOCK, Result
from aggregator.bench.plan import FLOORS, STALL, WIRE, WRITER, Bench, Plan
from aggregator.bench.processes import run_module
from aggregator.bench.workloads import workload_named
from aggregator.errors import BenchError


def run(tmp_path: Path, *stages: str, workload: str = "3x4x5", messages: int = 12, peer: bool = False) -> list[Result]:
    plan = Plan(
        workloads=(workload_named(workload),),
        stages=stages,
        with_peer=peer,
        rounds=1,
        messages=messages,
        stall_s=1.0,
        work_dir=tmp_path,
    )
    return list(Bench(plan, clock_ns=time.time_ns, say=lambda _: None).results())


def test_the_writer_is_measured_and_its_archive_read_back(tmp_path: Path) -> None:
    (result,) = run(tmp_path, WRITER)
    assert result.why_void is None
    assert (result.recorder, result.processes) == (HKAGG, ("writer",))
    assert result.rounds[0].check is not None
    assert result.rounds[0].check.rows == 60
    assert result.rounds[0].archive_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_value_comes_back_from_the_writer(tmp_path: Path) -> None:
    (result,) = run(tmp_path, WRITER, workload="mixed", messages=236)
    assert result.why_void is None


def test_recorder_and_stock_agent_take_the_same_messages_off_the_wire(tmp_path: Path) -> None:
    ours, stock = run(tmp_path, WIRE, peer=True)
    assert (ours.recorder, ours.processes) == (HKAGG, ("ingest", "writer"))
    assert (stock.recorder, stock.processes) == (STOCK, ("agent",))
    assert ours.why_void is stock.why_void is None
    assert ours.peak_bytes() > 0


def test_the_floor_has_both_its_parts_and_nothing_to_read_back(tmp_path: Path) -> None:
    (result,) = run(tmp_path, FLOORS)
    assert (result.recorder, result.processes) == (FLOOR, ("transport", "g3"))
    assert result.rounds[0].check is None
    assert result.why_void is None


def test_nothing_is_lost_while_the_writer_stands_still(tmp_path: Path) -> None:
    (result,) = run(tmp_path, STALL, messages=200)
    assert result.why_void is None
    lag = result.rounds[0].remarks["lag"]
    assert lag["pings"] == sum(lag["histogram"].values()) > 0


def test_the_command_writes_json_and_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["2x3x4", "--stage", "writer", "--rounds", "2", "--messages", "6", "--work-dir", str(tmp_path)]
    assert command.main([*arguments, "--json", str(tmp_path / "b.json")], clock_ns=time.time_ns) == 0
    (result,) = json.loads((tmp_path / "b.json").read_text())["results"]
    assert (result["workload"], result["rounds"], result["void"], result["lost_rows"]) == ("2x3x4", 2, None, 0)
    said = capsys.readouterr()
    assert "all there, once" in said.out
    assert "round 2 of 2" in said.err


def test_a_part_that_fails_is_quoted() -> None:
    with pytest.raises(BenchError, match=r"writer\.bench\.drain failed"):
        run_module("writer.bench.drain", "/nonexistent/tape", "/nonexistent/buffer", "/nonexistent/data")


def test_results_before_a_failure_are_not_lost(tmp_path: Path) -> None:
    # A message of the second shape is larger than any segment.
    arguments = ["1x1x1", "1x200x9500", "--stage", "writer", "--rounds", "1", "--messages", "1"]
    out = tmp_path / "b.json"
    with pytest.raises(BenchError):
        command.main([*arguments, "--work-dir", str(tmp_path), "--json", str(out)], clock_ns=time.time_ns)
    assert [result["workload"] for result in json.loads(out.read_text())["results"]] == ["1x1x1"]
