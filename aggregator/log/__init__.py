"""The log: what ingest appends and the writer reads, side by side, since they share one format.

There is one appender and one reader that releases; further readers may look on. The appender never opens an old
segment again: after a restart it begins a new one. Layout: `aggregator.layout`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from aggregator.log.appender import LogAppender, Position
from aggregator.log.reader import LogFault, LogReader, Record
from aggregator.segment import CorruptSegmentError, list_segments, open_segment

__all__ = ["LogAppender", "LogFault", "LogReader", "Position", "Record", "peek_log_id", "used_bytes"]


def used_bytes(directory: Path) -> int:
    """Return the bytes of all segments that are not released yet."""
    total = 0
    for _, path in list_segments(directory):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def peek_log_id(directory: Path) -> int | None:
    """Return the id of the log in a buffer directory, or None where there is none (yet)."""
    for _, path in reversed(list_segments(directory)):
        try:
            segment = open_segment(path)
        except (FileNotFoundError, CorruptSegmentError):
            continue
        segment.close()
        return segment.log_id
    return None
