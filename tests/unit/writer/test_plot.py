from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aggregator.errors import (
    AmbiguousFieldError,
    NoDisplayError,
    NoSuchFieldError,
    NothingToPlotError,
    SettingsError,
    UnreadableArchiveError,
)
from tests.support.archives import ADDRESS, START_S, block, head, rows, write_clean_archive, write_file
from tests.support.stock import write_stock_archive
from writer.catalogue import Catalogue
from writer.field_match import match_fields
from writer.plot_command import main
from writer.plotting import BINS, arrange, draw
from writer.series import Series, read_series
from writer.time_span import unix_s

ACU = "observatory.acu.feeds.stream"
KELVIN = f"{ADDRESS}.kelvin"
PNG = b"\x89PNG"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "hk"


def series_of(data_dir: Path, *fields: str, **span: Any) -> list[Series]:
    catalogue = Catalogue()
    for path in sorted(data_dir.rglob("*.g3")):
        catalogue.add(path, lambda _: None)
    return read_series(catalogue.frames_of(fields), fields, **span)


def drawn(*series: Series) -> Any:
    figure = Figure()
    draw(figure, series)
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return figure


def number(name: str, times_s: Any, values: Any = None, kind: str = "number") -> Series:
    times = (START_S * 10**8 + np.asarray(times_s, dtype=np.float64) * 1e8).astype(np.int64)
    values = np.asarray(np.arange(len(times)) if values is None else values)
    dtype = object if kind == "string" else np.float64
    return Series(name=name, times_g3=times, values=values.astype(dtype), kind=kind)


def test_a_field_is_read_across_files_and_providers(data_dir: Path) -> None:
    write_clean_archive(data_dir)
    (kelvin,) = series_of(data_dir, KELVIN)
    assert kelvin.values.tolist() == [4.0, 4.1, 4.2, 4.3, 5.0, 5.1, 5.2]
    assert ((kelvin.times_g3 - START_S * 10**8) / 1e8).tolist() == [0.5, 1.5, 2.5, 10.5, 100.5, 101.5, 102.5]


def test_kinds_are_told_apart_and_mixed_ones_are_text(data_dir: Path) -> None:
    write_clean_archive(data_dir)
    late = rows(200, block("az", [200], az=["stowed"], moving=[1]), prov_id=0, address=ACU)
    write_file(data_dir, [*head((0, ACU)), late], ctime_s=START_S + 200)
    az, moving, state = series_of(data_dir, f"{ACU}.az", f"{ACU}.moving", f"{ADDRESS}.state")
    assert (az.kind, az.values.tolist()) == ("string", ["1", "2", "3", "stowed"])
    assert (moving.kind, moving.values.tolist()) == ("number", [1, 0, 1, 1])
    assert (state.kind, state.values.tolist()) == ("string", ["on", "on", "off", "µ", "on"])


def test_rows_out_of_order_are_put_in_order(data_dir: Path) -> None:
    write_file(data_dir, [*head(), *(rows(at, block("b", [at], x=[at])) for at in (5, 3, 4))])
    assert series_of(data_dir, f"{ADDRESS}.x")[0].values.tolist() == [3, 4, 5]


def test_a_span_has_its_start_and_not_its_end(data_dir: Path) -> None:
    write_file(data_dir, [*head(), rows(1, block("b", [1, 2, 3, 4], x=[1, 2, 3, 4]))])
    start_g3, end_g3 = (START_S + 2) * 10**8, (START_S + 4) * 10**8
    assert series_of(data_dir, f"{ADDRESS}.x", start_g3=start_g3, end_g3=end_g3)[0].values.tolist() == [2, 3]


FIELDS = ["o.lab1.feeds.temps.ch_1", "o.lab1.feeds.temps.ch_2", "o.lab2.feeds.temps.ch_1", "o.acu.feeds.stream.az"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["o.lab2.feeds.temps.ch_1"], [2]),
        (["az"], [3]),
        (["ch_2", "az", "ch_2"], [1, 3]),
        (["lab2.ch_1"], [2]),
        (["lab1.ch_*"], [0, 1]),
        (["temps.*"], [0, 1, 2]),
        (["*_1"], [0, 2]),
    ],
)
def test_fields_are_found_by_full_and_short_names(asked: list[str], found: list[int]) -> None:
    assert match_fields(asked, FIELDS) == [FIELDS[index] for index in found]


def test_a_short_name_of_several_fields_is_refused_with_their_names() -> None:
    with pytest.raises(AmbiguousFieldError, match=r"ch_1 stands for 2 fields: o\.lab1\S+, o\.lab2\S+; say more"):
        match_fields(["ch_1"], FIELDS)


@pytest.mark.parametrize(("name", "near"), [("ch1", "ch_1"), ("lab9.ch_2", "lab1.feeds.temps.ch_2"), ("Az", "az")])
def test_an_unknown_name_is_refused_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(NoSuchFieldError, match=f"none of 4 fields is called {name}: did you mean .*{near}"):
        match_fields([name], FIELDS)


def test_a_name_like_no_other_is_referred_to_the_list() -> None:
    with pytest.raises(NoSuchFieldError, match="--list"):
        match_fields(["[qqqqqq?"], FIELDS)


def test_fields_that_differ_by_digits_share_a_panel_and_others_do_not() -> None:
    names = [*FIELDS, "o.acu.feeds.stream.el"]
    panels = arrange([*(number(name, [1]) for name in names), number("a.b.c.on", [1], [True], "bool")])
    assert [[each.name for each in panel] for panel in panels] == [FIELDS[:3], [FIELDS[3]], [names[4]], ["a.b.c.on"]]
    assert [len(panel) for panel in arrange([number(f"o.l.f.t.ch_{n}", [1]) for n in range(11)])] == [8, 3]


def test_millions_of_points_are_drawn_as_thousands_with_every_peak() -> None:
    values = np.zeros(3_000_000)
    values[1_234_567] = 9.0
    axis = drawn(number("a.b.feeds.c.x", np.arange(3_000_000) / 200, values)).axes[0]
    times, shown = axis.get_lines()[0].get_data()
    assert len(times) <= 4 * BINS + 10
    assert np.nanmax(shown) == 9.0


def test_a_zoom_shows_what_was_left_out() -> None:
    axis = drawn(number("a.b.feeds.c.x", np.arange(1_000_000) / 200)).axes[0]
    begin, end = (np.datetime64(START_S + second, "s") for second in (2500, 2501))
    axis.set_xlim(begin, end)
    times, _ = axis.get_lines()[0].get_data()
    assert 200 <= ((times >= begin) & (times <= end)).sum() <= 202


def test_a_gap_is_left_open_and_a_lonely_row_is_a_dot() -> None:
    seconds = [*range(100), 500, *range(900, 1000)]
    line, dots = drawn(number("a.b.feeds.c.x", seconds)).axes[0].get_lines()
    assert np.isnan(line.get_ydata()).sum() == 2
    assert dots.get_ydata().tolist() == [100]


def test_strings_and_booleans_are_steps_that_end_where_a_gap_begins() -> None:
    seconds = [*range(100), *range(500, 600)]
    text = number("a.b.feeds.c.s", seconds, ["on"] * 50 + ["$off$"] * 150, "string")
    flag = number("a.b.feeds.c.f", seconds, [True] * 100 + [False] * 100, "bool")
    figure = drawn(text, flag)
    for axis in figure.axes:
        line = axis.get_lines()[0]
        assert line.get_drawstyle() == "steps-post"
        (gap,) = np.flatnonzero(np.isnan(line.get_ydata()))
        assert line.get_xdata()[gap] - np.datetime64(START_S + 99, "s") < np.timedelta64(1, "s")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["on", r"\$off\$"]
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["False", "True"]


def test_very_many_different_strings_do_not_crowd_the_axis() -> None:
    axis = drawn(number("a.b.feeds.c.s", range(500), [f"message {n} {'x' * 90}" for n in range(500)], "string")).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert len(labels) <= 15
    assert max(map(len, labels)) <= 28


def test_names_with_a_meaning_to_matplotlib_are_plain_text() -> None:
    figure = drawn(number("a.b.feeds.$c$._x", [1, 2]), number("a.b.feeds.$c$.$\\frac$", [1, 2]))
    names = [text.get_text() for axis in figure.axes for text in axis.get_legend().get_texts()]
    assert names == [" _x", "$\\frac$"]


@pytest.mark.parametrize("length", [5, 40, 255])
def test_long_names_leave_the_curves_their_room(length: int) -> None:
    names = [f"observatory.{'agent' * 5}-{n}.feeds.{'f' * length}.{'x' * length}_{n}" for n in range(6)]
    figure = drawn(*(number(name, [1, 2, 3]) for name in names))
    assert len(figure.axes) == 1
    assert figure.axes[0].get_position().width > 0.85
    assert figure.axes[0].get_position().height > 0.4


def test_a_plot_is_written_as_a_picture(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_stock_archive(data_dir)
    output = tmp_path / "plot.png"
    assert main([str(data_dir), "kelvin", "state", "az", "moving", "-o", str(output)]) == 0
    assert output.read_bytes().startswith(PNG)
    assert output.stat().st_size > 20_000
    assert capsys.readouterr().err == f"{output}\n"


def test_nan_and_infinity_and_any_script_are_drawn(data_dir: Path, tmp_path: Path) -> None:
    columns = {"x": [1.0, np.nan, np.inf, -np.inf, 2.0], "s": ["ok", "冷却", "\x07", "$a", "\U0001f600"]}
    write_file(data_dir, [*head(), rows(1, block("b", [1, 2, 3, 4, 5], **columns))])
    assert main([str(data_dir), "x", "s", "-o", str(tmp_path / "plot.png")]) == 0


def test_only_rows_of_the_span_are_drawn_and_far_files_not_read(data_dir: Path, tmp_path: Path) -> None:
    write_clean_archive(data_dir)
    far = write_file(data_dir, [b"no frames"], ctime_s=START_S + 50_000)
    output = tmp_path / "plot.svg"
    span = ["--start", str(START_S + 1), "--end", "2023-11-15T01:39:07"]
    assert main([str(data_dir), "kelvin", "-o", str(output), *span]) == 0
    assert "1 sample" in output.read_text()
    assert far.exists()


def test_damaged_frames_are_left_out_and_told_of(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = rows(1, block("b", [1], x=[1.0]))
    write_file(data_dir, [*head(), good, good[:-1] + b"x", good[:-9]])
    assert main([str(data_dir), "x", "-o", str(tmp_path / "plot.png")]) == 0
    assert "2 damaged frames are left out: see 'hkagg verify'" in capsys.readouterr().err


def test_the_fields_are_listed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clean_archive(data_dir)
    assert main([str(data_dir), "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{ACU}.az",
        f"{ACU}.moving",
        f"{ADDRESS}.heater",
        f"{ADDRESS}.kelvin",
        f"{ADDRESS}.state",
        f"{ADDRESS}.x",
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["kelvn"], NoSuchFieldError, "did you mean"),
        (["temperatures"], AmbiguousFieldError, "stands for 4 fields"),
        (["kelvin", "--start", "2024-01-01"], NothingToPlotError, "any field from 2024-01-01 00:00:00 UTC"),
        (["x", "--end", str(START_S + 5)], NothingToPlotError, "no rows of .*x to 2023-11-15 01:39:10 UTC"),
        (["x", "--start", "2024-01-01", "--end", "2023-01-01"], SettingsError, "nothing in between"),
        (["kelvin", "-o", "plot.docx"], SettingsError, "cannot write plot.docx: Format 'docx' is not supported"),
        (["kelvin", "-o", "/nowhere/plot.png"], SettingsError, "cannot write /nowhere/plot.png: No such file"),
    ],
)
def test_what_is_not_there_is_one_clear_error(
    data_dir: Path, arguments: list[str], error: type[Exception], text: str
) -> None:
    write_clean_archive(data_dir)
    with pytest.raises(error, match=text) as caught:
        main([str(data_dir), *arguments])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["missing.g3", "."])
def test_files_that_are_not_there_are_one_clear_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnreadableArchiveError):
        main([str(tmp_path / path), "x"])


def test_no_field_is_a_usage_error(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(data_dir)])
    assert stop.value.code == 2
    assert "name a field, or see them with --list" in capsys.readouterr().err


def test_no_screen_is_one_clear_error(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    write_clean_archive(data_dir)
    with pytest.raises(NoDisplayError, match=r"-o FILE\.png"):
        main([str(data_dir), "kelvin"])


@pytest.mark.parametrize(
    ("text", "time_s"),
    [
        ("1700012345", 1_700_012_345),
        ("1700012345.25", 1_700_012_345.25),
        ("2023-11-15T01:39:05", START_S),
        ("2023-11-15 01:39:05Z", START_S),
        ("2023-11-15T02:39:05+01:00", START_S),
        ("2023-11-15", START_S - 5945),
    ],
)
def test_times_are_iso_or_unix_and_utc(text: str, time_s: float) -> None:
    assert unix_s(text) == time_s


@pytest.mark.parametrize("text", ["yesterday", "1e300", "nan", "2023-13-01", ""])
def test_what_is_no_time_is_a_usage_error(data_dir: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(data_dir), "x", "--start", text])
    assert stop.value.code == 2
    assert "is no time: write 2026-11-23T18:30 (UTC) or Unix seconds" in capsys.readouterr().err


def test_the_command_is_part_of_hkagg_and_needs_no_screen(data_dir: Path, tmp_path: Path) -> None:
    write_clean_archive(data_dir)
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "aggregator", "plot", str(data_dir), "kelvin", "-o", str(tmp_path / "plot.png")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, f"{tmp_path / 'plot.png'}\n")
