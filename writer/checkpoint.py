"""The checkpoint: what the writer has made durable, in two alternating slots.

Slot layout, little-endian; see docs/reference/checkpoint.md:

    0        8         12       16           24              32     36
    +--------+---------+--------+------------+---------------+------+------------------+
    | magic  | version | zero   | generation | payload bytes | crc  | payload, msgpack |
    | HKAGGCKP| u32    | u32    | u64        | u64           | u32  |                  |
    +--------+---------+--------+------------+---------------+------+------------------+

The CRC-32C covers everything before it and the payload. The slot of the older generation is overwritten, so that
there is a whole one at any instruction.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
from crc32c import crc32c

from aggregator.crash_points import crash_point
from aggregator.errors import CheckpointError

MAGIC = b"HKAGGCKP"
VERSION = 1
SLOT_HEAD = struct.Struct("<8sIIQQ")
CRC = struct.Struct("<I")
SLOT_NAMES = ("checkpoint.0", "checkpoint.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that a writer needs to go on, beside the log.

    Parameters
    ----------
    log_id : int
        The log that the sequence numbers belong to.
    drained : int
        Every record up to this one has been taken from the log at least once; the counters are as of here.
    replay_from : int
        Oldest sequence number that is not durable for every provider.
    session : bytes
        Payload of the open session's SESSION_START; empty when none is open.
    file : str
        The open archive file; empty when none is open.
    valid_length : int
        How many bytes of it are valid.
    registry : list
        State of the providers (`Registry.to_checkpoint`).
    counters : dict
        `Counters.snapshot` as of `drained`.
    """

    log_id: int
    drained: int = 0
    replay_from: int = 0
    session: bytes = b""
    file: str = ""
    valid_length: int = 0
    registry: list[Any] = field(default_factory=list)
    counters: dict[str, Any] = field(default_factory=dict)


class CheckpointStore:
    """The two slots in the buffer directory.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / name for name in SLOT_NAMES]
        self._generation = 0
        self.faults: list[str] = []

    def load(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, or None where there is none; `faults` says what was wrong."""
        found, missing = [], []
        for path in self._paths:
            try:
                found.append(read_slot(path))
            except FileNotFoundError:
                missing.append(path)
            except CheckpointError as error:
                self.faults.append(str(error))
        if not found:
            return None
        self._generation, newest = max(found, key=lambda entry: entry[0])
        if self._generation > 1:
            self.faults += [f"{path} is gone" for path in missing]
        return newest

    def save(self, checkpoint: Checkpoint, *, durable: bool = True) -> None:
        """Write the next generation over the older slot.

        Parameters
        ----------
        checkpoint : Checkpoint
            What to keep.
        durable : bool
            Whether to wait until the buffer's disk has it; shared memory has it at once.

        Raises
        ------
        OSError
            When the buffer directory has no room; the other slot is whole then.
        """
        generation = self._generation + 1
        content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
        payload = msgpack.packb(content)
        head = SLOT_HEAD.pack(MAGIC, VERSION, 0, generation, len(payload))
        whole = head + CRC.pack(crc32c(payload, crc32c(head))) + payload
        descriptor = os.open(self._paths[generation % 2], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            crash_point("writer.checkpoint-begun")
            written = 0
            while written < len(whole):
                written += os.write(descriptor, memoryview(whole)[written:])
            if durable:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._generation = generation
        crash_point("writer.checkpoint-saved")


def read_slot(path: Path) -> tuple[int, Checkpoint]:
    """Return generation and checkpoint of a slot.

    Raises
    ------
    FileNotFoundError
        When the slot has never been written.
    CheckpointError
        When it is torn, or of a format that this program does not read.
    """
    raw = path.read_bytes()
    if len(raw) < SLOT_HEAD.size + CRC.size:
        raise CheckpointError(f"{path} is torn")
    magic, version, _, generation, length = SLOT_HEAD.unpack_from(raw)
    if magic != MAGIC or version != VERSION:
        raise CheckpointError(f"{path} is not a checkpoint of format version {VERSION}")
    payload = raw[SLOT_HEAD.size + CRC.size :][:length]
    (crc,) = CRC.unpack_from(raw, SLOT_HEAD.size)
    if len(payload) < length or crc != crc32c(payload, crc32c(raw[: SLOT_HEAD.size])):
        raise CheckpointError(f"{path} is torn")
    content = msgpack.unpackb(payload, strict_map_key=False)
    return generation, Checkpoint(**content)
