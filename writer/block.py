"""The rows of one block: kept by column while a frame grows, handed on as arrays when it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from writer.columns import Column, ColumnData, Kind, Misfit
from writer.message import Rows
from writer.values import Numbers

__all__ = ["BlockBuffer", "BlockData", "BlockMisfit", "ColumnData"]

G3_TICKS_PER_SECOND = 1e8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockMisfit:
    """A value that its column could not hold and that was replaced by NaN, an empty or a mended string.

    Parameters
    ----------
    sequence
        Of the message that brought it.
    block, field
        Where it was.
    timestamp
        Of its row, Unix seconds.
    original
        The value as it came.
    reason
        Short and machine-readable, see `writer.columns.Misfit`.
    """

    sequence: int
    block: str
    field: str
    timestamp: float
    original: object
    reason: str


class BlockBuffer:
    """The growing rows of one block with one field set.

    Parameters
    ----------
    name
        The block's name.
    fields
        Its field names, valid and unique.
    kinds
        What the columns held in earlier frames, as `kinds` gave it; undecided where not known.
    """

    __slots__ = ("_columns", "_times", "fields", "name")

    def __init__(self, name: str, fields: tuple[str, ...], kinds: tuple[str, ...] | None = None) -> None:
        self.name = name
        self.fields = fields
        self._times = Column(Kind.INT)
        self._columns = [Column(Kind(kind)) for kind in kinds or (Kind.UNDECIDED,) * len(fields)]

    @property
    def rows(self) -> int:
        """How many rows wait for the next frame."""
        return len(self._times)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the columns hold, in the order of the fields, for the checkpoint."""
        return tuple(column.kind.value for column in self._columns)

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take in a frame."""
        return self._times.nbytes + sum(column.nbytes for column in self._columns)

    @property
    def integers_widened(self) -> int:
        """Integers beyond 64 bits that were kept as doubles, ever."""
        return sum(column.integers_widened for column in self._columns)

    def append(self, rows: Rows) -> list[BlockMisfit]:
        """Append the rows of one or more messages.

        Parameters
        ----------
        rows
            With these fields in any order.

        Returns
        -------
        list of BlockMisfit
            The values that were replaced.

        Raises
        ------
        ValueError
            When the rows have other fields than this block; nothing is appended then.
        """
        columns = self._columns if rows.fields == self.fields else self._columns_of(rows.fields)
        self._times.extend(Numbers((rows.times * G3_TICKS_PER_SECOND).astype(np.int64)))
        misfits: list[BlockMisfit] = []
        for index, (column, values) in enumerate(zip(columns, rows.columns, strict=True)):
            found = column.extend(values)
            if found:
                misfits += _located(found, rows, rows.fields[index])
        if len(rows.sequences) > 1:
            # Each message's misfits in one piece, as if the messages had come one by one.
            misfits.sort(key=attrgetter("sequence"))
        return misfits

    def _columns_of(self, fields: tuple[str, ...]) -> list[Column]:
        by_field = dict(zip(self.fields, self._columns, strict=True))
        if by_field.keys() != set(fields):
            raise ValueError(f"block {self.name!r} has other fields than the rows given to it")
        return [by_field[field] for field in fields]

    def snapshot(self) -> BlockData:
        """Return all rows in time order, rows of one time as they came; valid until the next append or clear."""
        times: NDArray[np.int64] = self._times.take()  # type: ignore[assignment]
        columns = tuple(column.take() for column in self._columns)
        if np.any(times[1:] < times[:-1]):
            order = np.argsort(times, kind="stable")
            times = times[order]
            columns = tuple(_in_order(column, order) for column in columns)
        return BlockData(name=self.name, times_g3=times, fields=self.fields, columns=columns)

    def clear(self) -> None:
        """Forget the rows, keep what the columns hold and their memory."""
        self._times.clear()
        for column in self._columns:
            column.clear()


def _located(misfits: list[Misfit], rows: Rows, field: str) -> list[BlockMisfit]:
    return [
        BlockMisfit(
            sequence=rows.sequence_of(misfit.row),
            block=rows.block,
            field=field,
            timestamp=float(rows.times[misfit.row]),
            original=misfit.original,
            reason=misfit.reason,
        )
        for misfit in misfits
    ]


def _in_order(column: ColumnData, order: NDArray[np.intp]) -> ColumnData:
    if isinstance(column, list):
        return [column[row] for row in order]
    return column[order]
