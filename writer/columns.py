"""Growable columns: one field of one block, of one type that only ever widens.

The rules are those of the archive's readers, which take the type of a field from its first block in time: a
column is a number or a string by first sight, numbers widen from bool over int64 to double and never narrow
again, and what does not fit is replaced by NaN or an empty string and reported.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from writer.values import NumberArray, Numbers, Values

FIRST_CAPACITY = 64
MODEST_CAPACITY = 4096
"""Rows that a column may always keep memory for; what a burst needed beyond is given back."""

_INTEGERS = frozenset({bool, int})
_NUMBERS = frozenset({bool, int, float})
_NUMBERS_OR_NONE = frozenset({bool, int, float, type(None)})
_SCALARS = frozenset({bool, int, float, str})
LOWEST_INTEGER, HIGHEST_INTEGER = -(2**63), 2**63 - 1

ColumnData: TypeAlias = NumberArray | list[str]


class Kind(str, enum.Enum):
    """What a column holds; in this order numbers widen."""

    UNDECIDED = "undecided"
    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"


_DTYPES: dict[Kind, np.dtype[np.generic]] = {
    Kind.BOOL: np.dtype(np.bool_),
    Kind.INT: np.dtype(np.int64),
    Kind.DOUBLE: np.dtype(np.float64),
}
_UNDECIDED = np.dtype(np.uint64)
"""Of the size of a double, and no type that values come in: the first ones always widen the column."""

_KINDS = {"b": Kind.BOOL, "i": Kind.INT, "f": Kind.DOUBLE}
_WIDTHS = {Kind.UNDECIDED: 0, Kind.BOOL: 1, Kind.INT: 2, Kind.DOUBLE: 3}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column cannot hold and that was replaced.

    Parameters
    ----------
    row
        Index in the values that were given to `extend`.
    original
        The value as it came.
    reason
        Short and machine-readable: `string-among-numbers`, `not-a-value`, `not-unicode` or `beyond-double`.
    """

    row: int
    original: object
    reason: str


class Column:
    """The values of one field, appended to until they are taken; the memory is used again for the next frame.

    Parameters
    ----------
    kind
        What the column held in earlier frames; undecided for a new one.

    Attributes
    ----------
    integers_widened : int
        Integers beyond 64 bits that were kept as doubles.
    """

    __slots__ = ("_array", "_kind", "_rows", "_text_bytes", "_texts", "integers_widened")

    def __init__(self, kind: Kind = Kind.UNDECIDED) -> None:
        self._kind = kind
        self._rows = 0
        self._array: NDArray[np.generic] = np.empty(0, _DTYPES.get(kind, _UNDECIDED))
        self._texts: list[str] = []
        self._text_bytes = 0
        self.integers_widened = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def kind(self) -> Kind:
        """What the column holds."""
        return self._kind

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take in a frame."""
        if self._kind is Kind.STRING:
            return self._text_bytes + 8 * self._rows
        return self._rows * self._array.itemsize

    def extend(self, values: Values) -> list[Misfit]:
        """Append values, one per row.

        Parameters
        ----------
        values
            What came for the field.

        Returns
        -------
        list of Misfit
            The values that were replaced; `None` is replaced too, but is no misfit.
        """
        if isinstance(values, Numbers) and self._kind is not Kind.STRING:
            return self._append_numbers(values.array)
        items: Sequence[object] = values.array.tolist() if isinstance(values, Numbers) else values.items
        if not items:
            return []
        if self._kind is Kind.UNDECIDED and _first_scalar(items) is str:
            self._become_texts()
        if self._kind is Kind.STRING:
            return self._append_texts(items)
        return self._append_mixed(items)

    def take(self) -> ColumnData:
        """Return all rows: a view or the list itself, valid until the next `extend` or `clear`.

        A column that has seen nothing but `None` becomes one of doubles, since a frame needs some type.
        """
        if self._kind is Kind.STRING:
            return self._texts
        if self._kind is Kind.UNDECIDED:
            if not self._rows:
                return np.empty(0)
            self._widen(Kind.DOUBLE)
        taken: NumberArray = self._array[: self._rows]  # type: ignore[assignment]
        return taken

    def clear(self) -> None:
        """Forget the rows, keep what the column holds and its memory, unless that was far too much for them."""
        if len(self._array) > max(MODEST_CAPACITY, 4 * self._rows):
            self._array = np.empty(max(MODEST_CAPACITY, 2 * self._rows), self._array.dtype)
        self._rows = 0
        self._texts.clear()
        self._text_bytes = 0

    def _append_numbers(self, array: NumberArray) -> list[Misfit]:
        if array.dtype is not self._array.dtype:
            self._widen(_KINDS[array.dtype.kind])
        end = self._rows + len(array)
        if end > len(self._array):
            self._array = self._copied(self._array.dtype, max(FIRST_CAPACITY, 2 * len(self._array), end))
        self._array[self._rows : end] = array
        self._rows = end
        return []

    def _append_mixed(self, items: Sequence[object]) -> list[Misfit]:
        types = set(map(type, items))
        array, misfits = _as_numbers(items, types)
        if self._kind is Kind.UNDECIDED and not types & _NUMBERS:
            self._rows += len(items)
            return misfits
        if int in types and array.dtype.kind == "f":
            self.integers_widened += sum(map(_is_beyond_int64, items))
        self._append_numbers(array)
        return misfits

    def _append_texts(self, items: Sequence[object]) -> list[Misfit]:
        texts, misfits = _as_texts(items)
        self._texts += texts
        self._rows += len(texts)
        self._text_bytes += len("".join(texts).encode())
        return misfits

    def _become_texts(self) -> None:
        self._kind = Kind.STRING
        self._texts = [""] * self._rows

    def _widen(self, kind: Kind) -> None:
        if _WIDTHS[kind] <= _WIDTHS[self._kind]:
            return
        if self._kind is Kind.UNDECIDED and self._rows:
            kind = Kind.DOUBLE
            self._array = np.full(self._rows, np.nan)
        self._kind = kind
        self._array = self._copied(_DTYPES[kind], len(self._array))

    def _copied(self, dtype: np.dtype[np.generic], capacity: int) -> NDArray[np.generic]:
        copy = np.empty(capacity, dtype)
        copy[: self._rows] = self._array[: self._rows]
        return copy


def _first_scalar(items: Sequence[object]) -> type | None:
    return next((kind for kind in map(type, items) if kind in _SCALARS), None)


def _is_beyond_int64(item: object) -> bool:
    return type(item) is int and not LOWEST_INTEGER <= item <= HIGHEST_INTEGER


def _as_numbers(items: Sequence[object], types: set[type]) -> tuple[NumberArray, list[Misfit]]:
    with suppress(OverflowError):
        if types <= _INTEGERS:
            return np.fromiter(items, np.int64, len(items)), []
    with suppress(OverflowError):
        if types <= _NUMBERS_OR_NONE:
            return np.array(items, np.float64), []
    doubles = np.empty(len(items))
    misfits = []
    for row, item in enumerate(items):
        doubles[row], reason = _as_double(item)
        if reason:
            misfits.append(Misfit(row, item, reason))
    return doubles, misfits


def _as_double(item: object) -> tuple[float, str]:
    if isinstance(item, (bool, int, float)):
        try:
            return float(item), ""
        except OverflowError:
            return math.nan, "beyond-double"
    if item is None:
        return math.nan, ""
    return math.nan, "string-among-numbers" if isinstance(item, str) else "not-a-value"


def _as_texts(items: Sequence[object]) -> tuple[list[str], list[Misfit]]:
    try:
        "".join(items).encode()  # type: ignore[arg-type]
    except (TypeError, UnicodeEncodeError):
        pass
    else:
        return list(items), []  # type: ignore[arg-type]
    misfits = []
    texts = []
    for row, item in enumerate(items):
        text, reason = _as_text(item)
        texts.append(text)
        if reason:
            misfits.append(Misfit(row, item, reason))
    return texts, misfits


def _as_text(item: object) -> tuple[str, str]:
    if isinstance(item, str):
        text = item.encode(errors="replace").decode()
        return text, "" if text == item else "not-unicode"
    if isinstance(item, (bool, int, float)):
        return str(item), ""
    return "", "" if item is None else "not-a-value"
