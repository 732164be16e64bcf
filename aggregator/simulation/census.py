"""Who lives on the simulated site, and how many of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aggregator.simulation.fast_instruments import acu, hwp_encoder, lakeshore_372
from aggregator.simulation.plans import AgentPlan
from aggregator.simulation.slow_instruments import (
    chiller,
    dozing_agent,
    lakeshore_240,
    power_strip,
    restarting_agent,
    slow_monitor,
)

_CENSUS: tuple[tuple[Callable[[int], AgentPlan], int], ...] = (
    (acu, 1),
    (hwp_encoder, 1),
    (lakeshore_372, 4),
    (lakeshore_240, 8),
    (power_strip, 10),
    (slow_monitor, 60),
    (chiller, 2),
    (restarting_agent, 1),
    (dozing_agent, 1),
)
"""How many of each a whole site has: about 100 feeds."""


def agents(scale: float) -> Iterator[AgentPlan]:
    """Give the agents of a site.

    Parameters
    ----------
    scale : float
        1 is a whole site; there is at least one agent of each kind.

    Yields
    ------
    AgentPlan
        Each with an instance_id of its own.
    """
    for make, count in _CENSUS:
        for number in range(1, max(1, round(count * scale)) + 1):
            yield make(number)
