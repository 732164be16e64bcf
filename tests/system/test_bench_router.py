"""The benchmark's ladder of rates, through a real Crossbar.io."""

from __future__ import annotations

import time
from pathlib import Path

from aggregator.bench.plan import ROUTER, Bench, Plan
from aggregator.bench.workloads import workload_named


def test_publishers_router_and_recorder_are_measured_together(tmp_path: Path) -> None:
    workload = workload_named("3x4x5")
    plan = Plan(workloads=(workload,), stages=(ROUTER,), messages=300, work_dir=tmp_path)
    (result,) = Bench(plan, clock_ns=time.time_ns, say=lambda _: None).results()
    assert result.why_void is None
    assert result.messages == 300
    remarks = result.rounds[0].remarks
    assert set(remarks["steps"][0]["busy"]) == {"ingest", "writer", "publisher", "router"}
    assert remarks["limit_messages_per_s"] > 0
