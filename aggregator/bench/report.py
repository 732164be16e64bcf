"""The results as JSON for scripts; docs/reference/bench.md documents its keys."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aggregator import __version__
from aggregator.bench.figures import FLOOR, HKAGG, STOCK, Result, per

FORMAT = 1
_MEGA = 1e6

_FLOOR_OF = {"ingest": "transport", "writer": "g3"}
"""Which part of the floor each of our processes stands on."""


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return everything that was measured, ready for JSON."""
    return {
        "format": FORMAT,
        "version": __version__,
        "machine": machine(),
        "results": [result_to_json(result, results) for result in results],
    }


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    return {
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def result_to_json(result: Result, results: Sequence[Result]) -> dict[str, Any]:
    """Return one result with its ratios to the others of its workload."""
    last = result.rounds[-1]
    checks = [each.check for each in result.rounds if each.check]
    return {
        "workload": result.workload,
        "stage": result.stage,
        "recorder": result.recorder,
        "void": result.why_void,
        "rounds": len(result.rounds),
        "messages": result.messages,
        "values": result.values,
        "payload_bytes": result.payload_bytes,
        "archive_bytes": last.archive_bytes,
        "messages_per_s": result.per_second(result.messages).to_json(),
        "values_per_s": result.per_second(result.values).to_json(),
        "megabytes_per_s": result.per_second(result.payload_bytes / _MEGA).to_json(),
        "cpu": _cost(result, None),
        "processes": {name: _cost(result, name) for name in result.processes},
        "lost_rows": sum(check.lost for check in checks),
        "doubled_rows": sum(check.doubled for check in checks),
        "wrong_rows": sum(check.invented + check.changed for check in checks),
        "ratios": ratios(result, results),
        "remarks": dict(last.remarks),
    }


def ratios(result: Result, results: Sequence[Result]) -> dict[str, float | None]:
    """Return what the CPU time of one of our results is in proportion to.

    Parameters
    ----------
    result : Result
        Ours, or else there are no ratios.
    results : sequence of Result
        All of the run.

    Returns
    -------
    dict
        `peer_over_ours`, by how much the stock agent uses more; `peak_peer_over_ours`, the same of memory;
        `over_floor` of all our processes, `ingest_over_floor` and `writer_over_floor`. None where there is nothing to
        compare with or one of the two is void.
    """
    if result.recorder != HKAGG or result.why_void:
        return {}
    peer = _other(results, result, STOCK)
    floor = _other(results, result, FLOOR)
    ours_s = result.cpu_s().median
    floors = {name: floor.cpu_s(part).median if floor else None for name, part in _FLOOR_OF.items()}
    named = {f"{name}_over_floor": _ratio(result.cpu_s(name).median, floors[name]) for name in result.processes}
    below = [floors[name] for name in result.processes]
    return {
        "peer_over_ours": _ratio(peer.cpu_s().median if peer else None, ours_s),
        "peak_peer_over_ours": _ratio(peer.peak_bytes() if peer else None, result.peak_bytes()),
        "over_floor": _ratio(ours_s, sum(each or 0.0 for each in below) if all(below) else None),
        **named,
    }


def _other(results: Sequence[Result], result: Result, recorder: str) -> Result | None:
    """Find the peer at the same stage, or the floor, of the same workload; nothing that is void."""
    for each in results:
        fits = each.workload == result.workload and each.recorder == recorder and not each.why_void
        if fits and (recorder == FLOOR or each.stage == result.stage):
            return each
    return None


def _ratio(upper: float | None, lower: float | None) -> float | None:
    return upper / lower if upper and lower else None


def _cost(result: Result, process: str | None) -> dict[str, Any]:
    used = result.cpu_s(process)
    return {
        "cpu_us_per_message": per(used, result.messages, 1e6).to_json(),
        "cpu_ns_per_value": per(used, result.values, 1e9).to_json(),
        "peak_bytes": result.peak_bytes(process),
    }


def _cpu_model(path: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found: Mapping[str, str] = {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return found.get("model name", "")
