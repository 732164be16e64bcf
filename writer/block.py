"""The rows of one block: kept by column while a frame grows, handed on as arrays when it is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ColumnData = NDArray[np.bool_] | NDArray[np.int64] | NDArray[np.float64] | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockData:
    """What a frame holds of one block, rows in time order.

    Parameters
    ----------
    name
        The block's name.
    times_g3
        Shape (rows,), int64: counts of 10 ns since 1970.
    fields
        Names of the fields, valid and unique.
    columns
        One per field: an array of shape (rows,) and dtype bool, int64 or float64, or a list of `rows` strings.
    """

    name: str
    times_g3: NDArray[np.int64]
    fields: tuple[str, ...]
    columns: tuple[ColumnData, ...]
