"""The log: what ingest appends and the writer reads, side by side, since they share one format.

There is one appender and one reader that releases; further readers may look on. The appender never opens an old
segment again: after a restart it begins a new one. Layout: `aggregator.layout`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from aggregator.crash_points import crash_point
from aggregator.errors import LogFormatError, LogSpaceError
from aggregator.layout import (
    CHECKED_OFFSET,
    CONTINUED,
    CRC_OFFSET,
    RECORD_BODY_HEAD,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    RecordKind,
    commit_word,
    control_reserve,
    max_message_bytes,
    record_bytes,
)
from aggregator.segment import CorruptSegmentError, Segment, create_spare, list_segments, open_segment
from aggregator.settings import BufferSettings

CORRUPT_AFTER_NS = 50_000_000
"""A record that does not check out is read again for this long before it is called corrupt."""

LOW_WORD = 0xFFFFFFFF


class Position(NamedTuple):
    """Where the log ends: last sequence number, its segment's first one, and the offset behind it in bytes."""

    sequence: int
    segment: int
    offset: int


class Record(NamedTuple):
    """One entry of the log; `payload` is a view into the mapped segment."""

    sequence: int
    kind: int
    flags: int
    received_ns: int
    payload: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFault:
    """Records that a reader could not have.

    Parameters
    ----------
    reason : str
        `corrupt` for damage found, `missing` for a hole between segments.
    segment : str
        File name of the segment.
    offset : int
        Where in it, in bytes.
    first_sequence : int
        First sequence number concerned.
    count : int
        How many records are missing; 0 where only the next segment can tell.
    """

    reason: str
    segment: str
    offset: int
    first_sequence: int
    count: int


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
        return used_bytes(self._settings.directory)

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


class LogReader:
    """The reading end of the log.

    Parameters
    ----------
    directory : Path
        The buffer directory; it need not hold a log yet.
    after_sequence : int
        Records up to this one are passed over; 0 starts at whatever the oldest segment holds.
    """

    def __init__(self, directory: Path, *, after_sequence: int = 0) -> None:
        self._directory = directory
        self._after = after_sequence
        self._segment: Segment | None = None
        self._offset = 0
        self._expected = 0
        self._suspect_since_ns: int | None = None
        self._abandoned = False
        self._faults: list[LogFault] = []

    @property
    def log_id(self) -> int | None:
        """Id of the log being read; None before its first segment was seen."""
        return self._segment.log_id if self._segment else None

    @property
    def next_sequence(self) -> int:
        """Sequence number of the record that would come next; 0 before anything was read."""
        return self._expected

    def poll(self, now_ns: int, limit: int = 65536) -> list[Record]:
        """Return up to `limit` records that are committed and not yet returned, without waiting.

        Raises
        ------
        LogFormatError
            When a segment is foreign or of another format version.
        """
        out: list[Record] = []
        while len(out) < limit:
            if self._segment is None and not self._open_first():
                break
            if not self._abandoned:
                self._read_segment(out, limit, now_ns)
            if len(out) >= limit or self._suspect_since_ns is not None or not self._open_next(out, limit, now_ns):
                break
        return out

    def take_faults(self) -> list[LogFault]:
        """Return what went wrong since the last call."""
        faults, self._faults = self._faults, []
        return faults

    def release(self, below_sequence: int) -> int:
        """Unlink the segments in which every record is below a sequence number; the newest always stays.

        Returns
        -------
        int
            How many segments were unlinked.
        """
        listed = list_segments(self._directory)
        gone = [path for (_, path), (after, _) in itertools.pairwise(listed) if after <= below_sequence]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def close(self) -> None:
        """Unmap. May be called twice."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _read_segment(self, out: list[Record], limit: int, now_ns: int) -> None:
        segment = self._segment
        assert segment is not None  # noqa: S101 - the caller opened it
        view, words, size = segment.view, segment.words, segment.size_bytes
        offset, expected = self._offset, self._expected
        while len(out) < limit and offset + RECORD_HEADER_BYTES <= size:
            commit = words[offset >> 3]
            if commit == 0:
                break
            end = offset + RECORD_HEADER_BYTES - 1 + (commit & LOW_WORD)
            record = _checked(view, offset, end, commit, expected) if end <= size else None
            if record is None:
                self._offset, self._expected = offset, expected
                if not self._give_up_on_record(now_ns, commit, end):
                    return
                offset, expected = self._offset, self._expected
                continue
            if expected > self._after:
                out.append(record)
            offset = (end + 7) & ~7
            expected += 1
            self._suspect_since_ns = None
        self._offset, self._expected = offset, expected

    def _give_up_on_record(self, now_ns: int, commit: int, end: int) -> bool:
        """Decide on a record that does not check out: False to leave it for now, True when it was passed over."""
        if self._suspect_since_ns is None:
            self._suspect_since_ns = now_ns
        if now_ns - self._suspect_since_ns < CORRUPT_AFTER_NS:
            return False
        self._suspect_since_ns = None
        segment = self._segment
        assert segment is not None  # noqa: S101 - a record was read from it
        length_known = commit >> 32 == self._expected & LOW_WORD and end <= segment.size_bytes
        self._fault("corrupt", self._offset, count=int(length_known))
        if not length_known:
            self._abandoned = True
            self._offset = segment.size_bytes
            return True
        self._offset = (end + 7) & ~7
        self._expected += 1
        return True

    def _fault(self, reason: str, offset: int, count: int) -> None:
        name = self._segment.path.name if self._segment else ""
        self._faults.append(
            LogFault(reason=reason, segment=name, offset=offset, first_sequence=self._expected, count=count)
        )

    def _open_first(self) -> bool:
        listed = list_segments(self._directory)
        if not listed:
            return False
        wanted = self._after + 1
        first = max((s for s, _ in listed if s <= wanted), default=listed[0][0])
        self._expected = wanted if self._after else 0
        return self._enter([entry for entry in listed if entry[0] >= first])

    def _open_next(self, out: list[Record], limit: int, now_ns: int) -> bool:
        current = self._segment
        if current is None:
            return False
        listed = [entry for entry in list_segments(self._directory) if entry[0] >= current.first_sequence]
        later = listed if listed and _is_another(listed[0], current) else listed[1:]
        if not later:
            return False
        if not self._abandoned:
            # The appender commits its last record here before it shows the next segment.
            before = len(out)
            self._read_segment(out, limit, now_ns)
            if len(out) > before or self._suspect_since_ns is not None:
                return self._suspect_since_ns is None
        return self._enter(later)

    def _enter(self, listed: list[tuple[int, Path]]) -> bool:
        """Open the first of these segments that can be opened; False when there is none yet."""
        for first_sequence, path in listed:
            try:
                fresh = open_segment(path)
            except FileNotFoundError:
                continue
            except CorruptSegmentError:
                self._faults.append(
                    LogFault(reason="corrupt", segment=path.name, offset=0, first_sequence=first_sequence, count=0)
                )
                continue
            self._switch_to(fresh)
            return True
        return False

    def _switch_to(self, fresh: Segment) -> None:
        old = self._segment
        if old is not None and old.log_id != fresh.log_id:
            fresh.close()
            raise LogFormatError(
                f"{fresh.path} belongs to another log than the one being read: two recorders share the buffer "
                "directory; give each its own --buffer-dir"
            )
        if 0 < self._expected < fresh.first_sequence:
            missing = fresh.first_sequence - self._expected
            self._segment = fresh
            self._fault("missing", 0, count=missing)
        if old is not None:
            old.close()
        self._segment = fresh
        self._expected = fresh.first_sequence
        self._offset = SEGMENT_HEADER_BYTES
        self._abandoned = False


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


def _is_another(listed: tuple[int, Path], current: Segment) -> bool:
    """Whether a listed segment is not the one that is mapped.

    An appender that finds a segment without a record in it puts its own first segment in that one's place.
    """
    first_sequence, path = listed
    if first_sequence != current.first_sequence:
        return True
    try:
        return path.stat().st_ino != current.inode
    except FileNotFoundError:
        return False


def _checked(view: memoryview, offset: int, end: int, commit: int, expected: int) -> Record | None:
    """Return the record at an offset if commit word, sequence number and CRC agree."""
    crc, kind, flags, sequence, received_ns = RECORD_BODY_HEAD.unpack_from(view, offset + CRC_OFFSET)
    if sequence != expected or commit >> 32 != expected & LOW_WORD:
        return None
    if crc32c(view[offset + CHECKED_OFFSET : end]) != crc:
        return None
    return Record(sequence, kind, flags, received_ns, view[offset + RECORD_HEADER_BYTES : end])


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
    return log_id, following


def _end_of(segment: Segment, most: int) -> int:
    """Return the sequence number behind a segment's last record; a safe upper bound where it is damaged."""
    offset, expected, size = SEGMENT_HEADER_BYTES, segment.first_sequence, segment.size_bytes
    while offset + RECORD_HEADER_BYTES <= size:
        commit = segment.words[offset >> 3]
        if commit == 0:
            return expected
        if commit >> 32 != expected & LOW_WORD:
            return most
        offset = (offset + RECORD_HEADER_BYTES - 1 + (commit & LOW_WORD) + 7) & ~7
        expected += 1
    return expected
