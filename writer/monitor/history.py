"""The last hour of a recorder, once a second: what the small charts of the page show."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from aggregator.observation import Observation
from writer.monitor.sampling import Sampled

SECOND_NS = 1_000_000_000
LENGTH = 3600


class Moment(NamedTuple):
    """One second.

    Parameters
    ----------
    time_s : int
        Unix seconds.
    buffer_fill : float
        Used share of the buffer.
    messages_hz, values_hz : float
        Messages and values that came into the log, per second.
    lag_s : float
        How far the writer is behind.
    """

    time_s: int
    buffer_fill: float
    messages_hz: float
    values_hz: float
    lag_s: float


class History:
    """Keeps the last hour."""

    def __init__(self) -> None:
        self.moments: deque[Moment] = deque(maxlen=LENGTH)
        self._last_ns: int | None = None

    def add(self, seen: Observation, sampled: Sampled, now_ns: int) -> Moment:
        """Add what one look found."""
        if self._last_ns is None:
            # The first look finds what was in the log already, which says nothing about a second.
            sampled = Sampled()
        elapsed_s = max(0.1, (now_ns - (self._last_ns or 0)) / SECOND_NS)
        self._last_ns = now_ns
        moment = Moment(
            time_s=now_ns // SECOND_NS,
            buffer_fill=round(seen.ingest.number("buffer", "fill"), 4),
            messages_hz=round(sampled.messages / elapsed_s, 2),
            values_hz=round(sampled.values / elapsed_s, 1),
            lag_s=round(seen.writer.number("lag_s"), 2) if seen.writer.alive else 0.0,
        )
        self.moments.append(moment)
        return moment
