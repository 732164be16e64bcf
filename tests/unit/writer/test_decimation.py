from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from writer.decimation import changes, decimate, gaps, lonely, with_breaks


def test_few_rows_stay_as_they_are() -> None:
    times, values = np.arange(400), np.arange(400.0)
    assert decimate(times, values, 100) == (times, values)


def test_peaks_ends_and_size_are_kept() -> None:
    times, values = np.arange(10**6), np.sin(np.arange(10**6) / 1e5)
    values[123_456], values[654_321] = 50.0, -50.0
    few_times, few = decimate(times, values, 1000)
    assert len(few) <= 4000
    assert (few.max(), few.min(), few[0], few[-1]) == (50.0, -50.0, values[0], values[-1])
    assert (few_times[0], few_times[-1]) == (0, 10**6 - 1)
    assert abs(int(few_times[few.argmax()]) - 123_456) <= 1000


@given(arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e9, 1e9) | st.just(np.nan)), st.integers(1, 20))
def test_every_span_keeps_its_least_and_greatest_value_in_order(values: np.ndarray, bins: int) -> None:
    times = np.arange(len(values)) ** 2
    few_times, few = decimate(times, values, bins)
    assert (np.diff(few_times) >= 0).all()
    assert len(few) <= max(4 * bins, 4)
    if np.isfinite(values).any():
        assert (np.nanmin(few), np.nanmax(few)) == (np.nanmin(values), np.nanmax(values))
    else:
        assert np.isnan(few).all()


def test_falling_values_make_no_zigzag() -> None:
    _, few = decimate(np.arange(10_000), -np.arange(10_000.0), 100)
    assert (np.diff(few) <= 0).all()


def test_steps_are_kept_where_they_are() -> None:
    times, values = changes(np.arange(10), np.array([1.0, 1, 1, 2, 2, 2, 2, 1, 1, 1]))
    assert times.tolist() == [0, 2, 3, 6, 7, 9]
    assert values.tolist() == [1, 1, 2, 2, 1, 1]


def test_a_pause_is_a_gap_and_a_wobble_is_none() -> None:
    steady = np.concatenate([np.arange(0, 1000, 10), np.arange(1500, 2500, 10)])
    assert gaps(steady).tolist() == [991]
    assert gaps(np.cumsum(np.random.default_rng(1).integers(8, 13, 1000))).tolist() == []
    assert gaps(np.array([1, 2])).tolist() == []


def test_a_line_is_broken_at_gaps_inside_it_only() -> None:
    times, values = with_breaks((np.array([10, 20, 90]), np.array([1.0, 2.0, 3.0])), np.array([5, 21, 95]))
    assert times.tolist() == [10, 20, 21, 90]
    assert np.isnan(values[2])
    assert lonely(values).tolist() == [False, False, False, True]
