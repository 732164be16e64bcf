"""The settings of a recorder, checked when they are made; nothing else reads arguments or the environment."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from pathlib import Path

from aggregator.errors import SettingsError

MIB = 1 << 20
DEFAULT_SEGMENT_BYTES = 16 * MIB
SMALLEST_SEGMENT_BYTES = 64 << 10
FEWEST_SEGMENTS = 4
PAGE_BYTES = 4096
LONGEST_FILE_S = 3600.0
"""so3g's load_range and HKTree look at most an hour around a time span, so longer files hide data."""


class FsyncPolicy(str, enum.Enum):
    """When the writer asks the disk to make archive bytes durable."""

    NEVER = "never"
    ROTATE = "rotate"
    FRAME = "frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferSettings:
    """Where the log lives and how large it may grow.

    Parameters
    ----------
    directory : Path
        The buffer directory, mode 0700, never inside the data directory.
    size_bytes : int
        Upper limit of all segments together.
    segment_bytes : int
        Size of one segment file; a whole number of pages.

    Raises
    ------
    SettingsError
        When the buffer is too small for four segments.
    """

    directory: Path
    size_bytes: int
    segment_bytes: int

    def __post_init__(self) -> None:
        smallest = FEWEST_SEGMENTS * SMALLEST_SEGMENT_BYTES
        if self.size_bytes < smallest:
            raise SettingsError(
                f"a buffer of {self.size_bytes} bytes is too small: give --buffer-size at least {smallest}"
            )
        if self.segment_bytes % PAGE_BYTES or self.segment_bytes < SMALLEST_SEGMENT_BYTES:
            raise SettingsError(
                f"a segment of {self.segment_bytes} bytes is not a whole number of pages from "
                f"{SMALLEST_SEGMENT_BYTES} bytes on"
            )
        if self.segment_bytes * FEWEST_SEGMENTS > self.size_bytes:
            raise SettingsError(f"a buffer of {self.size_bytes} bytes does not hold {FEWEST_SEGMENTS} segments")

    @classmethod
    def of_size(cls, directory: Path, size_bytes: int) -> BufferSettings:
        """Choose the segment size for a buffer of `size_bytes`: 16 MiB, or an eighth of a small buffer."""
        eighth = size_bytes // 8 // PAGE_BYTES * PAGE_BYTES
        segment_bytes = max(SMALLEST_SEGMENT_BYTES, min(DEFAULT_SEGMENT_BYTES, eighth))
        return cls(directory=directory, size_bytes=size_bytes, segment_bytes=segment_bytes)

    @property
    def most_segments(self) -> int:
        """How many segments the buffer may hold at once."""
        return self.size_bytes // self.segment_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """What is recorded where, for one session.

    Parameters
    ----------
    data_dir : Path
        Root of the archive.
    time_per_file_s : float
        Longest time that one file stays open, in seconds.
    max_file_bytes : int
        Size from which on a file is closed.
    fsync : FsyncPolicy
        When archive bytes are made durable.

    Raises
    ------
    SettingsError
        When a number is not finite and positive.
    """

    data_dir: Path
    time_per_file_s: float = LONGEST_FILE_S
    max_file_bytes: int = 10**9
    fsync: FsyncPolicy = FsyncPolicy.ROTATE

    def __post_init__(self) -> None:
        if not (math.isfinite(self.time_per_file_s) and self.time_per_file_s >= 1):
            raise SettingsError(f"--time-per-file {self.time_per_file_s:g} is not a number of seconds from 1 on")
        if self.max_file_bytes < PAGE_BYTES:
            raise SettingsError(f"--max-file-size {self.max_file_bytes} is less than {PAGE_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much one message, block or feed may bring before it goes to quarantine.

    Parameters
    ----------
    message_bytes : int
        Largest payload of one message.
    fields_per_block : int
        Most fields of one block.
    depth : int
        Deepest nesting of a message.
    blocks_per_feed : int
        Most blocks of one feed.
    providers : int
        Most providers active at once.

    Raises
    ------
    SettingsError
        When a cap is not positive.
    """

    message_bytes: int = 16 * MIB
    fields_per_block: int = 10_000
    depth: int = 8
    blocks_per_feed: int = 1024
    providers: int = 10_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise SettingsError(f"the cap {name} must be at least 1")
