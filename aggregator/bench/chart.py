"""The results as a bar chart."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aggregator.bench.figures import Result, per
from aggregator.errors import SettingsError

_COLOURS = ("tab:blue", "tab:cyan", "tab:orange", "tab:gray", "tab:olive")
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
    """Draw the CPU time per message of every result, stacked by process, with least and most of the rounds.

    Parameters
    ----------
    results : sequence of Result
        Void ones are left out.
    path : Path
        The picture; its ending says of which kind.

    Raises
    ------
    SettingsError
        When it cannot be written, or matplotlib is missing.
    """
    pyplot = load_pyplot()
    shown = [result for result in results if not result.why_void]
    figure, axes = pyplot.subplots(figsize=(10, 1.5 + _INCHES_PER_BAR * len(shown)), layout="constrained")
    names = sorted({name for result in shown for name in result.processes})
    colours = dict(zip(names, _COLOURS * len(names), strict=False))
    for place, result in enumerate(shown):
        _draw_bar(axes, place, result, colours)
    axes.set_yticks(range(len(shown)), [f"{each.workload}, {each.stage}: {each.recorder}" for each in shown])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("CPU time per message, µs (stacked by process; logarithmic)")
    patches = [pyplot.Rectangle((0, 0), 1, 1, color=colours[name]) for name in names]
    axes.legend(patches, names, loc="best")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot write the chart to {path}: {error}") from error
    finally:
        pyplot.close(figure)


def _draw_bar(axes: Any, place: int, result: Result, colours: dict[str, str]) -> None:
    left = 0.0
    for name in result.processes:
        width = per(result.cpu_s(name), result.messages, 1e6).median
        axes.barh(place, width, left=left, color=colours[name])
        left += width
    total = per(result.cpu_s(), result.messages, 1e6)
    axes.plot([total.min, total.max], [place, place], color="black", linewidth=1)
    axes.annotate(f" {total.median:,.1f}", (total.max, place), va="center", fontsize="small")
