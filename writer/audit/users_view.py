"""Reads an archive as its users do, with so3g's load_range, and compares that with the frames themselves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from writer.g3 import Frame, column_type, core, load_range, times_g3


@dataclass(slots=True)
class _Column:
    """All values of one field of one feed, as the frames hold them."""

    times_g3: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[NDArray[Any]] = field(default_factory=list)
    types: set[str] = field(default_factory=set)


class UsersView:
    """Collects what is in the frames, then asks so3g for the same."""

    def __init__(self) -> None:
        self._columns: defaultdict[str, _Column] = defaultdict(_Column)

    def take(self, frame: Frame) -> None:
        """Take note of a data frame.

        Parameters
        ----------
        frame : Frame
            A Housekeeping frame of hkagg_type 2.
        """
        for samples in frame["blocks"]:
            for name in samples.keys():  # noqa: SIM118 - a block is no mapping
                column = self._columns[f"{frame['address']}.{name}"]
                column.times_g3.append(times_g3(samples))
                column.values.append(np.array(samples[name]))
                column.types.add(column_type(samples[name]))

    def faults(self, data_dir: Path) -> list[str]:
        """Load everything with load_range and name what differs.

        Parameters
        ----------
        data_dir : Path
            The archive.

        Returns
        -------
        list[str]
            One sentence per field; empty when users see what is there.
        """
        if not self._columns:
            return []
        times = [each for column in self._columns.values() for each in column.times_g3]
        first_s, last_s = (pick(float(pick(each)) for each in times) / core.G3Units.seconds for pick in (min, max))
        try:
            loaded = load_range(first_s, last_s + 1, data_dir=str(data_dir))
        except Exception as error:  # noqa: BLE001 - whatever so3g stumbles over is the finding
            return [f"so3g's load_range fails with {type(error).__name__}: {error}"]
        return [
            f"so3g's load_range gives {name} with {fault}"
            for name, column in sorted(self._columns.items())
            if (fault := _difference(column, loaded.get(name)))
        ]


def _difference(column: _Column, loaded: Any) -> str:
    """Say what a user gets wrong of a column; an empty string when nothing."""
    if loaded is None:
        return "nothing in it"
    times, values = np.concatenate(column.times_g3) / core.G3Units.seconds, np.concatenate(column.values)
    order, loaded_order = np.argsort(times, kind="stable"), np.argsort(loaded[0], kind="stable")
    if len(times) != len(loaded[0]):
        return f"{len(loaded[0])} rows instead of {len(times)}"
    if not np.array_equal(times[order], np.asarray(loaded[0])[loaded_order]):
        return "other times"
    if len(column.types) > 1:
        # so3g takes the type of the first frame for all of them; the frames are right, and the rows are there.
        return ""
    is_text = column.types == {"string"}
    if not np.array_equal(values[order], np.asarray(loaded[1])[loaded_order], equal_nan=not is_text):
        return "other values"
    return ""
