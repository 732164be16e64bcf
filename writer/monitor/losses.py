"""What is missing and what is kept aside: the gap journal and the quarantine, read again only where they changed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from writer.gaps import JOURNAL_NAME, read_gaps
from writer.quarantine import quarantine_files, read_entries

MOST_LISTED = 100
MOST_NAMED = 20


@dataclass(slots=True)
class _FileTally:
    """What one quarantine file holds."""

    stamp: tuple[int, int]
    by_address: Counter[str] = field(default_factory=Counter)
    newest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_LISTED))


class Losses:
    """The gap journal and the quarantine of a buffer directory.

    Parameters
    ----------
    directory : Path
        The buffer directory.

    Attributes
    ----------
    gaps, quarantine : list of dict
        The newest of each, newest first, as JSON can say it.
    gaps_by_address, quarantined_by_address : Counter of str
        Messages lost, and things in quarantine, of each feed.
    version : int
        Grows with every change.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._journal_stamp: tuple[int, int] | None = None
        self._tallies: dict[Path, _FileTally] = {}
        self.gaps: list[dict[str, Any]] = []
        self.gaps_by_address: Counter[str] = Counter()
        self.quarantine: list[dict[str, Any]] = []
        self.quarantined_by_address: Counter[str] = Counter()
        self.version = 0

    def look(self) -> None:
        """Read what has changed since the last look; what cannot be read stays as it was."""
        for part in (self._look_at_gaps, self._look_at_quarantine):
            self._unless_unreadable(part)

    def _unless_unreadable(self, look: Callable[[], None]) -> None:
        try:
            look()
        except (OSError, ValueError):
            # Released, moved or torn while it was read: the next look sees how that ended.
            return

    def _look_at_gaps(self) -> None:
        stamp = _stamp(self._directory / JOURNAL_NAME)
        if stamp == self._journal_stamp:
            return
        lines: list[Any] = [*read_gaps(self._directory)]
        gaps = [line for line in lines if isinstance(line, dict)]
        self.gaps_by_address = Counter()
        for gap in gaps:
            self.gaps_by_address.update(_counts(gap))
        self.gaps = [_shown_gap(gap) for gap in reversed(gaps[-MOST_LISTED:])]
        self._journal_stamp = stamp
        self.version += 1

    def _look_at_quarantine(self) -> None:
        paths = quarantine_files(self._directory)
        changed = [path for path in paths if path not in self._tallies or self._tallies[path].stamp != _stamp(path)]
        gone = set(self._tallies) - set(paths)
        for path in gone:
            del self._tallies[path]
        for path in changed:
            self._tallies[path] = _tally(path)
        if changed or gone:
            self.quarantined_by_address = sum((t.by_address for t in self._tallies.values()), Counter())
            self.quarantine = self._newest_entries()
            self.version += 1

    def _newest_entries(self) -> list[dict[str, Any]]:
        newest: list[dict[str, Any]] = []
        for path in sorted(self._tallies, reverse=True):
            newest.extend(reversed(self._tallies[path].newest))
            if len(newest) >= MOST_LISTED:
                break
        return newest[:MOST_LISTED]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def _tally(path: Path) -> _FileTally:
    tally = _FileTally(_stamp(path) or (0, 0))
    for entry in read_entries(path):
        tally.by_address[entry.address] += 1
        tally.newest.append(
            {
                "received_ns": entry.received_ns,
                "address": entry.address,
                "block": entry.block,
                "field": entry.field,
                "reason": entry.reason,
                "bytes": len(entry.content),
            }
        )
    return tally


def _counts(gap: dict[str, Any]) -> dict[str, int]:
    counts = gap.get("counts")
    pairs = counts.items() if isinstance(counts, dict) else ()
    return {address: number for address, number in pairs if isinstance(number, int)}


def _shown_gap(gap: dict[str, Any]) -> dict[str, Any]:
    counts = Counter(_counts(gap))
    return {
        "from_ns": gap.get("from_ns", 0),
        "to_ns": gap.get("to_ns", 0),
        "reason": str(gap.get("reason", "")),
        "messages": sum(counts.values()) if counts else None,
        "feeds": len(counts),
        "most": counts.most_common(MOST_NAMED),
    }
