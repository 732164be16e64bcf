"""Follows the rows and the types of each feed through the frames of a file, and from one file to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from writer.findings import Findings, Place
from writer.rules import Rule
from writer.survey_view import utc

BlockKey = tuple[str, str, frozenset[str]]
"""Address, block and fields: rows of one block with different sets of fields may well run side by side."""

FieldKey = tuple[str, str]
"""Address and field, which is all that readers go by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a block in successive frames.

    Parameters
    ----------
    first_g3, last_g3 : int
        Times of the first and the last one, counts of 10 ns since 1970.
    first, last : Place
        The frames that they are in.
    """

    first_g3: int
    last_g3: int
    first: Place
    last: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """Types of a field in successive frames.

    Parameters
    ----------
    first_type, last_type : str
        As `writer.g3.COLUMN_TYPES` calls them.
    first, last : Place
        The frames in which they were first seen.
    """

    first_type: str
    last_type: str
    first: Place
    last: Place


@dataclass(slots=True)
class Streams:
    """Where the rows and types of some successive frames begin and end.

    Parameters
    ----------
    rows : dict
        By address, block and fields.
    types : dict
        By address and field.
    """

    rows: dict[BlockKey, Rows] = field(default_factory=dict)
    types: dict[FieldKey, Types] = field(default_factory=dict)

    def follow(self, later: Streams, findings: Findings) -> None:
        """Go on with what comes later, and tell of what does not fit to it."""
        for block, rows in later.rows.items():
            self._follow_rows(block, rows, findings)
        for name, types in later.types.items():
            self._follow_types(name, types, findings)

    def _follow_rows(self, key: BlockKey, later: Rows, findings: Findings) -> None:
        before = self.rows.get(key)
        if before is None:
            self.rows[key] = later
            return
        if later.first_g3 <= before.last_g3:
            address, block, _ = key
            what = "repeat" if later.first_g3 == before.last_g3 else "begin before"
            findings.add(
                Rule.ROWS_OVERLAP,
                later.first,
                f"rows of block {block!r} of {address} {what} the last row of {before.last}: {utc(later.first_g3)} "
                f"after {utc(before.last_g3)}",
            )
        self.rows[key] = replace(before, last_g3=later.last_g3, last=later.last)

    def _follow_types(self, key: FieldKey, later: Types, findings: Findings) -> None:
        before = self.types.get(key)
        if before is None:
            self.types[key] = later
            return
        if later.first_type != before.last_type:
            findings.add(
                Rule.TYPE_DRIFT,
                later.first,
                f"{'.'.join(key)} is of type {later.first_type} here and {before.last_type} in {before.last}",
            )
        self.types[key] = replace(before, last_type=later.last_type, last=later.last)


class FileStreams:
    """The streams of one file.

    Parameters
    ----------
    findings : Findings
        Takes what is wrong from frame to frame.
    """

    def __init__(self, findings: Findings) -> None:
        self.streams = Streams()
        self._findings = findings
        self._known: dict[tuple[int, str, str], str] = {}

    def add(
        self,
        place: Place,
        *,
        prov_id: int,
        address: str,
        block: str,
        times_g3: NDArray[np.int64],
        columns: Mapping[str, str],
    ) -> None:
        """Add a block of a frame.

        Parameters
        ----------
        place : Place
            The frame.
        prov_id, address, block : int, str, str
            Of whom and what.
        times_g3 : NDArray[np.int64]
            Shape (rows,): counts of 10 ns since 1970.
        columns : Mapping[str, str]
            The type of each field.
        """
        fresh = Streams()
        if len(times_g3):
            fresh.rows[address, block, frozenset(columns)] = Rows(
                first_g3=int(times_g3.min()), last_g3=int(times_g3.max()), first=place, last=place
            )
        for name, kind in columns.items():
            self._add_type(fresh, place, (prov_id, block, name), address, kind)
        self.streams.follow(fresh, self._findings)

    def _add_type(self, fresh: Streams, place: Place, column: tuple[int, str, str], address: str, kind: str) -> None:
        if self._known.get(column) == kind:
            return
        key = (address, column[2])
        if column in self._known:
            # What a provider's own column does is told under a rule of its own.
            self.streams.types[key] = replace(self.streams.types[key], last_type=kind, last=place)
        else:
            fresh.types[key] = Types(first_type=kind, last_type=kind, first=place, last=place)
        self._known[column] = kind
