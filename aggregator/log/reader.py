"""The reading end of the log."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from aggregator.errors import LogFormatError
from aggregator.layout import (
    CHECKED_OFFSET,
    CRC_OFFSET,
    LOW_WORD,
    RECORD_BODY_HEAD,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
)
from aggregator.segment import CorruptSegmentError, Segment, list_segments, open_segment

unpack_head = RECORD_BODY_HEAD.unpack_from

CORRUPT_AFTER_NS = 50_000_000
"""A record that does not check out is read again for this long before it is called corrupt."""


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
        OSError
            When the buffer directory cannot be read; nothing is lost by it.
        """
        out: list[Record] = []
        try:
            while len(out) < limit and self._read_on(out, limit, now_ns):
                pass
        except OSError:
            # What has been read must not be lost with it; the next call meets the error again.
            if not out:
                raise
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
        offset, expected, after = self._offset, self._expected, self._after
        found = len(out)
        while found < limit and offset + RECORD_HEADER_BYTES <= size:
            commit = words[offset >> 3]
            if commit == 0:
                break
            end = offset + RECORD_HEADER_BYTES - 1 + (commit & LOW_WORD)
            crc, kind, flags, sequence, received_ns = unpack_head(view, offset + CRC_OFFSET)
            if (
                sequence != expected
                or commit >> 32 != expected & LOW_WORD
                or end > size
                or crc32c(view[offset + CHECKED_OFFSET : end]) != crc
            ):
                self._offset, self._expected = offset, expected
                if not self._give_up_on_record(now_ns, commit, end):
                    return
                offset, expected = self._offset, self._expected
                continue
            if expected > after:
                out.append(Record(sequence, kind, flags, received_ns, view[offset + RECORD_HEADER_BYTES : end]))
                found += 1
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

    def _read_on(self, out: list[Record], limit: int, now_ns: int) -> bool:
        """Read the rest of the segment and enter the next one; False when there is no more for now."""
        if self._segment is None and not self._open_first():
            return False
        if not self._abandoned:
            self._read_segment(out, limit, now_ns)
        if len(out) >= limit or self._suspect_since_ns is not None:
            return False
        return self._open_next(out, limit, now_ns)

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
