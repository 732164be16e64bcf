"""As much of the WebSocket protocol as a server needs that sends ready-made frames. Source: RFC 6455."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from typing import NamedTuple

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
LONGEST_REQUEST = 16 << 10
_FINAL = 0x80
_MASKED = 0x80
_ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"^sec-websocket-key:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class ClientFrame(NamedTuple):
    """A frame from a client, unmasked."""

    opcode: int
    payload: bytes


def frame_head(length: int, opcode: int = BINARY) -> bytes:
    """Return what stands before a server's payload of a length in bytes."""
    first = _FINAL | opcode
    if length < 126:
        return struct.pack(">BB", first, length)
    if length < 1 << 16:
        return struct.pack(">BBH", first, 126, length)
    return struct.pack(">BBQ", first, 127, length)


def accept_handshake(request: bytes, subprotocol: str) -> bytes:
    """Return the answer to a client's opening request.

    Raises
    ------
    ValueError
        When it does not ask for a WebSocket.
    """
    key = _KEY.search(request)
    if key is None:
        raise ValueError("not a WebSocket's opening handshake")
    accept = base64.b64encode(hashlib.sha1(key[1] + _ACCEPT_SALT, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % (accept, subprotocol.encode())
    )


def take_client_frame(received: bytearray) -> ClientFrame | None:
    """Take the first whole frame out of what a client sent; None when it is not whole yet."""
    if len(received) < 2:
        return None
    length, offset = received[1] & 0x7F, 2
    if length == 126:
        offset = 4
    elif length == 127:
        offset = 10
    if len(received) < offset:
        return None
    if offset > 2:
        length = int.from_bytes(received[2:offset], "big")
    mask_bytes = 4 if received[1] & _MASKED else 0
    end = offset + mask_bytes + length
    if len(received) < end:
        return None
    mask, payload = received[offset : offset + mask_bytes], received[offset + mask_bytes : end]
    opcode = received[0] & 0x0F
    del received[:end]
    return ClientFrame(opcode, _unmasked(payload, mask) if mask else bytes(payload))


def _unmasked(payload: bytearray, mask: bytearray) -> bytes:
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    both = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return both.to_bytes(len(payload), "big")
