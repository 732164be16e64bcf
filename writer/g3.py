"""The one door to so3g and spt3g: every other module takes what it needs from here.

so3g comes first because it brings its own spt3g along; the other order loads two of them and crashes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import so3g.hk
from numpy.typing import NDArray
from spt3g import core

__all__ = [
    "COLUMN_TYPES",
    "HOUSEKEEPING",
    "Frame",
    "HKArchiveScanner",
    "HKScanner",
    "column_type",
    "core",
    "frame_bytes",
    "frame_from_bytes",
    "load_range",
    "times_g3",
]

Frame: TypeAlias = Any
"""A `core.G3Frame` or an object in one; the G3 library has no type information."""

HOUSEKEEPING = "H"
"""The type letter of a Housekeeping frame, as it stands in a file."""

COLUMN_TYPES = {"G3VectorBool": "bool", "G3VectorInt": "int", "G3VectorDouble": "double", "G3VectorString": "string"}
"""What a column of a block may be, and what people call it."""

HKArchiveScanner = so3g.hk.HKArchiveScanner
HKScanner = so3g.hk.HKScanner
load_range = so3g.hk.load_range

# The library tells each warning to stderr as well, where it would drown our own one-line messages; whatever
# it finds fatal still arrives as an exception.
core.set_log_level(core.G3LogLevel.LOG_FATAL)


def frame_bytes(frame: Frame) -> bytes:
    """Serialise a frame to exactly the bytes that `core.G3Writer` puts into a file."""
    return bytes(frame.__getstate__()[1])


def frame_from_bytes(data: bytes) -> Frame:
    """Load a frame from its bytes in a file.

    Raises
    ------
    RuntimeError
        When the G3 library cannot read them.
    """
    frame = core.G3Frame()
    frame.__setstate__(({}, data))
    return frame


def column_type(column: Frame) -> str:
    """Name the type of a block's column: one of `COLUMN_TYPES`, or else the G3 library's name for it."""
    name = type(column).__name__
    return COLUMN_TYPES.get(name, name)


def times_g3(samples: Frame) -> NDArray[np.int64]:
    """Take the times of a G3TimesampleMap: shape (rows,), counts of 10 ns since 1970."""
    return np.array(samples.times, dtype=np.int64)
