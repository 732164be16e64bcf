"""What can be seen of a recorder from outside: its two status snapshots and who holds its locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregator.locks import INGEST_LOCK, WRITER_LOCK, is_held
from aggregator.status import INGEST, WRITER, Snapshot, read_snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of the pair.

    Parameters
    ----------
    alive : bool
        Whether it holds its lock; the kernel knows, even when the process says nothing.
    snapshot : dict or None
        Its last snapshot (docs/reference/status.md), perhaps of an earlier run; None when there is none.
    """

    alive: bool
    snapshot: Snapshot | None

    @property
    def state(self) -> str:
        """What it said it was doing, or empty."""
        return self.text("state")

    @property
    def reported_ns(self) -> int:
        """When it last said anything, Unix nanoseconds; 0 for never."""
        return int(self.number("now_ns"))

    def text(self, key: str) -> str:
        """Return a snapshot's text, or the empty text where it has none."""
        value = (self.snapshot or {}).get(key)
        return value if isinstance(value, str) else ""

    def number(self, *keys: str) -> float:
        """Return a snapshot's number, by its path of keys, or 0 where it has none."""
        value: Any = self.snapshot or {}
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, (int, float)) else 0

    def counted(self, counter: str) -> int:
        """Return a counter's total over its labels."""
        counters = (self.snapshot or {}).get("counters")
        value = counters.get(counter, 0) if isinstance(counters, Mapping) else 0
        return sum(value.values()) if isinstance(value, Mapping) else int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a recorder.

    Parameters
    ----------
    ingest, writer : Process
        The pair.
    """

    ingest: Process
    writer: Process


def observe(directory: Path) -> Observation:
    """Look at the recorder that works on a buffer directory; nothing there is nothing alive."""
    return Observation(
        ingest=Process(alive=is_held(directory / INGEST_LOCK), snapshot=read_snapshot(directory, INGEST)),
        writer=Process(alive=is_held(directory / WRITER_LOCK), snapshot=read_snapshot(directory, WRITER)),
    )
