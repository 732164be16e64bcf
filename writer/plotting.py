"""Draws series of an archive against time."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from writer.decimation import Line, changes, decimate, gaps, lonely, with_breaks
from writer.series import BOOL, NUMBER, STRING, Series
from writer.survey_view import plural, printable, utc

WIDTH_IN, PANEL_IN, MARGIN_IN, LOWEST_IN, TALLEST_IN = 11.0, 2.1, 1.3, 4.2, 24.0
DOTS_PER_INCH = 150
BINS = 1600
"""About as many as a panel has pixels."""

MOST_IN_PANEL = 8
MOST_CATEGORIES = 12
LONGEST_CATEGORY = 28
LEGEND_LETTERS, LEGEND_MARGIN_LETTERS = 120, 6
"""As many letters as fit above a panel side by side, and what a curve's sample and the space behind it take."""


INK, FAINT, GRID = "#22262b", "#6b7480", "#e3e6ea"
COLOURS = ("#1f6fb4", "#d1552c", "#2b8a5b", "#8b5cb0", "#c2912b", "#3aa0a8", "#b5476f", "#6b7480")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A series as it is drawn.

    Parameters
    ----------
    series : Series
        What it shows.
    codes : NDArray[np.float64]
        Shape (rows,): its values, or for strings their numbers in `categories`.
    categories : tuple[str, ...]
        The strings that there are, in order of their first rows.
    breaks : NDArray[np.int64]
        Where it pauses, counts of 10 ns since 1970.
    """

    series: Series
    codes: NDArray[np.float64]
    categories: tuple[str, ...]
    breaks: NDArray[np.int64]

    @classmethod
    def of(cls, series: Series) -> Curve:
        """Prepare a series."""
        codes: NDArray[np.float64] = series.values
        categories: tuple[str, ...] = ()
        if series.kind == STRING:
            codes, categories = _numbered(series.values)
        return cls(series=series, codes=codes, categories=categories, breaks=gaps(series.times_g3))

    def points(self, begin_g3: int, end_g3: int) -> Line:
        """Return what to draw of a span: times and values, NaN where there is a gap."""
        times = self.series.times_g3
        first = max(0, int(np.searchsorted(times, begin_g3)) - 1)
        last = int(np.searchsorted(times, end_g3, side="right")) + 1
        line = times[first:last], self.codes[first:last]
        if self.series.kind != NUMBER:
            line = changes(*line)
        return with_breaks(decimate(*line, BINS), self.breaks)


def draw(figure: Figure, series: Sequence[Series]) -> None:
    """Draw series into an empty figure: those that belong together in one panel, panels below each other.

    Parameters
    ----------
    figure : Figure
        Its height is set here.
    series : Sequence[Series]
        With one row at least in all of them together.
    """
    panels = arrange(series)
    height_in = MARGIN_IN + PANEL_IN * len(panels)
    figure.set_size_inches(WIDTH_IN, min(TALLEST_IN, max(LOWEST_IN, height_in)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.06)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    common = common_address([each.name for each in series])
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, [Curve.of(each) for each in panel], common)
    _date_axis(axes[-1])
    _title(figure, series, common)


def save(series: Sequence[Series], path: Path) -> None:
    """Draw series into a file, of the kind that its name says.

    Raises
    ------
    OSError
        When it cannot be written.
    ValueError
        When matplotlib does not know this kind of file.
    """
    figure = Figure(facecolor="white")
    draw(figure, series)
    with warnings.catch_warnings():
        # Strings of a feed may be in any script of the world, and the font may not have it.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(path, dpi=DOTS_PER_INCH)


def arrange(series: Sequence[Series]) -> list[list[Series]]:
    """Put numbers of the same feed name, and of the same field name but for digits, together; others alone."""
    panels: dict[tuple[str, ...], list[list[Series]]] = {}
    for each in series:
        feed, _, field = each.name.rpartition(".")
        alike = (feed.rpartition(".")[2], re.sub(r"\d+", "", field)) if each.kind == NUMBER else (each.name,)
        group = panels.setdefault((each.kind, *alike), [[]])
        if len(group[-1]) == MOST_IN_PANEL:
            group.append([])
        group[-1].append(each)
    return [panel for group in panels.values() for panel in group]


def common_address(names: Sequence[str]) -> str:
    """Return the words with which all names begin, the last word of a name apart."""
    addresses = [name.split(".")[:-1] for name in names]
    common = []
    for words in zip(*addresses):  # noqa: B905 - as far as the shortest goes
        if len(set(words)) > 1:
            break
        common.append(words[0])
    return ".".join(common)


def _numbered(values: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    categories = {value: float(number) for number, value in enumerate(dict.fromkeys(values.tolist()))}
    return np.array([categories[value] for value in values], dtype=np.float64), tuple(categories)


def _draw_panel(axis: Axes, curves: list[Curve], common: str) -> None:
    _plain(axis)
    handles = []
    for number, curve in enumerate(curves):
        (line,) = axis.plot([], [], color=COLOURS[number % len(COLOURS)], linewidth=1.1, solid_joinstyle="round")
        (dots,) = axis.plot([], [], color=line.get_color(), linestyle="none", marker="o", markersize=2.6)
        if curve.series.kind != NUMBER:
            line.set_drawstyle("steps-post")
        _fill(curve, line, dots, -(1 << 62), 1 << 62)
        handles.append(line)
    axis.relim()
    axis.autoscale_view()
    _value_axis(axis, curves[0])
    _name_curves(axis, handles, [curve.series.name for curve in curves], common)
    _follow_zoom(axis, curves)


def _fill(curve: Curve, line: Line2D, dots: Line2D, begin_g3: int, end_g3: int) -> None:
    times, values = curve.points(begin_g3, end_g3)
    moments = _moments(times)
    line.set_data(moments, values)
    alone = lonely(values)
    dots.set_data(moments[alone], values[alone])


def _follow_zoom(axis: Axes, curves: list[Curve]) -> None:
    lines = axis.get_lines()

    def refill(changed: Axes) -> None:
        begin, end = (int(day * 86_400e8) for day in changed.get_xlim())
        for number, curve in enumerate(curves):
            _fill(curve, lines[2 * number], lines[2 * number + 1], begin, end)

    axis.callbacks.connect("xlim_changed", refill)


def _moments(times_g3: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return (times_g3 // 100).astype("datetime64[us]")


def _plain(axis: Axes) -> None:
    axis.grid(visible=True, color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(colors=FAINT, labelcolor=INK, labelsize=9, length=3)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#c5cad1")
    axis.margins(x=0.01, y=0.08)


def _value_axis(axis: Axes, curve: Curve) -> None:
    if curve.series.kind == BOOL:
        axis.set_yticks([0, 1], ["False", "True"])
        axis.set_ylim(-0.2, 1.2)
    elif curve.series.kind == STRING:
        names = [_category(name) for name in curve.categories]
        ticks = FixedLocator(list(range(len(names)))) if len(names) <= MOST_CATEGORIES else None
        axis.yaxis.set_major_locator(ticks or MaxNLocator(MOST_CATEGORIES, integer=True))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: names[int(y)] if y in range(len(names)) else ""))
        axis.set_ylim(-0.5, len(names) - 0.5)
    else:
        axis.ticklabel_format(axis="y", useOffset=False)


def _category(name: str) -> str:
    text = printable(name).replace("$", r"\$")
    return text if len(text) <= LONGEST_CATEGORY else text[: LONGEST_CATEGORY - 1] + "…"


def _name_curves(axis: Axes, handles: list[Line2D], names: list[str], common: str) -> None:
    shared = common_address(names) if len(names) > 1 else common
    labels = [_label(name.removeprefix(f"{shared}.")) for name in names]
    legend = axis.legend(
        handles,
        labels,
        title=_label(shared.removeprefix(common).removeprefix(".")) or None,
        ncols=max(1, min(len(labels), LEGEND_LETTERS // (max(map(len, labels)) + LEGEND_MARGIN_LETTERS))),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        fontsize=9,
        title_fontsize=9,
        labelcolor=INK,
        alignment="left",
        borderpad=0.1,
        borderaxespad=0.2,
        handlelength=1.4,
    )
    legend.get_title().set_color(FAINT)
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)


def _label(name: str) -> str:
    text = printable(name)
    if len(text) > LEGEND_LETTERS:
        text = f"…{text[1 - LEGEND_LETTERS :]}"
    # matplotlib leaves names out of a legend that begin with an underscore.
    return f" {text}" if text.startswith("_") else text


def _date_axis(axis: Axes) -> None:
    locator = AutoDateLocator(tz="UTC", minticks=6, maxticks=12)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]
    axis.xaxis.get_offset_text().set_color(INK)
    axis.set_xlabel("UTC", color=FAINT, fontsize=9)


def _title(figure: Figure, series: Sequence[Series], common: str) -> None:
    rows = sum(len(each.times_g3) for each in series)
    ends = [time for each in series if len(each.times_g3) for time in (each.times_g3[0], each.times_g3[-1])]
    name = series[0].name if len(series) == 1 else common or plural(len(series), "field")
    text = figure.suptitle(
        f"{printable(name)}\n{utc(int(min(ends)))} to {utc(int(max(ends)))} UTC, {plural(rows, 'sample')}",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    text.set_parse_math(False)
