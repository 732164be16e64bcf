"""Finds where rows that come at a steady pace stay away, without keeping all their times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PAUSE_FACTOR = 5
"""A step of more than so many usual ones is a pause."""

Pause = tuple[int, int]
"""Times of the rows before and behind, counts of 10 ns since 1970."""


class PauseFinder:
    """Follows the times of a block from frame to frame."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._medians: list[float] = []
        self._weights: list[int] = []
        self._candidates: list[Pause] = []

    def add(self, times: NDArray[np.int64]) -> None:
        """Add the rows of a frame: shape (rows,), counts of 10 ns since 1970, in any order."""
        times = np.sort(times)
        if self._last is not None:
            times = np.concatenate([[self._last], times[times >= self._last]])
        if not len(times):
            return
        self._last = int(times[-1])
        steps = np.diff(times)
        usual = steps[steps > 0]
        if not len(usual):
            return
        median = float(np.median(usual))
        self._medians.append(median)
        self._weights.append(len(usual))
        # How long a usual step is shows at the end only: what frames of few rows say of it may be far off.
        for step in np.flatnonzero((steps > PAUSE_FACTOR * median) | (len(usual) < PAUSE_FACTOR)):
            self._candidates.append((int(times[step]), int(times[step + 1])))

    @property
    def pauses(self) -> list[Pause]:
        """The pauses in order of time."""
        if not self._medians:
            return []
        longest = PAUSE_FACTOR * self._usual_step()
        return [(begin, end) for begin, end in self._candidates if end - begin > longest]

    def _usual_step(self) -> float:
        order = np.argsort(self._medians)
        weights = np.cumsum(np.array(self._weights)[order])
        middle = int(np.searchsorted(weights, weights[-1] / 2))
        return self._medians[int(order[middle])]
