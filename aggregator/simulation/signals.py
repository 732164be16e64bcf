"""What the instruments of the simulated site measure: functions of time and of seeded noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Sample = bool | int | float | str
"""A value as OCS's agents publish it."""


class Signal(Protocol):
    """Something that can be sampled."""

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:
        """Give one plain Python value for each time.

        Parameters
        ----------
        times_s : NDArray[np.float64]
            Unix seconds, shape (n,).
        noise : np.random.Generator
            Where chance comes from; the same one gives the same values.

        Returns
        -------
        list[Sample]
            Length n.
        """
        ...


@dataclass(frozen=True, slots=True)
class Wave:
    """A slow oscillation with noise on it: temperatures, pressures, voltages.

    Attributes
    ----------
    mean, amplitude, period_s, noise : float
        The oscillation, and the standard deviation around it.
    """

    mean: float
    amplitude: float
    period_s: float
    noise: float = 0.0

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:
        """See `Signal.sample`."""
        clean = self.mean + self.amplitude * np.sin(times_s * (2 * np.pi / self.period_s))
        return list((clean + self.noise * noise.standard_normal(times_s.size)).tolist())


@dataclass(frozen=True, slots=True)
class Scan:
    """A telescope that goes to and fro at constant speed.

    Attributes
    ----------
    centre, throw, period_s, noise : float
        Degrees, degrees, seconds, degrees.
    """

    centre: float
    throw: float
    period_s: float
    noise: float = 0.0

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:
        """See `Signal.sample`."""
        phase = np.mod(times_s, self.period_s) / self.period_s
        triangle = 4 * np.abs(phase - 0.5) - 1
        return list((self.centre + self.throw * triangle + self.noise * noise.standard_normal(phase.size)).tolist())


@dataclass(frozen=True, slots=True)
class Counter:
    """An integer that only grows: encoder counts, packet numbers, uptimes.

    Attributes
    ----------
    rate_hz : float
        How fast it counts.
    """

    rate_hz: float

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:  # noqa: ARG002 - counts without noise
        """See `Signal.sample`."""
        return list((times_s * self.rate_hz).astype(np.int64).tolist())


@dataclass(frozen=True, slots=True)
class Switch:
    """A boolean that is on for a part of each period.

    Attributes
    ----------
    period_s, on_fraction : float
        How often it comes on, and for how much of the time.
    """

    period_s: float
    on_fraction: float = 0.5

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:  # noqa: ARG002 - switches without noise
        """See `Signal.sample`."""
        return list((np.mod(times_s, self.period_s) < self.on_fraction * self.period_s).tolist())


@dataclass(frozen=True, slots=True)
class State:
    """A word or a number from a list, the next one after each dwell: modes, error texts, status codes.

    Attributes
    ----------
    states : tuple[Sample, ...]
        What it can be.
    dwell_s : float
        How long it stays what it is.
    """

    states: tuple[Sample, ...]
    dwell_s: float

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:  # noqa: ARG002 - changes without noise
        """See `Signal.sample`."""
        steps = (times_s / self.dwell_s).astype(np.int64) % len(self.states)
        return [self.states[step] for step in steps.tolist()]


@dataclass(frozen=True, slots=True)
class Readout:
    """Numbers as a text protocol gives them: whole ones arrive as integers, the others as floats.

    Attributes
    ----------
    mean, spread : float
        Every other value is rounded to a whole number.
    """

    mean: float
    spread: float

    def sample(self, times_s: NDArray[np.float64], noise: np.random.Generator) -> list[Sample]:
        """See `Signal.sample`."""
        values = (self.mean + self.spread * noise.standard_normal(times_s.size)).tolist()
        return [round(value) if row % 2 else round(value, 3) for row, value in enumerate(values)]
