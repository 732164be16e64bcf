"""Reading an archive back as its users do, and as raw frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from so3g.hk.tree import HKTree

from writer.g3 import core, load_range

__all__ = ["HKTree", "Loaded", "data_frames", "frames", "load", "times_of"]

__all__ = ["HKTree", "Loaded", "data_frames", "frames", "load", "times_of"]

Loaded = dict[str, tuple[NDArray[np.float64], NDArray[Any]]]


def load(data_dir: Path, fields: list[str] | None = None) -> Loaded:
    """Return time and values of every field of an archive, by so3g's `load_range`."""
    stems = sorted(int(path.stem) for path in data_dir.glob("*/*.g3"))
    found: Loaded = load_range(stems[0] - 4000, stems[-1] + 8000, fields, data_dir=str(data_dir))
    return found


def frames(path: Path) -> Iterator[Any]:
    """Yield the frames of a file."""
    yield from core.G3File(str(path))


def data_frames(data_dir: Path) -> Iterator[Any]:
    """Yield the data frames of an archive, file by file."""
    for path in sorted(data_dir.glob("*/*.g3")):
        yield from (frame for frame in frames(path) if frame["hkagg_type"] == 2)


def times_of(data_dir: Path, address: str, block: str) -> list[int]:
    """Return every timestamp (counts of 10 ns) of one block, in the order of the files."""
    out: list[int] = []
    for frame in data_frames(data_dir):
        if frame["address"] == address:
            for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
                if name == block:
                    out += [int(t) for t in np.asarray(samples.times, dtype=np.int64)]
    return out
