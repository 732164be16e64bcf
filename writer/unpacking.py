"""msgpack, read so that whatever the bytes are, the outcome is an object or one named fault."""

from __future__ import annotations

from typing import Any

import msgpack

from aggregator.errors import UndecodableMessage

PAIR = 0x92
"""First byte of an array of two, as every usual packer writes it."""

# Invalid UTF-8 becomes lone surrogates, which names and columns mend: one bad string does not cost its message.
READING: dict[str, Any] = {"raw": False, "strict_map_key": False, "unicode_errors": "surrogateescape"}
"""How every message is unpacked."""


def unpacked(payload: memoryview) -> object:
    """Unpack exactly one object.

    Raises
    ------
    UndecodableMessage
        With the reason `not-msgpack`, `trailing-bytes` or `too-deep`.
    """
    try:
        return msgpack.unpackb(payload, **READING)
    except msgpack.ExtraData as error:
        raise UndecodableMessage("trailing-bytes") from error
    except msgpack.StackError as error:
        raise UndecodableMessage("too-deep") from error
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        # TypeError is a list or map as a map's key; MemoryError a length that the bytes only claim.
        raise UndecodableMessage("not-msgpack") from error


def second_of_pair(payload: memoryview) -> int:
    """Return where the second object starts in the bytes of a valid pair."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(payload), **READING)
    unpacker.feed(payload)
    unpacker.read_array_header()
    unpacker.skip()
    start: int = unpacker.tell()
    return start
