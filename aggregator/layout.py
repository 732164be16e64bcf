"""Byte layout of log segments and records: constants and offsets, no I/O.

Everything is little-endian. A segment file is one header and then records, each 8-byte aligned:

    segment header, 64 bytes
    0        8        12       16       24       32       40           60     64
    +--------+--------+--------+--------+--------+--------+------------+------+
    | magic  | version| size   | log id | first  | reserved            | crc  |
    |        | u32    | u32/Ki | u64    | seq u64| zero                | u32  |
    +--------+--------+--------+--------+--------+--------+------------+------+

    record, header 32 bytes
    0        8        12     14     16       24           32
    +--------+--------+------+------+--------+------------+---------+-----+
    | commit | crc32c | kind | flags| seq    | received_ns| payload | pad |
    | u64    | u32    | u16  | u16  | u64    | u64        |         |     |
    +--------+--------+------+------+--------+------------+---------+-----+

`commit = (low 32 bits of seq) << 32 | payload length + 1`, stored last, as one aligned 8-byte store: a record is
there when its commit word is. The CRC covers kind to payload. See docs/reference/segment.md and record.md.
"""

from __future__ import annotations

import enum
import struct

MAGIC = b"HKAGGLOG"
VERSION = 1

SEGMENT_HEADER = struct.Struct("<8sIIQQ28xI")
"""magic, version, size in KiB, log id, first sequence, CRC-32C of the bytes before it."""

SEGMENT_HEADER_BYTES = SEGMENT_HEADER.size

RECORD_BODY_HEAD = struct.Struct("<IHHQQ")
"""crc, kind, flags, sequence, received_ns: what follows the commit word."""

RECORD_HEADER_BYTES = 8 + RECORD_BODY_HEAD.size
CRC_OFFSET = 8
CHECKED_OFFSET = 12
ALIGNMENT = 8
LOW_WORD = 0xFFFFFFFF
"""Mask of the lower half of a commit word, and of the part of a sequence number that is in it."""

CONTROL_RESERVE_FRACTION = 64
"""One part in this many of a segment is kept for control records, so that a full log can still say so."""

SEGMENT_SUFFIX = ".segment"
SPARE_NAME = "spare.tmp"


class RecordKind(enum.IntEnum):
    """What a record of the log is."""

    SESSION_START = 1
    MESSAGE = 2
    GAP = 3
    SESSION_STOP = 4


MALFORMED = 1
"""Flag of a MESSAGE whose feed part could not be read; the writer quarantines it whole."""

CONTINUED = 1
"""Flag of a SESSION_START that only repeats the open session at the head of a further segment."""


def record_bytes(payload_bytes: int) -> int:
    """Space that a record with such a payload takes, padding included."""
    return (RECORD_HEADER_BYTES + payload_bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1)


def commit_word(sequence: int, payload_bytes: int) -> int:
    """Return the word whose store makes the record exist."""
    return (sequence & LOW_WORD) << 32 | (payload_bytes + 1)


def record_end(offset: int, commit: int) -> int:
    """Return the offset of the record behind the one at `offset`, from that one's commit word."""
    return offset + record_bytes((commit & LOW_WORD) - 1)


def segment_name(first_sequence: int) -> str:
    """Return the file name of the segment that starts at a sequence number; names sort as the log runs."""
    return f"{first_sequence:020d}{SEGMENT_SUFFIX}"


def control_reserve(segment_bytes: int) -> int:
    """Bytes at the end of a segment that only control records may use."""
    return max(4096, segment_bytes // CONTROL_RESERVE_FRACTION)


def max_message_bytes(segment_bytes: int) -> int:
    """Return the largest MESSAGE payload that a segment of this size can take beside a SESSION_START."""
    return segment_bytes - SEGMENT_HEADER_BYTES - 2 * control_reserve(segment_bytes) - RECORD_HEADER_BYTES
