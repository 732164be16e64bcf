"""Computes what the simulated site publishes between two times."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregator.simulation.census import agents
from aggregator.simulation.plans import AgentPlan, BlockPlan, FeedPlan

_SECOND_NS = 1_000_000_000
_HEARTBEAT = FeedPlan(name="heartbeat", period_s=1, blocks=(), record=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """One event on a feed, as an agent hands it to the router.

    Attributes
    ----------
    publish_ns : int
        When it is published.
    topic : str
        The feed's address.
    data : dict[str, object]
        Blocks by name; something else on a heartbeat.
    feed : dict[str, object]
        OCS's description of the feed.
    recordable : bool
        Whether it belongs in the archive.
    """

    publish_ns: int
    topic: str
    data: dict[str, object]
    feed: dict[str, object]
    recordable: bool


class SimulatedSite:
    """All agents of a site.

    Parameters
    ----------
    seed : int
        Decides every value that is not given by the time.
    start_ns : int
        When the site comes up, Unix nanoseconds.
    scale : float
        1 is a whole site of about 100 feeds.
    address_root : str
        First token of every address.
    """

    def __init__(self, seed: int, start_ns: int, scale: float = 1.0, address_root: str = "observatory") -> None:
        self.seed = seed
        self.start_ns = start_ns
        self._feeds = [
            _Feed(agent, plan, seed=seed, start_ns=start_ns, root=address_root)
            for agent in agents(scale)
            for plan in (*agent.feeds, _HEARTBEAT)
        ]

    @property
    def recordable_addresses(self) -> list[str]:
        """Addresses of the feeds that belong in the archive, sorted."""
        return sorted(feed.address for feed in self._feeds if feed.recordable)

    def messages(self, until_ns: int, *, from_ns: int | None = None) -> Iterator[SimulatedMessage]:
        """Give what is published in a span of time, in order of publication.

        Parameters
        ----------
        until_ns : int
            End of the span, itself not in it.
        from_ns : int | None
            Its beginning; None is the site's start.

        Yields
        ------
        SimulatedMessage
            The same ones for the same site and span.
        """
        begin_ns = self.start_ns if from_ns is None else from_ns
        by_feed = [feed.messages(begin_ns, until_ns) for feed in self._feeds]
        yield from heapq.merge(*by_feed, key=lambda message: message.publish_ns)


class _Feed:
    """One feed of one agent, placed in time."""

    def __init__(self, agent: AgentPlan, plan: FeedPlan, *, seed: int, start_ns: int, root: str) -> None:
        self.agent = agent
        self.plan = plan
        self.agent_address = f"{root}.{agent.instance_id}"
        self.address = f"{self.agent_address}.feeds.{plan.name}"
        self._start_ns = start_ns
        self._period_ns = round(plan.period_s * _SECOND_NS)
        self._seed = (seed, zlib.crc32(self.address.encode()))
        # Agents do not start on the second; the offset is fixed by the address, not by chance.
        self._offset_ns = self._seed[1] % self._period_ns

    @property
    def recordable(self) -> bool:
        params = self.plan.agg_params
        return self.plan.record and not (isinstance(params, dict) and params.get("exclude_aggregator"))

    def messages(self, from_ns: int, until_ns: int) -> Iterator[SimulatedMessage]:
        number = max(1, -(-(from_ns - self._start_ns - self._offset_ns) // self._period_ns))
        while (publish_ns := self._start_ns + self._offset_ns + number * self._period_ns) < until_ns:
            if not self.agent.is_silent_at((publish_ns - self._start_ns) / _SECOND_NS):
                yield self._message(number, publish_ns)
            number += 1

    def _message(self, number: int, publish_ns: int) -> SimulatedMessage:
        return SimulatedMessage(
            publish_ns=publish_ns,
            topic=self.address,
            data=self._data(number, publish_ns) if self.plan.blocks else {"acq": 3},
            feed=self._header(publish_ns),
            recordable=self.recordable,
        )

    def _header(self, publish_ns: int) -> dict[str, object]:
        elapsed_s = (publish_ns - self._start_ns) / _SECOND_NS
        cycle = self.agent.cycle_at(elapsed_s) if self.agent.restarts else 0
        return {
            "agent_address": self.agent_address,
            "agg_params": self.plan.agg_params,
            "feed_name": self.plan.name,
            "address": self.address,
            "record": self.plan.record,
            "session_id": str(self._start_ns / _SECOND_NS + cycle * self.agent.cycle_s),
            "agent_class": self.agent.agent_class,
        }

    def _data(self, number: int, publish_ns: int) -> dict[str, object]:
        noise = np.random.default_rng((*self._seed, number))
        return {
            block.name: self._block(block, publish_ns, noise) for block in self.plan.blocks if number % block.every == 0
        }

    def _block(self, block: BlockPlan, publish_ns: int, noise: np.random.Generator) -> dict[str, object]:
        times_s = self._row_times(block.rows, publish_ns, noise)
        return {
            "block_name": block.name,
            "data": {name: signal.sample(times_s, noise) for name, signal in block.signals.items()},
            "influxdb_tags": None,
            "timestamps": times_s.tolist(),
        }

    def _row_times(self, rows: int, publish_ns: int, noise: np.random.Generator) -> NDArray[np.float64]:
        """Spread the rows over the time since the message before, each somewhat off its even place."""
        jitter = 0.2 * noise.random(rows)
        before_s = self.plan.period_s * (rows - 0.5 - np.arange(rows) - jitter) / rows
        times_s: NDArray[np.float64] = publish_ns / _SECOND_NS - before_s
        return times_s
