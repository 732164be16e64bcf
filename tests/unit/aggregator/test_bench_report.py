"""Figures, JSON, table, chart and command line of the benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from aggregator.bench import command, table
from aggregator.bench.figures import FLOOR, HKAGG, STOCK, Check, Result, Round
from aggregator.bench.plan import FLOORS, STAGES, WIRE, WRITER, Plan
from aggregator.bench.report import to_json
from aggregator.bench.router_stage import ladder, messages_needed, verdict
from aggregator.bench.stall_stage import lag_summary
from aggregator.bench.workloads import WORKLOADS
from aggregator.errors import SettingsError

ALL_THERE = Check(rows=1000, lost=0, doubled=0, invented=0, changed=0)
LOSSY = Check(rows=1000, lost=3, doubled=1, invented=0, changed=0)


def result(recorder: str, *cpu: float, stage: str = WIRE, check: Check | None = ALL_THERE, **parts: float) -> Result:
    rounds = tuple(
        Round(
            wall_s=2.0,
            cpu_s={name: seconds * share for name, share in (parts or {"agent": 1.0}).items()},
            peak_bytes=dict.fromkeys(parts or {"agent": 1}, 1000000),
            archive_bytes=9,
            check=check,
        )
        for seconds in cpu
    )
    return Result(
        workload="hk",
        stage=stage,
        recorder=recorder,
        messages=1000,
        values=20_000,
        payload_bytes=600_000,
        rounds=rounds,
    )


OURS = result(HKAGG, 0.3, 0.2, 0.7, ingest=0.5, writer=0.5)
PEER = result(STOCK, 3.0, 2.0, 2.5)
GROUND = result(FLOOR, 0.1, stage=FLOORS, check=None, transport=1.0, g3=0.5)


def test_figures_are_medians_with_least_and_most() -> None:
    content = to_json([OURS])["results"][0]
    assert content["cpu"]["cpu_us_per_message"] == pytest.approx({"median": 300, "min": 200, "max": 700})
    assert content["processes"]["ingest"]["cpu_ns_per_value"]["median"] == pytest.approx(7500)
    assert content["messages_per_s"]["median"] == 500
    assert content["cpu"]["peak_bytes"] == 2_000_000


def test_ratios_are_to_the_peer_and_to_the_floor_of_the_same_workload() -> None:
    ratios = to_json([OURS, PEER, GROUND])["results"][0]["ratios"]
    assert ratios["peer_over_ours"] == pytest.approx(2.5 / 0.3)
    assert ratios["over_floor"] == pytest.approx(0.3 / 0.15)
    assert ratios["ingest_over_floor"] == pytest.approx(1.5)
    assert ratios["writer_over_floor"] == pytest.approx(3.0)
    assert ratios["peak_peer_over_ours"] == 0.5


def test_the_writer_stage_is_compared_with_the_g3_library_alone() -> None:
    alone = result(HKAGG, 0.1, stage=WRITER, writer=1.0)
    ratios = to_json([alone, GROUND, PEER])["results"][0]["ratios"]
    assert ratios["over_floor"] == ratios["writer_over_floor"] == pytest.approx(2.0)
    assert ratios["peer_over_ours"] is None


def test_a_lossy_run_is_void_and_has_no_ratios() -> None:
    lossy = result(HKAGG, 0.1, check=LOSSY, ingest=1.0)
    content = to_json([lossy, PEER])["results"][0]
    assert content["void"] == "3 rows lost, 1 rows doubled"
    assert (content["lost_rows"], content["doubled_rows"], content["ratios"]) == (3, 1, {})


def test_a_run_is_not_compared_with_a_lossy_peer() -> None:
    assert to_json([OURS, result(STOCK, 9.0, check=LOSSY)])["results"][0]["ratios"]["peer_over_ours"] is None


def test_a_run_whose_archive_was_not_read_back_is_void() -> None:
    assert result(HKAGG, 0.1, check=None).why_void == "the archive was not read back"
    assert result(FLOOR, 0.1, check=None).why_void is None


def test_the_json_has_the_documented_keys() -> None:
    content = json.loads(json.dumps(to_json([OURS, PEER, GROUND])))
    assert set(content) == {"format", "version", "machine", "results"}
    assert set(content["machine"]) == {"cpu", "cpus", "memory_bytes", "system", "python"}
    page = (Path(__file__).parents[3] / "docs/reference/bench.md").read_text()
    for each in content["results"]:
        for key in (*each, *each["ratios"], *each["cpu"]):
            assert f"`{key}`" in page, key


def test_the_table_says_what_is_void() -> None:
    out = StringIO()
    table.show([OURS, PEER, result(HKAGG, 0.1, check=LOSSY)], Console(file=out))
    said = out.getvalue()
    assert "VOID: 3 rows lost" in said
    assert "all there, once" in said
    assert "8.33" in said


def test_lags_are_sorted_into_classes() -> None:
    summary = lag_summary([0.0005, 0.001, 0.0015, 0.3, 2.5])
    counted = {name: count for name, count in summary["histogram"].items() if count}
    assert counted == {"up to 1 ms": 2, "up to 2 ms": 1, "up to 1000 ms": 1, "over 1000 ms": 1}
    assert (summary["median_ms"], summary["max_ms"]) == (1.5, 2500)


def test_rates_double_and_large_messages_begin_lower() -> None:
    assert ladder(100)[1] == 2 * ladder(100)[0]
    assert ladder(100_000)[0] < ladder(100)[0]
    assert messages_needed(10_000_000) * 10_000_000 <= 1 << 27


def test_the_busiest_process_of_a_step_that_fails_is_what_is_saturated() -> None:
    steps = [
        {"rate": 100, "achieved": 100, "busy": {"router": 0.5, "ingest": 0.1}},
        {"rate": 200, "achieved": 150, "busy": {"router": 0.98, "ingest": 0.2}},
    ]
    assert verdict(steps) == {"limit_messages_per_s": 150, "saturated": "router"}
    assert verdict(steps[:1])["saturated"] is None


def test_a_chart_is_drawn_of_what_is_not_void(tmp_path: Path) -> None:
    path = tmp_path / "bench.png"
    # Matplotlib and what it imports warn at will, which must not decide about our tests.
    program = (
        "import sys; from pathlib import Path\n"
        "from aggregator.bench.chart import draw\n"
        "from tests.unit.aggregator.test_bench_report import OURS, PEER, GROUND\n"
        "draw([OURS, PEER, GROUND], Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, cwd=Path(__file__).parents[3])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_arguments_all_workloads_go_through_the_usual_stages() -> None:
    chosen = command.make_plan(command.make_parser().parse_args([]))
    assert chosen.workloads == tuple(WORKLOADS.values())
    assert chosen.turns() == [(WRITER, HKAGG), (WIRE, HKAGG), (FLOORS, FLOOR)]


def test_a_peer_takes_turns_at_the_wire_only() -> None:
    plan = Plan(workloads=(), stages=STAGES, with_peer=True)
    assert [stage for stage, recorder in plan.turns() if recorder == STOCK] == [WIRE]


@pytest.mark.parametrize("arguments", [["nosuch"], ["hk", "--work-dir", "/nonexistent/place"]])
def test_what_cannot_be_run_is_refused_before_anything_is(arguments: list[str]) -> None:
    with pytest.raises(SettingsError):
        command.make_plan(command.make_parser().parse_args(arguments))
