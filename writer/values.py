"""What one message brought for one field, sorted once into numbers, strings or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

NumberArray: TypeAlias = NDArray[np.bool_] | NDArray[np.int64] | NDArray[np.float64]

_DTYPES: dict[type, np.dtype[np.generic]] = {
    bool: np.dtype(np.bool_),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
}


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Values of one number type.

    Parameters
    ----------
    array
        Shape (rows,), dtype bool, int64 or float64 in native byte order.
    """

    array: NumberArray

    def __len__(self) -> int:
        return len(self.array)

    def part(self, rows: slice) -> Numbers:
        """Return the values of some rows."""
        return Numbers(self.array[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Strings:
    """Values that are all strings, not yet known to be valid Unicode."""

    items: list[str]

    def __len__(self) -> int:
        return len(self.items)

    def part(self, rows: slice) -> Strings:
        """Return the values of some rows."""
        return Strings(self.items[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Values of several types, or of types that no column holds, as they came."""

    items: list[object]

    def __len__(self) -> int:
        return len(self.items)

    def part(self, rows: slice) -> Mixed:
        """Return the values of some rows."""
        return Mixed(self.items[rows])


Values: TypeAlias = Numbers | Strings | Mixed


def classify_all(columns: Sequence[list[object]]) -> tuple[Values, ...]:
    """Sort the values of all fields of a block, at once where they are all of one number type.

    Parameters
    ----------
    columns
        One list per field, all of the same length.

    Returns
    -------
    tuple of Values
        What `classify` gives for each of them.
    """
    types = set(map(type, chain.from_iterable(columns)))
    dtype = _DTYPES.get(types.pop()) if len(types) == 1 else None
    if dtype is None:
        return tuple(map(classify, columns))
    shape = len(columns), len(columns[0])
    try:
        return tuple(map(Numbers, np.fromiter(chain.from_iterable(columns), dtype, shape[0] * shape[1]).reshape(shape)))
    except OverflowError:
        return tuple(map(classify, columns))


def classify(values: list[object]) -> Values:
    """Sort the values of one field by their types, without changing any.

    Parameters
    ----------
    values
        One value per row, of any types.

    Returns
    -------
    Numbers, Strings or Mixed
        `Numbers` and `Strings` only when every value has exactly that type; integers beyond 64 bits are `Mixed`.
    """
    types = set(map(type, values))
    if len(types) != 1:
        return Mixed(values)
    (only,) = types
    if only is str:
        return Strings(values)  # type: ignore[arg-type]
    if only not in _DTYPES:
        return Mixed(values)
    try:
        return Numbers(np.fromiter(values, _DTYPES[only], len(values)))
    except OverflowError:
        return Mixed(values)
