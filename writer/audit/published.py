"""What the ledgers say should be in the archive, row by row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aggregator.ledger import LedgerEntry
from writer.audit.tally import FeedTally
from writer.names import mended

_G3_PER_SECOND = 1e8
_EARLIEST_S = 0.0
_LATEST_S = 7_258_118_400.0
"""The years 1970 to 2200; a row outside of them belongs in quarantine."""


class BlockKey(NamedTuple):
    """What tells the blocks of an archive apart: one field set of one block of one feed and session."""

    address: str
    provider_session_id: str
    block: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class PublishedRow:
    """One row of a message.

    Attributes
    ----------
    values : tuple[Any, ...]
        As they were published, in the order of the key's fields.
    certain : bool
        Whether the router is known to have taken it.
    found : bool
        Whether the archive has it.
    """

    values: tuple[Any, ...]
    certain: bool
    found: bool = False


class Published:
    """All rows of some ledgers.

    Parameters
    ----------
    entries : Iterable[LedgerEntry]
        The messages.
    """

    def __init__(self, entries: Iterable[LedgerEntry]) -> None:
        self.feeds: defaultdict[str, FeedTally] = defaultdict(FeedTally)
        self._rows: defaultdict[BlockKey, defaultdict[int, list[PublishedRow]]] = defaultdict(lambda: defaultdict(list))
        for entry in entries:
            for name, block in entry.data.items():
                self._add_block(entry, str(name), block)

    def rows_at(self, key: BlockKey, time_g3: int) -> list[PublishedRow]:
        """Give the rows of a block at a time.

        Parameters
        ----------
        key : BlockKey
            The block.
        time_g3 : int
            Counts of 10 ns since 1970.

        Returns
        -------
        list[PublishedRow]
            Usually one; empty when nothing was published then.
        """
        rows = self._rows.get(key)
        return rows.get(time_g3, []) if rows else []

    def count_missing(self) -> None:
        """Count the certain rows that nobody found."""
        for key, by_time in self._rows.items():
            missing = sum(row.certain and not row.found for rows in by_time.values() for row in rows)
            self.feeds[key.address].missing += missing

    def _add_block(self, entry: LedgerEntry, name: str, block: Any) -> None:
        tally = self.feeds[entry.address]
        times, columns = block["timestamps"], block["data"]
        if any(len(column) != len(times) for column in columns.values()):
            tally.unfit += len(times)
            return
        names = mended(list(columns))
        order = sorted(range(len(names)), key=names.__getitem__)
        fields = tuple(names[place] for place in order)
        by_time = self._rows[BlockKey(entry.address, str(entry.feed["session_id"]), name, fields)]
        values = list(columns.values())
        for time_s, *row in zip(times, *(values[place] for place in order), strict=True):
            if not _is_fit(time_s):
                tally.unfit += 1
                continue
            by_time[int(time_s * _G3_PER_SECOND)].append(PublishedRow(tuple(row), entry.certain))
            if entry.certain:
                tally.published += 1
                tally.values += len(fields)
            else:
                tally.doubtful += 1


def _is_fit(time_s: object) -> bool:
    is_number = isinstance(time_s, (int, float)) and not isinstance(time_s, bool)
    return is_number and math.isfinite(time_s) and _EARLIEST_S <= time_s < _LATEST_S  # type: ignore[arg-type,operator]
