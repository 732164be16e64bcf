"""The results as a bar chart."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aggregator.bench.figures import Result, per
from aggregator.errors import SettingsError

SHOWN_STAGES = ("writer", "wire", "floor")
_COLOURS = {
    "ingest": "tab:blue",
    "writer": "tab:cyan",
    "agent": "tab:orange",
    "transport": "tab:gray",
    "g3": "silver",
}
_INCHES_PER_BAR = 0.42


def load_pyplot() -> Any:
    """Return pyplot, drawing to files only.

    Raises
    ------
    SettingsError
        When matplotlib is not installed.
    """
    try:
        # It takes a second to import, and only those who want a chart need it.
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise SettingsError("--plot needs matplotlib: pip install matplotlib") from error


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw CPU time per message, one panel for each workload, stacked by process, with least and most of the rounds.

    Parameters
    ----------
    results : sequence of Result
        Void ones are left out, and those of stages that are not about cost.
    path : Path
        The picture; its ending says of which kind.

    Raises
    ------
    SettingsError
        When there is nothing to draw, it cannot be written, or matplotlib is missing.
    """
    pyplot = load_pyplot()
    panels = _panels(results)
    if not panels:
        raise SettingsError(f"there is nothing to draw in {path}: no result of stages {', '.join(SHOWN_STAGES)}")
    heights = [len(shown) + 1 for shown in panels.values()]
    size = (10, 0.6 + _INCHES_PER_BAR * sum(heights))
    figure, axes = pyplot.subplots(
        len(panels), figsize=size, layout="constrained", height_ratios=heights, squeeze=False
    )
    for panel, (workload, shown) in zip(axes.flat, panels.items(), strict=True):
        _draw_panel(panel, workload, shown)
    figure.supxlabel("CPU time per message, µs")
    bars = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS.values()]
    figure.legend(bars, _COLOURS, loc="outside upper right", ncols=len(_COLOURS))
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot write the chart to {path}: {error}") from error
    finally:
        pyplot.close(figure)


def _panels(results: Sequence[Result]) -> dict[str, list[Result]]:
    panels: dict[str, list[Result]] = {}
    for result in results:
        if result.stage in SHOWN_STAGES and not result.why_void:
            panels.setdefault(result.workload, []).append(result)
    return panels


def _draw_panel(axes: Any, workload: str, shown: Sequence[Result]) -> None:
    for place, result in enumerate(shown):
        _draw_bar(axes, place, result)
    axes.set_title(workload, loc="left", fontsize="medium", fontweight="bold")
    axes.set_yticks(range(len(shown)), [f"{each.stage}: {each.recorder}" for each in shown])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlim(left=0)


def _draw_bar(axes: Any, place: int, result: Result) -> None:
    left = 0.0
    for name in result.processes:
        width = per(result.cpu_s(name), result.messages, 1e6).median
        axes.barh(place, width, left=left, color=_COLOURS[name])
        left += width
    total = per(result.cpu_s(), result.messages, 1e6)
    axes.plot([total.min, total.max], [place, place], color="black", linewidth=1)
    axes.annotate(f" {total.median:,.1f}", (max(left, total.max), place), va="center", fontsize="small")
