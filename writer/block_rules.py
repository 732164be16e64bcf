"""The rules that the blocks of one file must keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from writer.g3 import COLUMN_TYPES, Frame, column_type, core, times_g3
from writer.rules import Rule
from writer.survey_view import utc

Report: TypeAlias = Callable[[Rule, str], None]

OnBlock: TypeAlias = Callable[[int, str, str, "NDArray[np.int64]", "dict[str, str]"], None]
"""Takes prov_id, address, block, times and the type of each field."""

_FIELD_NAME = re.compile(r"_*[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_LONGEST_FIELD_NAME = 255
_WIDER = ("bool", "int", "double")
_G3_PER_S = 100_000_000
_EARLIEST_G3, _LATEST_G3 = 0, 7_258_118_400 * _G3_PER_S
"""1970 and 2200."""

_REACH_G3 = 7200 * _G3_PER_S
"""so3g's load_range opens files from two hours before what it looks for to two hours behind."""


class BlockRules:
    """Checks the blocks of one file in their order.

    Parameters
    ----------
    report : Callable[[Rule, str], None]
        Takes each breach, in words.
    on_block : Callable
        Takes what is in each block that has rows, for what spans several frames; see `OnBlock`.
    ctime_s : int or None
        The second that names the file; None when none does.
    """

    def __init__(self, report: Report, on_block: OnBlock, ctime_s: int | None) -> None:
        self._report = report
        self._on_block = on_block
        self._ctime_g3 = None if ctime_s is None else ctime_s * _G3_PER_S
        self._columns: dict[tuple[int, str], dict[str, str]] = {}
        self._block_of: dict[tuple[int, str], str] = {}

    def check(self, prov_id: int, address: str, name: str, block: Frame) -> bool:
        """Check the next block; tell whether it is sound enough for so3g to be shown it."""
        if not isinstance(block, core.G3TimesampleMap):
            self._report(Rule.BLOCKS, f"block {name!r} is a {type(block).__name__}")
            return False
        times = times_g3(block)
        lengths = {field: len(block[field]) for field in block.keys()}  # noqa: SIM118 - a G3 map is no mapping
        columns = {field: column_type(block[field]) for field in lengths}
        self._times(name, times)
        for field, length in lengths.items():
            if length != len(times):
                self._report(Rule.COLUMN_LENGTH, f"{name}.{field} has {length} values for {len(times)} rows")
        self._same_columns(prov_id, address, name, columns)
        if len(times):
            self._on_block(prov_id, address, name, times, columns)
        return True

    def _times(self, name: str, times: NDArray[np.int64]) -> None:
        if not len(times):
            self._report(Rule.NO_ROWS, f"block {name!r} has no rows: readers fail with IndexError")
            return
        if len(times) > 1 and int((steps := np.diff(times)).min()) <= 0:
            self._row_order(name, steps)
        self._reach(name, int(times.min()), int(times.max()))

    def _row_order(self, name: str, steps: NDArray[np.int64]) -> None:
        if (steps < 0).any():
            row = int(np.argmax(steps < 0)) + 1
            self._report(Rule.ROW_ORDER, f"rows of block {name!r} are not in time order, first row {row}")
        if repeats := int((steps == 0).sum()):
            self._report(Rule.ROW_REPEAT, f"{repeats} rows of block {name!r} repeat the timestamp before them")

    def _reach(self, name: str, first_g3: int, last_g3: int) -> None:
        rows = f"rows of block {name!r} are from"
        if first_g3 < _EARLIEST_G3 or last_g3 > _LATEST_G3:
            self._report(Rule.ROW_TIME, f"{rows} {utc(first_g3)} to {utc(last_g3)}")
        elif self._ctime_g3 is not None and max(self._ctime_g3 - first_g3, last_g3 - self._ctime_g3) > _REACH_G3:
            far = f"{utc(first_g3)} to {utc(last_g3)}, too far from the file's time"
            self._report(Rule.FILE_REACH, f"{rows} {far}")

    def _fields(self, name: str, columns: dict[str, str]) -> None:
        if not columns:
            self._report(Rule.NO_FIELDS, f"block {name!r} has no fields")
        for field, kind in columns.items():
            if not _FIELD_NAME.fullmatch(field) or len(field) > _LONGEST_FIELD_NAME:
                self._report(Rule.FIELD_NAME, f"field {field!r} of block {name!r} is not a valid field name")
            if kind not in COLUMN_TYPES.values():
                self._report(Rule.COLUMN_TYPE, f"{name}.{field} is a {kind}")

    def _same_columns(self, prov_id: int, address: str, name: str, columns: dict[str, str]) -> None:
        known = self._columns.get((prov_id, name))
        self._columns[prov_id, name] = columns
        if known == columns:
            return
        self._fields(name, columns)
        for field in columns:
            home = self._block_of.setdefault((prov_id, field), name)
            if home != name:
                self._report(
                    Rule.FIELD_IN_TWO_BLOCKS, f"prov_id {prov_id} has field {field!r} in {home!r} and {name!r}"
                )
        if known is None:
            return
        if known.keys() != columns.keys():
            self._report(
                Rule.FIELD_SET,
                f"block {name!r} of prov_id {prov_id} has other fields than before: "
                f"{sorted(known.keys() ^ columns.keys())}",
            )
        for field in known.keys() & columns.keys():
            self._same_type(f"{address} {name}.{field}", known[field], columns[field])

    def _same_type(self, field: str, before: str, now: str) -> None:
        if before == now:
            return
        widens = before in _WIDER and now in _WIDER and _WIDER.index(before) < _WIDER.index(now)
        self._report(
            Rule.TYPE_WIDENING if widens else Rule.TYPE_CHANGE,
            f"{field} changes from {before} to {now}: readers take the first type for all",
        )
