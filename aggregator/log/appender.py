"""The writing end of the log."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from aggregator.crash_points import crash_point
from aggregator.errors import LogSpaceError
from aggregator.layout import (
    CHECKED_OFFSET,
    CONTINUED,
    CRC_OFFSET,
    LOW_WORD,
    RECORD_BODY_HEAD,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    RecordKind,
    commit_word,
    control_reserve,
    max_message_bytes,
    record_bytes,
    record_end,
)
from aggregator.segment import CorruptSegmentError, Segment, create_spare, list_segments, open_segment
from aggregator.settings import BufferSettings
from aggregator.slots import last_drained


class Position(NamedTuple):
    """Where the log ends: last sequence number, its segment's first one, and the offset behind it in bytes."""

    sequence: int
    segment: int
    offset: int


class LogAppender:
    """The writing end of the log, held by ingest alone.

    Parameters
    ----------
    settings : BufferSettings
        Directory and sizes.
    now_ns : int
        Unix nanoseconds; becomes the log's id where there is no log yet.

    Raises
    ------
    LogSpaceError
        When not even the first segment fits.
    LogFormatError
        When the directory holds a log of another version.
    """

    def __init__(self, settings: BufferSettings, *, now_ns: int) -> None:
        self._settings = settings
        self._spare_numbers = itertools.count()
        self._spare: Segment | None = None
        self._preamble: bytes | None = None
        for left_over in settings.directory.glob("spare-*.tmp"):
            left_over.unlink()
        self._log_id, self._next_sequence = _continue_from(settings.directory, now_ns)
        self._current = self._new_segment()
        self._offset = SEGMENT_HEADER_BYTES

    @property
    def log_id(self) -> int:
        """The number that all segments of this log carry."""
        return self._log_id

    @property
    def position(self) -> Position:
        """The end of what is committed."""
        return Position(self._next_sequence - 1, self._current.first_sequence, self._offset)

    @property
    def max_payload_bytes(self) -> int:
        """Largest MESSAGE payload that fits into a segment."""
        return max_message_bytes(self._settings.segment_bytes)

    @property
    def used_bytes(self) -> int:
        """Bytes of all segments that are not released yet."""
        return len(list_segments(self._settings.directory)) * self._settings.segment_bytes

    @property
    def fill_fraction(self) -> float:
        """Used share of the buffer, from 0 to 1 (above when only control records found room)."""
        return self.used_bytes / self._settings.size_bytes

    @property
    def wants_next(self) -> bool:
        """Whether `prepare_next` should be called, off the thread that appends."""
        return self._spare is None and self._offset > self._current.size_bytes // 2

    def prepare_next(self) -> None:
        """Make the next segment ahead of need; may take as long as the file system likes.

        Raises
        ------
        LogSpaceError
            When there is no room now; appending tries again when it must.
        """
        self._spare = self._make_spare()

    def set_preamble(self, payload: bytes | None) -> None:
        """Repeat this SESSION_START at the head of each further segment, so that every segment explains itself."""
        self._preamble = payload

    def append(self, kind: RecordKind, payload: bytes | memoryview, *, received_ns: int, flags: int = 0) -> int | None:
        """Commit one record.

        Parameters
        ----------
        kind : RecordKind
            MESSAGE records leave the room that is kept for the others.
        payload : bytes or memoryview
            Its bytes; a MESSAGE may have `max_payload_bytes`.
        received_ns : int
            Unix nanoseconds.
        flags : int
            See `aggregator.layout`.

        Returns
        -------
        int or None
            The record's sequence number, or None when there is no room.
        """
        needed = record_bytes(len(payload))
        if not self._fits(kind, needed) and not self._advance(kind, needed, received_ns):
            return None
        return self._commit(kind, payload, received_ns, flags)

    def close(self) -> None:
        """Unmap; what is committed stays. May be called twice."""
        self._current.close()
        if self._spare is not None:
            self._spare.path.unlink(missing_ok=True)
            self._spare.close()
            self._spare = None

    def _fits(self, kind: RecordKind, needed: int) -> bool:
        limit = self._current.size_bytes
        if kind is RecordKind.MESSAGE:
            limit -= control_reserve(limit)
        return self._offset + needed <= limit

    def _commit(self, kind: RecordKind, payload: bytes | memoryview, received_ns: int, flags: int) -> int:
        segment, start, sequence = self._current, self._offset, self._next_sequence
        view, length = segment.view, len(payload)
        end = start + RECORD_HEADER_BYTES + length
        RECORD_BODY_HEAD.pack_into(view, start + CRC_OFFSET, 0, kind, flags, sequence, received_ns)
        view[start + RECORD_HEADER_BYTES : end] = payload
        crc = crc32c(view[start + CHECKED_OFFSET : end])
        view[start + CRC_OFFSET : start + CHECKED_OFFSET] = crc.to_bytes(4, "little")
        crash_point("log.record-written")
        segment.words[start >> 3] = commit_word(sequence, length)
        crash_point("log.record-committed")
        self._next_sequence = sequence + 1
        self._offset = start + record_bytes(length)
        return sequence

    def _advance(self, kind: RecordKind, needed: int, received_ns: int) -> bool:
        """Go on in a new segment; False when the buffer has no room for one."""
        message = kind is RecordKind.MESSAGE
        largest = record_bytes(self.max_payload_bytes)
        if needed > largest or (message and self._is_full()):
            return False
        try:
            fresh = self._new_segment()
        except LogSpaceError:
            return False
        self._current.close()
        self._current, self._offset = fresh, SEGMENT_HEADER_BYTES
        if self._preamble is not None:
            self._commit(RecordKind.SESSION_START, self._preamble, received_ns, CONTINUED)
        return True

    def _is_full(self) -> bool:
        return len(list_segments(self._settings.directory)) >= self._settings.most_segments

    def _new_segment(self) -> Segment:
        segment, self._spare = self._spare or self._make_spare(), None
        segment.activate(self._settings.directory, log_id=self._log_id, first_sequence=self._next_sequence)
        return segment

    def _make_spare(self) -> Segment:
        path = self._settings.directory / f"spare-{next(self._spare_numbers)}.tmp"
        return create_spare(path, self._settings.segment_bytes)


def _continue_from(directory: Path, now_ns: int) -> tuple[int, int]:
    """Return log id and next sequence number after whatever the directory holds."""
    listed = list_segments(directory)
    log_id, following = now_ns, 1
    for first_sequence, path in reversed(listed):
        size_bytes = os.stat(path).st_size  # noqa: PTH116 - one stat of a path at hand
        most = first_sequence + size_bytes // RECORD_HEADER_BYTES
        try:
            segment = open_segment(path)
        except CorruptSegmentError:
            following = max(following, most)
            continue
        log_id = segment.log_id
        following = max(following, _end_of(segment, most))
        segment.close()
        break
    # A power loss may have taken the end of the log that the writer had taken already, and its numbers are spoken for.
    return log_id, max(following, last_drained(directory, log_id) + 1)


def _end_of(segment: Segment, most: int) -> int:
    """Return the sequence number behind a segment's last record; a safe upper bound where it is damaged."""
    offset, expected, size = SEGMENT_HEADER_BYTES, segment.first_sequence, segment.size_bytes
    while offset + RECORD_HEADER_BYTES <= size:
        commit = segment.words[offset >> 3]
        if commit == 0:
            return expected
        if commit >> 32 != expected & LOW_WORD:
            return most
        offset = record_end(offset, commit)
        expected += 1
    return expected
