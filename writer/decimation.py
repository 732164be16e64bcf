"""Reduces long series to what a screen can show, without losing a peak or a gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Line = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Times and values."""

GAP_FACTOR = 5
"""A pause of so many usual steps is a gap."""


def decimate(times: NDArray[np.int64], values: NDArray[np.float64], bins: int) -> Line:
    """Keep first, least, greatest and last value of each of `bins` equal spans.

    Parameters
    ----------
    times : NDArray[np.int64]
        Shape (rows,), in order, any unit.
    values : NDArray[np.float64]
        Shape (rows,); NaN is kept only where a whole span has nothing else.
    bins : int
        Number of spans, about the pixels that are there.

    Returns
    -------
    tuple
        Times and values, at most four for each span; the arguments themselves when they are few.
    """
    if len(times) <= 4 * bins:
        return times, values
    edges = np.linspace(times[0], times[-1], bins + 1)[:-1]
    starts = np.unique(np.searchsorted(times, edges))
    lasts = np.append(starts[1:], len(times)) - 1
    kept_times = np.stack([times[starts], times[starts], times[lasts], times[lasts]], axis=1)
    least, greatest = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    # Where values fall, the greatest comes before the least; the other way round a slope would look thick.
    falls = values[starts] > values[lasts]
    inner = np.where(falls, greatest, least), np.where(falls, least, greatest)
    kept_values = np.stack([values[starts], *inner, values[lasts]], axis=1)
    return _without_repeats(kept_times.ravel(), kept_values.ravel())


def _without_repeats(times: NDArray[np.int64], values: NDArray[np.float64]) -> Line:
    # A row that is alone in its span must stay a lonely point, for which a line shows nothing.
    is_same = (times[1:] == times[:-1]) & ((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
    kept = np.concatenate([[True], ~is_same])
    return times[kept], values[kept]


def changes(times: NDArray[np.int64], values: NDArray[np.float64]) -> Line:
    """Keep the rows whose value differs from the one before or behind, and the first and last one."""
    if len(times) < 3:
        return times, values
    differs = values[1:] != values[:-1]
    kept = np.concatenate([[True], differs]) | np.concatenate([differs, [True]])
    return times[kept], values[kept]


def gaps(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find where a series pauses: the instant behind the last row before each gap, shape (gaps,).

    A gap is a step of more than `GAP_FACTOR` times the median step, and of more than twice what all but one in
    twenty steps are.
    """
    steps = np.diff(times)
    usual = steps[steps > 0]
    if len(usual) < 2:
        return np.zeros(0, dtype=np.int64)
    longest = max(GAP_FACTOR * float(np.median(usual)), 2 * float(np.quantile(usual, 0.95)))
    found = np.flatnonzero(steps > longest)
    return np.asarray(times[found] + 1, dtype=np.int64)


def with_breaks(line: Line, breaks: NDArray[np.int64]) -> Line:
    """Put a NaN into a line at each break, so that no stroke is drawn across it."""
    times, values = line
    positions = np.searchsorted(times, breaks)
    inside = (positions > 0) & (positions < len(times))
    return np.insert(times, positions[inside], breaks[inside]), np.insert(values, positions[inside], np.nan)


def lonely(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points have no neighbour to be joined to, shape (rows,); a line alone would not show them."""
    is_there = np.isfinite(values)
    left = np.concatenate([[False], is_there[:-1]])
    right = np.concatenate([is_there[1:], [False]])
    return np.asarray(is_there & ~left & ~right)
