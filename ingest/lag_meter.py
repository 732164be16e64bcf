"""How late the reactor is: a timer that counts its own delays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aggregator.counters import Counters

TICK_S = 0.05
NS_PER_MS = 1_000_000
EDGES_MS = (1, 2, 5, 10, 20, 50, 100, 500, 2000)
"""Upper edges of the histogram's classes; one more class has the rest. Nothing may hold the reactor up for 50 ms."""


class LagMeter:
    """Counts how late a timer of the reactor fires, twenty times a second.

    Parameters
    ----------
    counters : Counters
        Ingest's; `reactor_lag` becomes the histogram.
    steady_ns : callable
        Returns nanoseconds of a clock that nobody sets.
    reactor : IReactorTime
        Twisted's.
    """

    def __init__(self, counters: Counters, steady_ns: Callable[[], int], reactor: Any) -> None:
        self._counters = counters
        self._steady_ns = steady_ns
        self._reactor = reactor
        self._due_ns = 0

    def start(self) -> None:
        """Set the timer for the first time; it goes on for as long as the reactor runs."""
        self._due_ns = self._steady_ns() + int(TICK_S * 1000) * NS_PER_MS
        self._reactor.callLater(TICK_S, self._tick)

    def _tick(self) -> None:
        self._counters.add("reactor_lag", 1, lag_class(self._steady_ns() - self._due_ns))
        self.start()


def lag_class(lag_ns: int) -> str:
    """Return the class of the histogram that a delay falls into."""
    for edge_ms in EDGES_MS:
        if lag_ns <= edge_ms * NS_PER_MS:
            return f"up to {edge_ms} ms"
    return f"over {EDGES_MS[-1]} ms"
