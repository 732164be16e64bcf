"""Finds every archived row among the published ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from writer.audit.published import BlockKey, Published, PublishedRow
from writer.audit.typing_rules import Archived, allowed_columns, as_archived, kind_of, same
from writer.g3 import Frame, column_type, times_g3


class Comparison:
    """Takes the data frames of an archive one by one, in the order of the files.

    Parameters
    ----------
    published : Published
        What should be there; its tallies take what is found.
    """

    def __init__(self, published: Published) -> None:
        self._published = published
        self._kinds: defaultdict[tuple[int, int, str, str], set[str]] = defaultdict(set)

    def take(self, frame: Frame) -> None:
        """Compare all rows of a data frame.

        Parameters
        ----------
        frame : Frame
            A Housekeeping frame of hkagg_type 2.
        """
        for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
            fields = tuple(sorted(samples.keys()))
            key = BlockKey(frame["address"], frame["provider_session_id"], str(name), fields)
            columns = {field: column_type(samples[field]) for field in fields}
            values = [np.array(samples[field]).tolist() for field in fields]
            found = self._find_rows(key, times_g3(samples).tolist(), list(zip(*values, strict=True)), columns)
            self._check_types((frame["session_id"], frame["prov_id"], str(name)), key, columns, found)

    def _find_rows(
        self, key: BlockKey, times: list[int], rows: list[tuple[Archived, ...]], columns: dict[str, str]
    ) -> list[PublishedRow]:
        found = []
        types = tuple(columns.values())
        self._published.feeds[key.address].archived += len(rows)
        for time, row in zip(times, rows, strict=True):
            match = self._find(key, time, row, types)
            if match is not None:
                found.append(match)
        return found

    def _find(self, key: BlockKey, time: int, row: tuple[Archived, ...], types: tuple[str, ...]) -> PublishedRow | None:
        tally = self._published.feeds[key.address]
        candidates = self._published.rows_at(key, time)
        equal = [each for each in candidates if _is_equal(each, row, types)]
        free = next((each for each in equal if not each.found), None)
        if free is not None:
            free.found = True
            return free
        if equal:
            tally.doubled += 1
        elif other := next((each for each in candidates if not each.found), None):
            other.found = True
            tally.changed += 1
        else:
            tally.invented += 1
        return None

    def _check_types(
        self,
        provider: tuple[int, int, str],
        key: BlockKey,
        columns: dict[str, str],
        found: Iterable[PublishedRow],
    ) -> None:
        published: list[tuple[Any, ...]] = [row.values for row in found]
        for field, values in zip(key.fields, zip(*published, strict=True), strict=False):
            kinds = self._kinds[(*provider, field)]
            kinds.update(map(kind_of, values))
            if columns[field] not in allowed_columns(kinds):
                self._published.feeds[key.address].mistyped += 1


def _is_equal(published: PublishedRow, row: tuple[Archived, ...], types: tuple[str, ...]) -> bool:
    if published.values == row:
        return True
    return all(
        same(as_archived(value, column), archived)
        for value, archived, column in zip(published.values, row, types, strict=True)
    )
