"""Ends a file whose valid length nobody knows any more."""

from __future__ import annotations

import contextlib
from pathlib import Path

from writer.files import FileOperations
from writer.framescan import scan_frames

HEAD_FRAMES = 2
"""The session frame and the status frame, written in one piece."""


def cut_to_whole_frames(operations: FileOperations, path: Path) -> bytes:
    """Cut a file behind its last whole frame; remove it when it has not even a whole head.

    Parameters
    ----------
    operations : FileOperations
        The seam to the disk.
    path : Path
        A file that nobody writes to.

    Returns
    -------
    bytes
        What has been cut off.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    spans = list(scan_frames(path))
    has_head = len(spans) >= HEAD_FRAMES and all(span.ok for span in spans[:HEAD_FRAMES])
    end = max((span.end for span in spans if span.ok), default=0) if has_head else 0
    descriptor = operations.open_existing(path)
    try:
        tail = operations.read(descriptor, end, operations.size(descriptor) - end)
        if tail and has_head:
            operations.truncate(descriptor, end)
    finally:
        with contextlib.suppress(OSError):
            operations.close(descriptor)
    if not has_head:
        operations.remove(path)
    return tail
