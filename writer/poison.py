"""Which records a writer died at, so that one that kills it again and again is passed over.

Before messages are taken from the log, a small file in the buffer directory says which; afterwards, that they are
taken. A writer that finds messages named there knows that its predecessor died at them, and takes them one by one.
The file is one CRC-32C and a msgpack map, written in one go; a torn one only forgets.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgpack
from crc32c import crc32c

FILE_NAME = "taking"
DEATHS = 3
"""So many deaths at one record make it poison."""
LARGEST_BYTES = 1 << 16


@dataclass(slots=True, kw_only=True)
class _Taking:
    log_id: int = 0
    first: int = 0
    last: int = 0
    until: int = 0
    deaths: int = 0
    poison: list[int] = field(default_factory=list)


class Suspects:
    """The records that are being taken, and those that a writer died at.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._state = _read(self._descriptor)
        self._blamed, self._deaths = 0, 1
        if self._state.first:
            self._blame()

    def begin_log(self, log_id: int) -> None:
        """Forget what was said of the records of another log."""
        if self._state.log_id != log_id:
            self._state = _Taking(log_id=log_id)
            self._blamed = 0

    def is_poison(self, sequence: int) -> bool:
        """Whether a record has killed the writer too often."""
        return sequence in self._state.poison

    def must_be_alone(self, sequence: int) -> bool:
        """Whether a message is to be taken by itself, since it may be the one that the last writer died at."""
        return sequence <= self._state.until

    def enter(self, first: int, last: int) -> None:
        """Note which messages are about to be taken."""
        state = self._state
        before = self._deaths if first == self._blamed else int(last <= state.until)
        state.first, state.last, state.deaths = first, last, before + 1
        self._write()

    def leave(self) -> None:
        """Note that they are taken."""
        self._state.first = self._state.last = 0
        self._write()

    def forget_below(self, sequence: int) -> None:
        """Forget the poison that no replay can meet any more."""
        self._state.poison = [poison for poison in self._state.poison if poison >= sequence]

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _blame(self) -> None:
        state = self._state
        state.until = max(state.until, state.last)
        if state.first == state.last:
            self._blamed, self._deaths = state.first, state.deaths
            if state.deaths >= DEATHS:
                state.poison.append(state.first)
        self.leave()

    def _write(self) -> None:
        payload: bytes = msgpack.packb(asdict(self._state))
        # Without room for it, the only harm is that a death now would not be noted.
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, crc32c(payload).to_bytes(4, "little") + payload, 0)


def _read(descriptor: int) -> _Taking:
    raw = os.pread(descriptor, LARGEST_BYTES, 0)
    unpacker = msgpack.Unpacker()
    unpacker.feed(raw[4:])
    with contextlib.suppress(ValueError, TypeError, msgpack.UnpackException):
        state = _Taking(**unpacker.unpack())
        length = unpacker.tell()
        if int.from_bytes(raw[:4], "little") == crc32c(raw[4 : 4 + length]):
            return state
    return _Taking()
