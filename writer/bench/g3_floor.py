"""What the G3 library alone takes to serialise the frames of an archive: ``python -m writer.bench.g3_floor DATA_DIR``.

The frames are those that a recorder wrote; their columns are taken out as arrays first, which is not counted. What
is counted: arrays to G3 vectors, vectors to frames, frames to bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from writer.bench.read_back import data_frames
from writer.g3 import Frame, core, frame_bytes, times_g3

PASSES = 3
_SIMPLE = ("hkagg_type", "hkagg_version", "session_id", "prov_id", "timestamp", "address", "provider_session_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A frame's content with its columns as arrays, or as lists of str.

    Parameters
    ----------
    simple : dict
        Its G3 objects other than the blocks.
    names : list of str
        Of the blocks.
    blocks : list
        Of each block: times, and G3 type and values of each field.
    """

    simple: dict[str, Frame]
    names: list[str]
    blocks: list[tuple[NDArray[np.int64], dict[str, tuple[Any, Any]]]]


def serialise(frame: Ready) -> int:
    """Make a frame and return the size of its bytes."""
    made = core.G3Frame(core.G3FrameType.Housekeeping)
    for key, value in frame.simple.items():
        made[key] = value
    blocks = core.G3VectorFrameObject()
    for times, columns in frame.blocks:
        samples = core.G3TimesampleMap()
        samples.times = core.G3VectorTime(times)
        for name, (kind, values) in columns.items():
            samples[name] = kind(values)
        blocks.append(samples)
    made["blocks"] = blocks
    made["block_names"] = core.G3VectorString(frame.names)
    return len(frame_bytes(made))


def _ready(frame: Frame) -> Ready:
    blocks = []
    for samples in frame["blocks"]:
        columns = {name: (type(samples[name]), _values(samples[name])) for name in samples.keys()}  # noqa: SIM118 - a G3 map
        blocks.append((times_g3(samples), columns))
    # A frame's objects are copies of what is in its bytes; building them anew is part of what is counted.
    simple = {key: type(frame.get(key))(frame[key]) for key in _SIMPLE if key in frame}
    return Ready(simple=simple, names=[str(name) for name in frame["block_names"]], blocks=blocks)


def _values(column: Frame) -> Any:
    return list(map(str, column)) if isinstance(column, core.G3VectorString) else np.array(column)


def measure(data_dir: Path) -> dict[str, float]:
    """Serialise all data frames of an archive a few times; return the least CPU and wall seconds and the bytes."""
    frames = [_ready(frame) for frame in data_frames(data_dir)]
    cpu_s, wall_s, size = [], [], 0
    for _ in range(PASSES):
        cpu_begun, wall_begun = process_time(), perf_counter()
        size = sum(map(serialise, frames))
        cpu_s.append(process_time() - cpu_begun)
        wall_s.append(perf_counter() - wall_begun)
    return {"cpu_s": min(cpu_s), "wall_s": min(wall_s), "bytes": size}


def main(argv: Sequence[str]) -> int:
    """Run the program; its argument is a data directory."""
    sys.stdout.write(json.dumps(measure(Path(argv[0]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
