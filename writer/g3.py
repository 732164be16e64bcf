"""The one door to so3g and spt3g: every other module takes what it needs from here.

so3g comes first because it brings its own spt3g along; the other order loads two of them and crashes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import so3g.hk
from spt3g import core

__all__ = [
    "HOUSEKEEPING",
    "Frame",
    "HKArchiveScanner",
    "HKScanner",
    "core",
    "frame_bytes",
    "frame_from_bytes",
    "load_range",
]

Frame: TypeAlias = Any
"""A `core.G3Frame`; the G3 library has no type information."""

HOUSEKEEPING = "H"
"""The type letter of a Housekeeping frame, as it stands in a file."""

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
