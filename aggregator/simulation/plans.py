"""What an agent of the simulated site publishes, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aggregator.simulation.signals import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """A group of co-sampled fields.

    Attributes
    ----------
    name : str
        The block's name.
    signals : Mapping[str, Signal]
        What each field measures.
    rows : int
        Rows of one message.
    every : int
        The block comes with every so many-th message only: 1 is always.
    """

    name: str
    signals: Mapping[str, Signal]
    rows: int = 1
    every: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """One feed of an agent.

    Attributes
    ----------
    name : str
        Last token of the feed's address.
    period_s : float
        Time from one message to the next; a message holds the rows since the one before.
    blocks : tuple[BlockPlan, ...]
        What a message holds.
    agg_params : object
        As OCS's agents give it: a mapping, or None.
    record : bool
        OCS's own mark of a feed that wants to be recorded.
    """

    name: str
    period_s: float
    blocks: tuple[BlockPlan, ...]
    agg_params: object = field(default_factory=dict)
    record: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """One agent and its life.

    Attributes
    ----------
    agent_class, instance_id : str
        As in an OCS site file.
    feeds : tuple[FeedPlan, ...]
        What it publishes besides its heartbeat.
    cycle_s : float
        Length of one cycle of its life; 0 is a life without events.
    silent_s : float
        At the end of each cycle it is silent for so long.
    restarts : bool
        Whether it comes back from its silence with a new session_id.
    """

    agent_class: str
    instance_id: str
    feeds: tuple[FeedPlan, ...]
    cycle_s: float = 0.0
    silent_s: float = 0.0
    restarts: bool = False

    def cycle_at(self, elapsed_s: float) -> int:
        """Count the cycles of its life that are over at a time since the site's start."""
        return int(elapsed_s // self.cycle_s) if self.cycle_s else 0

    def is_silent_at(self, elapsed_s: float) -> bool:
        """Tell whether the agent says nothing at a time since the site's start."""
        return bool(self.cycle_s) and elapsed_s % self.cycle_s >= self.cycle_s - self.silent_s
