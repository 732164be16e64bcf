from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from aggregator.counters import Counters
from ingest.lag_meter import TICK_S, LagMeter, lag_class


@pytest.mark.parametrize(
    ("lag_ms", "name"),
    [
        (-1, "up to 1 ms"),
        (0, "up to 1 ms"),
        (1, "up to 1 ms"),
        (1.1, "up to 2 ms"),
        (50, "up to 50 ms"),
        (2001, "over 2000 ms"),
    ],
)
def test_a_delay_falls_into_the_class_below_whose_edge_it_is(lag_ms: float, name: str) -> None:
    assert lag_class(int(lag_ms * 1e6)) == name


def test_every_delay_of_the_reactor_is_counted_once() -> None:
    clock, counters, stalled_s = Clock(), Counters("ingest"), [0.0]
    meter = LagMeter(counters, lambda: int((clock.seconds() + stalled_s[0]) * 1e9), clock)
    meter.start()
    for late_s in (0.0, 0.0, 0.03):
        stalled_s[0] += late_s
        clock.advance(TICK_S)
    assert counters.snapshot()["reactor_lag"] == {"up to 1 ms": 2, "up to 50 ms": 1}
