"""The results as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from aggregator.bench.figures import Result
from aggregator.bench.report import result_to_json

PIPED_WIDTH = 170
_HEADINGS = ("messages/s", "M values/s", "MB/s", "µs/message", "ns/value", "peak MB", "peer/ours", "ours/floor")
_MEGA = 1e6


def show(results: Sequence[Result], console: Console) -> None:
    """Print all results and what some stages have to tell beside them."""
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    table = Table(title="Medians (least-most); CPU time of all processes of a recorder", title_justify="left")
    for name in ("workload", "stage", "recorder"):
        table.add_column(name)
    for name in _HEADINGS:
        table.add_column(name, justify="right")
    table.add_column("archive read back")
    contents = [result_to_json(result, results) for result in results]
    for content in contents:
        _add(table, content)
    console.print(table)
    for content in contents:
        for line in _remarks(content):
            console.print(line, markup=False, highlight=False)


def _add(table: Table, content: Mapping[str, Any]) -> None:
    void, ratios = content["void"], content["ratios"]
    table.add_row(
        content["workload"],
        content["stage"],
        content["recorder"],
        _spread(content["messages_per_s"], 1, ",.0f"),
        format(content["values_per_s"]["median"] / _MEGA, ",.2f"),
        format(content["megabytes_per_s"]["median"], ",.1f"),
        *_cost(content["cpu"]),
        _times(ratios.get("peer_over_ours")),
        _times(ratios.get("over_floor")),
        f"VOID: {void}" if void else "all there, once" if content["recorder"] != "floor" else "",
        style="red" if void else None,
    )
    for name, cost in content["processes"].items():
        if len(content["processes"]) > 1:
            over = _times(ratios.get(f"{name}_over_floor"))
            table.add_row("", "", f"  {name}", "", "", "", *_cost(cost, part=True), "", over, "", style="dim")


def _cost(cost: Mapping[str, Any], *, part: bool = False) -> tuple[str, str, str]:
    per_message, form = cost["cpu_us_per_message"], ",.1f"
    return (
        format(per_message["median"], form) if part else _spread(per_message, 1, form),
        format(cost["cpu_ns_per_value"]["median"], form),
        f"{cost['peak_bytes'] / _MEGA:,.0f}" if cost["peak_bytes"] else "",
    )


def _spread(spread: Mapping[str, float], scale: float, form: str) -> str:
    median, least, most = (format(spread[name] / scale, form) for name in ("median", "min", "max"))
    return median if least == most else f"{median} ({least}-{most})"


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f}" if ratio else ""


def _remarks(content: Mapping[str, Any]) -> list[str]:
    remarks, name = content["remarks"], f"{content['workload']}, {content['stage']}"
    if "lag" in remarks:
        lag = remarks["lag"]
        classes = ", ".join(f"{count:,} {edge}" for edge, count in lag["histogram"].items() if count)
        stalled = f"with the writer stopped for {remarks['stalled_s']:g} s, ingest answered {lag['pings']:,} pings"
        return [f"{name}: {stalled}: {classes}; at most {lag['max_ms']:.1f} ms"]
    if "steps" in remarks:
        rate, part = f"{remarks['limit_messages_per_s']:,.0f} messages/s", remarks["saturated"]
        found = f"the {part} is saturated at {rate}" if part else f"nothing is saturated at {rate}"
        return [f"{name}: {found}", *map(_step, remarks["steps"])]
    return []


def _step(step: Mapping[str, Any]) -> str:
    busy = ", ".join(f"{name} {share:.0%}" for name, share in step["busy"].items())
    return f"  asked {step['rate']:,.0f}/s, achieved {step['achieved']:,.0f}/s; of a core: {busy}"
