"""What an audit counts, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields


@dataclass(slots=True, kw_only=True)
class FeedTally:
    """What became of the rows of one feed.

    Attributes
    ----------
    published : int
        Rows that certainly went out and that an archive can hold.
    values : int
        The values in them.
    archived : int
        Rows found in the archive.
    missing : int
        Published and not found.
    doubled : int
        Found again after they had been found.
    invented : int
        Found and never published.
    changed : int
        Found at a published time with other values.
    mistyped : int
        Columns of frames whose type is not the one that the published values ask for.
    doubtful : int
        Rows of which nobody knows whether they went out; they may be there or not.
    unfit : int
        Rows that went out and that no archive can hold; they belong in quarantine.
    """

    published: int = 0
    values: int = 0
    archived: int = 0
    missing: int = 0
    doubled: int = 0
    invented: int = 0
    changed: int = 0
    mistyped: int = 0
    doubtful: int = 0
    unfit: int = 0

    @property
    def faults(self) -> int:
        """How many things are wrong."""
        return self.missing + self.doubled + self.invented + self.changed + self.mistyped

    def __add__(self, other: FeedTally) -> FeedTally:
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return FeedTally(**sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an audit found.

    Attributes
    ----------
    feeds : Mapping[str, FeedTally]
        By the feed's address.
    faults : Sequence[str]
        What is wrong with files, or with what so3g makes of them, one sentence each.
    files : int
        How many files were read.
    """

    feeds: Mapping[str, FeedTally]
    faults: Sequence[str] = field(default_factory=tuple)
    files: int = 0

    @property
    def total(self) -> FeedTally:
        """All feeds together."""
        return sum(self.feeds.values(), FeedTally())

    @property
    def holds(self) -> bool:
        """Whether every published value is in the archive exactly once, and nothing else."""
        total = self.total
        return bool(total.published) and not total.faults and not self.faults
