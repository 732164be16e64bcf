"""Packs decoded events into msgpack, for routers that speak CBOR or JSON.

What msgpack cannot carry is converted as little as possible: integers beyond 64 bits and decimals become doubles,
other foreign types their text. Lone surrogates stay as they are, as they would in msgpack off the wire.
"""

from __future__ import annotations

import base64
import binascii
import fractions
from collections.abc import Mapping, Set
from decimal import Decimal
from typing import Any

import msgpack

from ingest.event import FeedEvent, malformed_event
from ingest.feed_header import FeedCache

PACKING_ERRORS = (ValueError, TypeError, OverflowError, RecursionError, MemoryError)
_PAIR_HEAD = b"\x92"


def pack(value: Any) -> bytes:
    """Pack anything that a WAMP serializer hands over.

    Raises
    ------
    ValueError, TypeError, OverflowError, RecursionError, MemoryError
        When it cannot be packed: nested too deep, endless, too long.
    """
    packed: bytes = msgpack.packb(value, default=_converted, unicode_errors="surrogatepass")
    return packed


def _converted(value: Any) -> Any:
    if isinstance(value, (int, Decimal, fractions.Fraction)):
        return _as_double(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return list(value)
    return str(value)


def _as_double(number: int | Decimal | fractions.Fraction) -> float | str:
    try:
        return float(number)
    except (OverflowError, ValueError):
        return hex(number) if isinstance(number, int) else str(number)


def repack(message: Any, envelope: bytes, feeds: FeedCache) -> FeedEvent:
    """Return the event of a decoded WAMP EVENT; anything but one readable pair gives a malformed one. Never raises.

    Parameters
    ----------
    message : list
        `[36, subscription, publication, details, args?, kwargs?]`.
    envelope : bytes
        What it was decoded from, kept when the event is malformed.
    feeds : FeedCache
        Shared by all readers of a process.
    """
    ids = message[1:3] if isinstance(message, list) else []
    if len(ids) != 2 or not all(isinstance(number, int) for number in ids):
        return malformed_event(None, 0, envelope)
    subscription, publication = ids
    try:
        data, feed_part = _pack_pair(message[4:])
    except PACKING_ERRORS:
        return malformed_event(subscription, publication, envelope)
    feed = feeds.look_up(feed_part)
    if feed is None:
        return malformed_event(subscription, publication, envelope)
    packed = b"".join((_PAIR_HEAD, data, feed_part))
    feed_begin = len(_PAIR_HEAD) + len(data)
    return FeedEvent(subscription, publication, packed, 0, feed_begin, len(packed), feed)


def _pack_pair(arguments: list[Any]) -> tuple[bytes, bytes]:
    args, kwargs = [*arguments, None, None][:2]
    ((data, feed),) = args
    if kwargs:
        raise ValueError("keyword arguments cannot be archived")
    return pack(data), pack(feed)


def restore_binaries(value: Any) -> Any:
    """Turn the strings that stand for bytes in WAMP's JSON, NUL and base64, into bytes again."""
    if isinstance(value, str):
        return _bytes_or_text(value)
    if isinstance(value, list):
        return [restore_binaries(item) for item in value]
    if isinstance(value, dict):
        return {key: restore_binaries(item) for key, item in value.items()}
    return value


def _bytes_or_text(text: str) -> bytes | str:
    if not text.startswith("\0"):
        return text
    try:
        return base64.b64decode(text[1:], validate=True)
    except (binascii.Error, ValueError):
        return text
