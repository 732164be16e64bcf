"""What ingest tells of itself: its status snapshot and OCS's `session.data`; keys in docs/reference/status.md."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from aggregator.counters import CounterSnapshot
from aggregator.log import Position
from aggregator.observation import Observation
from aggregator.status import Snapshot


class State(str, enum.Enum):
    """What ingest is doing."""

    IDLE = "idle"
    RECORDING = "recording"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the reactor thread knows at one moment.

    Parameters
    ----------
    now_ns : int
        The moment, Unix nanoseconds.
    state : State
        What ingest is doing.
    session_id : int or None
        Of the open session.
    connected : bool
        Whether messages of feeds can come.
    counters : CounterSnapshot
        Those of ingest.
    position : Position
        The end of the log.
    feeds : int
        How many feeds were heard of.
    losing : bool
        Whether messages were lost a moment ago.
    """

    now_ns: int
    state: State
    session_id: int | None
    connected: bool
    counters: CounterSnapshot
    position: Position
    feeds: int
    losing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What does not change in ingest's snapshots.

    Parameters
    ----------
    pid : int
        Of ingest.
    started_ns : int
        When it began, Unix nanoseconds.
    buffer_bytes : int
        Limit of the buffer.
    """

    pid: int
    started_ns: int
    buffer_bytes: int

    def snapshot(self, look: Look, *, used_bytes: int, writer_alive: bool, degraded: str | None) -> Snapshot:
        """Return the snapshot.

        Parameters
        ----------
        look : Look
            What the reactor thread saw.
        used_bytes : int
            Of the buffer.
        writer_alive : bool
            Whether a writer holds its lock.
        degraded : str or None
            Why recorded data is at risk.
        """
        fill = used_bytes / self.buffer_bytes
        return {
            "pid": self.pid,
            "now_ns": look.now_ns,
            "started_ns": self.started_ns,
            "state": look.state.value,
            "session_id": look.session_id,
            "connected": look.connected,
            "counters": look.counters,
            "buffer": {"size_bytes": self.buffer_bytes, "used_bytes": used_bytes, "fill": fill},
            "log": look.position._asdict(),
            "feeds": look.feeds,
            "losing": look.losing,
            "writer_alive": writer_alive,
            "degraded": degraded,
        }


def pipeline(seen: Observation, *, degraded: str | None) -> dict[str, Any]:
    """Return the `pipeline` of `session.data`: what lies between the network and the archive."""
    ingest, writer = seen.ingest, seen.writer
    return {
        "backlog": int(writer.number("pending_messages")),
        "lag_s": float(writer.number("lag_s")),
        "dropped": ingest.counted("dropped"),
        "rejected": ingest.counted("rejected"),
        "quarantined": writer.counted("quarantined"),
        "gaps": ingest.counted("gaps"),
        "writer_alive": writer.alive,
        "buffer_fill": float(ingest.number("buffer", "fill")),
        "degraded": degraded,
    }
