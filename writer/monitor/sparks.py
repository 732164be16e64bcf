"""The last values of the fields of a block: enough for a number and a small line beside it."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from writer.message import Rows
from writer.values import Numbers, Values

Shown: TypeAlias = "float | int | bool | str | None"

SAMPLES = 120
"""At one sample a second, two minutes; a slow feed's reach further back."""

MOST_FIELDS = 1000
"""Fields of a block that are followed; a block may have ten times as many, but nobody reads them on a page."""

LONGEST_TEXT = 200


class BlockSparks:
    """What is remembered of one block with one field set.

    Parameters
    ----------
    name : str
        The block's name.
    fields : tuple of str
        Its fields' names.
    """

    def __init__(self, name: str, fields: tuple[str, ...]) -> None:
        self.name = name
        self.fields = fields[:MOST_FIELDS]
        self.last: list[Shown] = [None] * len(self.fields)
        self.last_time_s = math.nan
        # Pages of zeros take no memory before they are written to, and few blocks fill theirs.
        self._times: NDArray[np.float64] = np.zeros(SAMPLES)
        self._samples: NDArray[np.float64] = np.zeros((SAMPLES, len(self.fields)))
        self.taken = 0

    def take(self, rows: Rows) -> None:
        """Remember the newest row of some rows, whose fields may be in another order."""
        if not len(rows.times):
            return
        newest = int(np.argmax(rows.times))
        by_name = dict(zip(rows.fields, rows.columns, strict=True))
        self.last = [shown(by_name[name], newest) if name in by_name else None for name in self.fields]
        self.last_time_s = float(rows.times[newest])
        at = self.taken % SAMPLES
        self._times[at] = self.last_time_s
        self._samples[at] = [as_number(value) for value in self.last]
        self.taken += 1

    def samples_since(self, taken: int) -> list[list[float | None]]:
        """Return the samples that came after there were `taken`, oldest first: one list of all fields for each."""
        return [[finite(v) for v in self._samples[at].tolist()] for at in self._places_since(taken)]

    def line(self, field: int) -> tuple[list[float], list[float | None]]:
        """Return a field's samples, oldest first: times in Unix seconds and values, None where there is no number."""
        places = self._places_since(0)
        return self._times[places].tolist(), [finite(v) for v in self._samples[places, field].tolist()]

    def _places_since(self, taken: int) -> list[int]:
        return [n % SAMPLES for n in range(max(taken, self.taken - SAMPLES), self.taken)]


def shown(values: Values, row: int) -> Shown:
    """Return one value as JSON can say it: numbers as they are, anything that is no number as a short text."""
    if isinstance(values, Numbers):
        value = values.array[row].item()
        return value if isinstance(value, (bool, int)) or math.isfinite(value) else str(value)
    item = values.items[row]
    if item is None:
        return None
    text = item if isinstance(item, str) else repr(item)
    return text[:LONGEST_TEXT].encode(errors="replace").decode()


def finite(value: float) -> float | None:
    """Return a number as strict JSON can say it."""
    return value if math.isfinite(value) else None


def as_number(value: Shown) -> float:
    """Return a value for a line; NaN where it is no number."""
    return float(value) if isinstance(value, (bool, int, float)) else math.nan
