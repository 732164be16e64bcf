"""Reads fields out of an archive as series of values in time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from writer.catalogue import FrameRef
from writer.g3 import column_type, frame_from_bytes, times_g3

NUMBER, BOOL, STRING = "number", "bool", "string"
_KINDS = {"bool": BOOL, "int": NUMBER, "double": NUMBER, "string": STRING}

Column: TypeAlias = "NDArray[Any]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A field in time.

    Parameters
    ----------
    name : str
        Its full name.
    times_g3 : NDArray[np.int64]
        Shape (rows,): counts of 10 ns since 1970, in order.
    values : NDArray
        Shape (rows,): float64 where `kind` is a number or bool, or else strings.
    kind : str
        ``number``, ``bool`` or ``string``.
    """

    name: str
    times_g3: NDArray[np.int64]
    values: NDArray[Any]
    kind: str


def read_series(
    frames: Iterable[FrameRef],
    fields: Sequence[str],
    *,
    start_g3: int | None = None,
    end_g3: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Series]:
    """Read fields.

    Parameters
    ----------
    frames : Iterable[FrameRef]
        Where they are.
    fields : Sequence[str]
        Their full names.
    start_g3, end_g3 : int or None
        The span, counts of 10 ns since 1970; the end is not part of it.
    progress : Callable[[int], None]
        Told how many bytes were gone through, again and again.

    Returns
    -------
    list[Series]
        In the order of `fields`.

    Raises
    ------
    OSError
        When a file cannot be read.
    """
    pieces = {field: _Pieces(field) for field in fields}
    reader = _FrameReader()
    try:
        for frame in frames:
            _take(reader.read(frame), pieces, start_g3, end_g3)
            progress(frame.length)
    finally:
        reader.close()
    return [each.joined() for each in pieces.values()]


class _FrameReader:
    """Reads frames, one open file at a time."""

    def __init__(self) -> None:
        self._path: object = None
        self._descriptor = -1

    def read(self, frame: FrameRef) -> bytes:
        if frame.path != self._path:
            self.close()
            self._descriptor = os.open(frame.path, os.O_RDONLY | os.O_CLOEXEC)
            self._path = frame.path
        return os.pread(self._descriptor, frame.length, frame.offset)

    def close(self) -> None:
        if self._path is not None:
            os.close(self._descriptor)
            self._path = None


def _take(data: bytes, pieces: dict[str, _Pieces], start_g3: int | None, end_g3: int | None) -> None:
    frame = frame_from_bytes(data)
    address = frame["address"]
    for block in frame["blocks"]:
        wanted = [(field, f"{address}.{field}") for field in block.keys() if f"{address}.{field}" in pieces]  # noqa: SIM118
        if not wanted:
            continue
        times = times_g3(block)
        inside = np.ones(len(times), dtype=np.bool_)
        if start_g3 is not None:
            inside &= times >= start_g3
        if end_g3 is not None:
            inside &= times < end_g3
        for field, name in wanted if inside.any() else ():
            pieces[name].add(times[inside], np.array(block[field])[inside], column_type(block[field]))


class _Pieces:
    """What was read of one field so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._times: list[NDArray[np.int64]] = []
        self._columns: list[Column] = []
        self._kinds: set[str] = set()

    def add(self, times: NDArray[np.int64], column: Column, kind: str) -> None:
        self._times.append(times)
        self._columns.append(column)
        self._kinds.add(_KINDS.get(kind, STRING))

    def joined(self) -> Series:
        kind = STRING if STRING in self._kinds else NUMBER if self._kinds != {BOOL} else BOOL
        dtype = object if kind == STRING else np.float64
        columns = [column.astype(str).astype(object) if kind == STRING else column for column in self._columns]
        times = np.concatenate([np.zeros(0, np.int64), *self._times])
        values = np.concatenate([np.zeros(0, dtype), *columns]).astype(dtype, copy=False)
        if (np.diff(times) < 0).any():
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
        return Series(name=self._name, times_g3=times, values=values, kind=kind)
