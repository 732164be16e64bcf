"""Payloads of the log's control records: session start, gap, session stop.

MESSAGE has none of these: its payload is the msgpack `[data, feed]` as it came off the wire.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import msgpack

from aggregator.errors import RecordPayloadError

DESCRIPTION = "HK data"
"""What the session frame of every archive of a housekeeping aggregator says."""

P = TypeVar("P", bound="ControlPayload")


class ControlPayload:
    """A frozen dataclass that travels as a msgpack map; unknown keys of a newer version are ignored."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_bytes(self) -> bytes:
        """Pack for the log."""
        packed: bytes = msgpack.packb(asdict(self))
        return packed

    @classmethod
    def from_bytes(cls: type[P], payload: bytes | memoryview) -> P:
        """Unpack from the log.

        Raises
        ------
        RecordPayloadError
            When the bytes are not such a map or a key is missing.
        """
        try:
            content = msgpack.unpackb(payload)
            known = {f.name: content[f.name] for f in fields(cls) if f.name in content}
            return cls(**known)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise RecordPayloadError(f"a {cls.__name__} record cannot be read: {error}") from error


def session_id_for(start_s: int, pid: int, description: str) -> int:
    """Return a session's number, which sorts by time, as so3g's HKSessionHelper makes it.

    Parameters
    ----------
    start_s : int
        Unix seconds.
    pid : int
        The recorder's process id, of which 14 bits count.
    description : str
        The session's description, of whose CRC-32 14 bits count.
    """
    checksum = crc32(description.encode("utf-8", "replace"))
    return (start_s & 0xFFFFFFFF) << 28 | (pid & 0x3FFF) << 14 | (checksum & 0x3FFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart(ControlPayload):
    """All that the writer needs to know of a session, so that replay needs nothing else.

    Parameters
    ----------
    session_id : int
        The archive's `session_id` (so3g HK schema v2).
    start_ns : int
        Start of the session, Unix nanoseconds.
    description : str
        The session frame's description.
    data_dir : str
        Absolute root of the archive.
    time_per_file_s : float
        Rotation period in seconds.
    max_file_bytes : int
        Rotation size.
    fsync : str
        A value of `FsyncPolicy`.
    buffer_bytes : int
        Limit of the buffer, from which the writer knows how full it is.
    """

    session_id: int
    start_ns: int
    description: str
    data_dir: str
    time_per_file_s: float
    max_file_bytes: int
    fsync: str
    buffer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStop(ControlPayload):
    """The orderly end of a session.

    Parameters
    ----------
    stop_ns : int
        Unix nanoseconds.
    """

    stop_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(ControlPayload):
    """Messages known to be missing.

    Parameters
    ----------
    from_ns, to_ns : int
        Span in which they were lost, Unix nanoseconds.
    reason : str
        Short and machine-readable, such as `buffer-full` or `transport-lost`.
    counts : Mapping[str, int]
        Messages lost by feed address; 0 when nobody can know how many, empty when nobody can know of which feeds.
    """

    from_ns: int
    to_ns: int
    reason: str
    counts: Mapping[str, int] = field(default_factory=dict)
