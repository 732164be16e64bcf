"""Finds the whole frames that stand behind damage, where no reader gets to any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from writer.frame_batch import HEADER_BYTES, FrameBatch
from writer.framescan import FrameSpan, scan_frames

WINDOW_BYTES = 1 << 21
MARGIN_BYTES = HEADER_BYTES - 1


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
            following = None if span.fault is None else next_whole_frame(path, span.offset + 1, span.end)
            if following is None:
                yield span
                continue
            yield span._replace(length=following - span.offset)
            offset = following
            break


def next_whole_frame(path: Path, offset: int, end: int) -> int | None:
    """Tell where the first whole Housekeeping frame between `offset` and `end` begins, or None when there is none.

    Even bytes that have the form of a frame are searched when their checksum is wrong: the length of a torn frame
    reaches into the one that was written behind it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while offset < end and (window := os.pread(descriptor, min(WINDOW_BYTES, end - offset + MARGIN_BYTES), offset)):
            for candidate in FrameBatch(np.frombuffer(window, dtype=np.uint8)).candidates:
                start = offset + int(candidate)
                if start < end and next(scan_frames(descriptor, start)).ok:
                    return start
            offset += max(1, len(window) - MARGIN_BYTES)
        return None
    finally:
        os.close(descriptor)
