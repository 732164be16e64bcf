"""The quarantine: input that the archive cannot represent, kept whole with the reason, bounded.

Entries are msgpack maps in files of about a megabyte under `<buffer-dir>/quarantine`, oldest file first by name.
When the limit is reached the oldest file is discarded, and what was in it is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgpack

DIRECTORY_NAME = "quarantine"
FILE_BYTES = 1 << 20
LIMIT_BYTES = 64 << 20
SUFFIX = ".msgpack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in quarantine.

    Parameters
    ----------
    sequence : int
        The log record that it came in; 0 for what did not come from the log.
    part : int
        Tells the parts of one record apart, so that a replay does not put one here twice.
    received_ns : int
        Unix nanoseconds.
    reason : str
        Short and machine-readable.
    address : str
        The feed, where it is known.
    block, field : str
        Where in the message, where it is known.
    content : bytes
        msgpack of what could not be represented, or the raw bytes.
    log_id : int
        The log that the sequence number belongs to; put in by the quarantine.
    """

    sequence: int
    part: int
    received_ns: int
    reason: str
    address: str = ""
    block: str = ""
    field: str = ""
    content: bytes = b""
    log_id: int = 0


class Quarantine:
    """The writing end of the quarantine.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    limit_bytes : int
        Most bytes of all files together.
    """

    def __init__(self, directory: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._directory = directory / DIRECTORY_NAME
        self._limit_bytes = limit_bytes
        self._file_bytes = min(FILE_BYTES, max(1, limit_bytes // 4))
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._log_id = 0
        self._known: set[tuple[int, int, int]] = set()
        self._sizes: dict[Path, int] = {}
        self.discarded = 0
        for path in quarantine_files(directory):
            self._cut_torn_tail(path)

    def begin_log(self, log_id: int) -> None:
        """Say which log the sequence numbers from now on belong to."""
        self._log_id = log_id
        self._known = {key for key in self._known if key[0] == log_id}

    def put(self, entry: Entry) -> bool:
        """Keep an entry; False when it is here already, from before a restart.

        Raises
        ------
        OSError
            When the buffer directory has no room.
        """
        key = (self._log_id, entry.sequence, entry.part)
        if entry.sequence and key in self._known:
            return False
        packed = pack_any(asdict(replace(entry, log_id=self._log_id)))
        path = self._file_for(len(packed))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            write_whole(descriptor, packed, self._sizes.get(path, 0))
        finally:
            os.close(descriptor)
        self._sizes[path] = self._sizes.get(path, 0) + len(packed)
        if entry.sequence:
            self._known.add(key)
        return True

    def forget_below(self, sequence: int) -> None:
        """Forget which records are known here that no replay can meet any more."""
        if len(self._known) > 1000:
            self._known = {key for key in self._known if key[1] >= sequence}

    def _file_for(self, size: int) -> Path:
        newest = max(self._sizes, default=None)
        if newest is None or self._sizes[newest] + size > self._file_bytes:
            number = int(newest.stem) + 1 if newest else 1
            newest = self._directory / f"{number:020d}{SUFFIX}"
        while self._sizes and sum(self._sizes.values()) + size > self._limit_bytes:
            self._discard(min(self._sizes))
        return newest

    def _discard(self, path: Path) -> None:
        self.discarded += sum(1 for _ in read_entries(path))
        path.unlink(missing_ok=True)
        del self._sizes[path]

    def _cut_torn_tail(self, path: Path) -> None:
        end = 0
        for entry, entry_end in _walk(path.read_bytes()):
            end = entry_end
            if entry.sequence:
                self._known.add((entry.log_id, entry.sequence, entry.part))
        os.truncate(path, end)
        self._sizes[path] = end


def pack_any(content: object) -> bytes:
    """Return msgpack of anything that decoding a message can give; what msgpack refuses is kept as its text.

    Bytes that are no UTF-8 come out of the decoder as escapes, and go back as the bytes that they were.
    """
    try:
        return bytes(msgpack.packb(content, default=repr, unicode_errors="surrogateescape"))
    except UnicodeEncodeError:
        return bytes(msgpack.packb(content, default=repr, unicode_errors="surrogatepass"))


def quarantine_files(directory: Path) -> list[Path]:
    """Return the quarantine files of a buffer directory, oldest first."""
    return sorted((directory / DIRECTORY_NAME).glob(f"*{SUFFIX}"))


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the whole entries of a quarantine file."""
    return (entry for entry, _ in _walk(path.read_bytes()))


def _walk(raw: bytes) -> Iterator[tuple[Entry, int]]:
    unpacker = msgpack.Unpacker(max_buffer_size=0, strict_map_key=False, unicode_errors="surrogateescape")
    unpacker.feed(raw)
    while True:
        try:
            content: Any = unpacker.unpack()
            entry = Entry(**content)
        except (msgpack.OutOfData, msgpack.UnpackException, ValueError, TypeError):
            return
        yield entry, unpacker.tell()


def write_whole(descriptor: int, packed: bytes, start: int) -> None:
    """Append all of it to a file of `start` bytes, or nothing.

    Raises
    ------
    OSError
        When there is no room.
    """
    written = 0
    try:
        while written < len(packed):
            written += os.write(descriptor, packed[written:])
    except OSError:
        os.ftruncate(descriptor, start)
        raise
