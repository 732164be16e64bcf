"""Everything the page shows, looked at once a second; what has changed since the last look is told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregator.counters import COUNTERS
from aggregator.health import judge
from aggregator.observation import Observation, Process, observe
from writer.monitor.archive_index import ArchivedBlock
from writer.monitor.feeds import Feed, Feeds
from writer.monitor.field_plot import FieldQuery
from writer.monitor.history import History
from writer.monitor.losses import Losses
from writer.monitor.sampling import LogSampler
from writer.monitor.sparks import Shown, finite

G3_NS = 10
FEEDS_AT_ONCE = 50
MOST_EXACT = 2**53

Told = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one look found.

    Parameters
    ----------
    summary : dict
        State, file, buffer, processes, counters: all of it, each time.
    feeds : set of int
        Feeds whose line in the table is another now.
    described : set of int
        Feeds that are new, or have new blocks or fields.
    losses : bool
        Whether gaps or quarantine have changed.
    """

    summary: Told
    feeds: frozenset[int]
    described: frozenset[int]
    losses: bool


class Watcher:
    """Looks at one recorder.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.feeds = Feeds()
        self.history = History()
        self.losses = Losses(directory)
        self._log = LogSampler(directory, self.feeds)
        self._lines: dict[int, list[Any]] = {}
        self._losses_version = 0
        self._data_dir: Path | None = None

    @property
    def data_dir(self) -> Path | None:
        """Root of the archive, as far as it is known yet."""
        return self._data_dir

    def look(self, now_ns: int, archived: Mapping[str, Mapping[str, ArchivedBlock]] | None = None) -> Change:
        """Look once.

        Parameters
        ----------
        now_ns : int
            Unix nanoseconds.
        archived : mapping, optional
            What was newly found in the archive: by feed address, its blocks.
        """
        seen = observe(self.directory)
        sampled = self._log.look(now_ns)
        self.losses.look()
        described = sampled.described | self._meet(archived or {})
        self.history.add(seen, sampled, now_ns)
        self._data_dir = _data_dir(seen) or self._log.data_dir or self._data_dir
        lines = {feed.number: self.line(feed, now_ns) for feed in self.feeds}
        changed = frozenset(number for number, line in lines.items() if self._lines.get(number) != line)
        self._lines = lines
        losses_changed = self.losses.version != self._losses_version
        self._losses_version = self.losses.version
        return Change(
            summary=self.summary(seen, now_ns),
            feeds=changed,
            described=frozenset(described),
            losses=losses_changed,
        )

    def close(self) -> None:
        """Let the log go."""
        self._log.close_reader()

    def summary(self, seen: Observation, now_ns: int) -> Told:
        """Return what the top of the page says."""
        health = judge(seen, now_ns)
        writer = seen.writer
        return {
            "now_ns": now_ns,
            "state": health.state.value,
            "label": health.state.label,
            "reasons": list(health.reasons),
            "name": self.directory.name.removeprefix("hkagg-"),
            "buffer_dir": str(self.directory),
            "file": {
                "path": writer.text("current_file"),
                "bytes": writer.number("file_bytes"),
                "opened_ns": writer.number("file_opened_ns"),
                "open": writer.alive and writer.state in ("recording", "disk-trouble"),
            },
            "buffer": {key: seen.ingest.number("buffer", key) for key in ("size_bytes", "used_bytes", "fill")},
            "processes": {"ingest": _process(seen.ingest), "writer": _process(writer)},
            "connected": bool(seen.ingest.number("connected")),
            "lag_s": writer.number("lag_s"),
            "pending": writer.number("pending_messages"),
            "counters": {name: getattr(seen, spec.process).counted(name) for name, spec in COUNTERS.items()},
            "moment": self.history.moments[-1] if self.history.moments else None,
        }

    def line(self, feed: Feed, now_ns: int) -> list[Any]:
        """Return what a feed's line of the table says: number, newest message, rate, stale, lost, quarantined."""
        return [
            feed.number,
            feed.last_received_ns // 1_000_000,
            round(feed.rate_hz(now_ns), 3),
            int(feed.is_stale(now_ns)),
            self.losses.gaps_by_address[feed.address],
            self.losses.quarantined_by_address[feed.address],
        ]

    def lines(self, numbers: Iterable[int]) -> list[list[Any]]:
        """Return the lines of some feeds as they were at the last look."""
        return [self._lines[number] for number in sorted(numbers) if number in self._lines]

    def descriptions(self, numbers: Iterable[int]) -> list[Told]:
        """Return the names of some feeds, of their blocks and of the blocks' fields."""
        feeds = [feed for number in sorted(numbers) if (feed := self.feeds.numbered(number))]
        return [
            {
                "number": feed.number,
                "address": feed.address,
                "blocks": [{"name": block.name, "fields": block.fields} for block in feed.blocks],
            }
            for feed in feeds
        ]

    def fields(self, taken: Mapping[int, list[int]]) -> tuple[list[Told], dict[int, list[int]]]:
        """Return the last values of some feeds' fields, with the samples that came since they were last told.

        Parameters
        ----------
        taken : mapping of int to list of int
            By feed number, how many samples of each of its blocks were told.

        Returns
        -------
        tuple
            What to tell, and `taken` for the next time.
        """
        told: list[Told] = []
        now_taken: dict[int, list[int]] = {}
        for number, before in taken.items():
            feed = self.feeds.numbered(number)
            if feed is None:
                continue
            for at, block in enumerate(feed.blocks):
                known = before[at] if at < len(before) else 0
                if block.taken != known:
                    told.append(
                        {
                            "feed": number,
                            "block": at,
                            "time_s": finite(block.last_time_s),
                            "last": [exact(value) for value in block.last],
                            "samples": block.samples_since(known),
                            "whole": known == 0 or block.taken < known,
                        }
                    )
            now_taken[number] = [block.taken for block in feed.blocks]
        return told, now_taken

    def query(self, feed: int, block: int, field: int, *, from_s: float, to_s: float, bins: int) -> FieldQuery | None:
        """Return the question to the archive that numbers from a request mean; None where they mean nothing."""
        known = self.feeds.numbered(feed)
        if known is None or not 0 <= block < len(known.blocks):
            return None
        names = known.blocks[block]
        if not 0 <= field < len(names.fields):
            return None
        return FieldQuery(
            address=known.address,
            block=names.name,
            field=names.fields[field],
            from_s=from_s,
            to_s=to_s,
            bins=bins,
        )

    def recent(self, feed: int, block: int, field: int) -> tuple[list[float], list[float | None]]:
        """Return the last samples of a field from the log, which may not be in the archive yet."""
        known = self.feeds.numbered(feed)
        return known.blocks[block].line(field) if known else ([], [])

    def _meet(self, archived: Mapping[str, Mapping[str, ArchivedBlock]]) -> set[int]:
        """Take over feeds that were not heard of since the monitor began."""
        described = set()
        for address, blocks in archived.items():
            feed = self.feeds.at(address)
            for name, block in blocks.items():
                if feed is not None and feed.block(name, block.fields)[1]:
                    described.add(feed.number)
            if feed is not None and not feed.messages:
                newest = max(block.last_g3 for block in blocks.values()) * G3_NS if blocks else 0
                feed.last_received_ns = max(feed.last_received_ns, newest)
        return described


def exact(value: Shown) -> Shown:
    """Return a value that a browser does not round: its numbers have 53 bits."""
    return str(value) if isinstance(value, int) and abs(value) > MOST_EXACT else value


def _process(process: Process) -> Told:
    return {
        "alive": process.alive,
        "state": process.state,
        "pid": process.number("pid"),
        "started_ns": process.number("started_ns"),
    }


def _data_dir(seen: Observation) -> Path | None:
    current = seen.writer.text("current_file")
    return Path(current).parent.parent if current else None
