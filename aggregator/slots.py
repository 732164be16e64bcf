"""The two slots of the writer's checkpoint: their layout and how to read one.

Slot layout, little-endian; see docs/reference/checkpoint.md:

    0        8         12       16           24              32     36
    +--------+---------+--------+------------+---------------+------+------------------+
    | magic  | version | zero   | generation | payload bytes | crc  | payload, msgpack |
    | HKAGGCKP| u32    | u32    | u64        | u64           | u32  |                  |
    +--------+---------+--------+------------+---------------+------+------------------+

The CRC-32C covers everything before it and the payload. The slot of the older generation is overwritten, so that
there is a whole one at any instruction. What the payload means is the writer's affair, but for the two numbers that
ingest asks for when it goes on with a log.
"""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import msgpack
from crc32c import crc32c

from aggregator.errors import CheckpointError

MAGIC = b"HKAGGCKP"
VERSION = 1
SLOT_HEAD = struct.Struct("<8sIIQQ")
CRC = struct.Struct("<I")
SLOT_NAMES = ("checkpoint.0", "checkpoint.1")


def slot_bytes(generation: int, content: dict[str, Any]) -> bytes:
    """Return a whole slot."""
    payload = msgpack.packb(content)
    head = SLOT_HEAD.pack(MAGIC, VERSION, 0, generation, len(payload))
    return bytes(head + CRC.pack(crc32c(payload, crc32c(head))) + payload)


def read_slot(path: Path) -> tuple[int, dict[str, Any]]:
    """Return generation and content of a slot.

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
    content: dict[str, Any] = msgpack.unpackb(payload, strict_map_key=False)
    return generation, content


def last_drained(directory: Path, log_id: int) -> int:
    """Return the last sequence number of a log that the writer has taken for sure; 0 when it has said nothing."""
    drained = 0
    for name in SLOT_NAMES:
        with contextlib.suppress(FileNotFoundError, CheckpointError):
            _, content = read_slot(directory / name)
            if content.get("log_id") == log_id:
                drained = max(drained, content.get("drained", 0))
    return drained
