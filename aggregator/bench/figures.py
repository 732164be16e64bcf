"""What is measured, and the figures that come of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HKAGG, STOCK, FLOOR = "hkagg", "ocs", "floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What became of the rows of a run, by reading the archive back and comparing every value.

    Parameters
    ----------
    rows : int
        Sent.
    lost, doubled, invented, changed : int
        Rows not in the archive, there once too often, there though never sent, there with other values.
    """

    rows: int
    lost: int
    doubled: int
    invented: int
    changed: int

    @property
    def fault(self) -> str | None:
        """What is wrong, in a few words; None when every row is in the archive once, as it was sent."""
        wrong = {"lost": self.lost, "doubled": self.doubled, "invented": self.invented, "changed": self.changed}
        said = ", ".join(f"{count:,} rows {name}" for name, count in wrong.items() if count)
        return said or None if self.rows else "nothing was sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One run of one recorder.

    Parameters
    ----------
    wall_s : float
        From the first byte sent to the last byte archived, waiting of the harness left out.
    cpu_s : mapping of str to float
        CPU seconds by process, from when it was ready until it had ended.
    peak_bytes : mapping of str to int
        Most memory by process, mapped files left out.
    archive_bytes : int
        Size of the archive.
    check : Check or None
        What reading back gave; None where nothing is archived, as by a floor.
    """

    wall_s: float
    cpu_s: Mapping[str, float]
    peak_bytes: Mapping[str, int]
    archive_bytes: int = 0
    check: Check | None = None
    remarks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, least and most of several rounds."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Take them from at least one value."""
        return cls(median=statistics.median(values), min=min(values), max=max(values))

    def to_json(self) -> dict[str, float]:
        """Return them by name."""
        return {"median": self.median, "min": self.min, "max": self.max}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All rounds of one recorder at one stage with one workload.

    Parameters
    ----------
    workload, stage, recorder : str
        Which.
    messages, values, payload_bytes : int
        What was sent in each round.
    rounds : tuple of Round
        At least one.
    """

    workload: str
    stage: str
    recorder: str
    messages: int
    values: int
    payload_bytes: int
    rounds: tuple[Round, ...]

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes that were measured."""
        return tuple(self.rounds[0].cpu_s)

    @property
    def why_void(self) -> str | None:
        """Why its figures mean nothing; None when they do."""
        unread = None if self.recorder == FLOOR else "the archive was not read back"
        faults = [each.check.fault if each.check else unread for each in self.rounds]
        return next((fault for fault in faults if fault), None)

    def cpu_s(self, process: str | None = None) -> Spread:
        """Return CPU seconds of one process, or of all together."""
        return Spread.of([each.cpu_s[process] if process else sum(each.cpu_s.values()) for each in self.rounds])

    def peak_bytes(self, process: str | None = None) -> int:
        """Return the most memory of one process in any round, or of all together."""
        return max(each.peak_bytes[process] if process else sum(each.peak_bytes.values()) for each in self.rounds)

    def per_second(self, amount: float) -> Spread:
        """Return an amount of each round by its wall time."""
        return Spread.of([amount / each.wall_s for each in self.rounds])


def per(spread: Spread, amount: float, scale: float) -> Spread:
    """Return CPU seconds by an amount, in another unit, such as microseconds a message."""
    return Spread(
        median=spread.median * scale / amount, min=spread.min * scale / amount, max=spread.max * scale / amount
    )
