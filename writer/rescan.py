"""Finds the whole frames that stand behind damage, where no reader gets to any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from writer.frame_batch import HEADER_BYTES, FrameBatch
from writer.framescan import FrameFault, FrameSpan, scan_frames

WINDOW_BYTES = 1 << 21


def scan_past_damage(path: Path) -> Iterator[FrameSpan]:
    """Go through a file as `writer.framescan.scan_frames` does, but on to the next whole frame behind any damage.

    Yields
    ------
    FrameSpan
        Without gaps; one that is damaged ends where the next whole frame begins.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    offset: int | None = 0
    while offset is not None:
        spans, offset = scan_frames(path, offset), None
        for span in spans:
            if span.fault in (None, FrameFault.CHECKSUM):
                yield span
                continue
            offset = next_whole_frame(path, span.offset + 1)
            yield span if offset is None else span._replace(length=offset - span.offset)


def next_whole_frame(path: Path, offset: int) -> int | None:
    """Tell where the first whole Housekeeping frame at or behind `offset` begins, or None when there is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while window := os.pread(descriptor, WINDOW_BYTES, offset):
            for candidate in FrameBatch(np.frombuffer(window, dtype=np.uint8)).candidates:
                start = offset + int(candidate)
                if next(scan_frames(descriptor, start)).ok:
                    return start
            offset += max(1, len(window) - HEADER_BYTES + 1)
        return None
    finally:
        os.close(descriptor)
