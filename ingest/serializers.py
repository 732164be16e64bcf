"""WAMP serializers that hand feed messages on packed and leave everything else to autobahn."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import autobahn.twisted  # noqa: F401 - autobahn's serializers need to be told first that Twisted is used
import cbor2
from autobahn.wamp.exception import ProtocolError
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer
from twisted.logger import Logger

from ingest.event import FeedEvent, malformed_event
from ingest.feed_header import FeedCache
from ingest.passthrough import EVENT_MARK, EventReader
from ingest.repack import repack, restore_binaries

EventSink: TypeAlias = Callable[[FeedEvent], bool]
"""Takes an event of the feeds' subscription; False for one of another subscription, which autobahn then gets."""

_BINARY_EVENT = re.compile(rb"[\x84-\x86](?:\x24|\x18\x24)", re.DOTALL)
_BINARY_INVOCATION = re.compile(rb"[\x94-\x96]\x44|[\x84-\x86]\x18\x44", re.DOTALL)
_CBOR_IDS = struct.Struct(">3xBQBQ")
_CBOR_UINT64 = 0x1B
_JSON_EVENT = b"[36,"
_JSON_IDS = re.compile(rb"\[36,(\d{1,20}),(\d{1,20}),")
_JSON_INVOCATION = b"[68,"
_NUL_IN_JSON = b"\\u0000"

log = Logger()


def _decode_or_drop(
    decode: Callable[[bytes, bool | None], list[Any]], payload: bytes, is_binary: bool | None, *, droppable: bool
) -> list[Any]:
    """Decode as autobahn does, except that an undecodable event or call costs itself and not the connection."""
    try:
        return decode(payload, is_binary)
    except ProtocolError as error:
        if not droppable:
            raise
        log.warn("dropped a WAMP message that cannot be decoded: {error}", error=error)
        return []


class PassthroughMsgPackSerializer(MsgPackSerializer):
    """Hands on EVENTs as they came off the wire.

    Parameters
    ----------
    sink : EventSink
        Where they go.
    feeds : FeedCache
        Shared by all serializers of a process.
    """

    def __init__(self, sink: EventSink, feeds: FeedCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # autobahn types only a part of itself
        self._sink = sink
        self._reader = EventReader(feeds)

    def unserialize(self, payload: bytes, isBinary: bool | None = None) -> list[Any]:  # noqa: N803 - autobahn's name
        """Return the WAMP messages of a transport message, without those that went to the sink."""
        is_event = payload[1:2] == EVENT_MARK and isBinary is not False
        if is_event and self._sink(self._reader.read(payload)):
            return []
        droppable = is_event or _BINARY_INVOCATION.match(payload) is not None
        return _decode_or_drop(super().unserialize, payload, isBinary, droppable=droppable)


class RepackingCBORSerializer(CBORSerializer):
    """Decodes EVENTs and packs them as msgpack, once.

    Parameters
    ----------
    sink : EventSink
        Where they go.
    feeds : FeedCache
        Shared by all serializers of a process.
    """

    def __init__(self, sink: EventSink, feeds: FeedCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # autobahn types only a part of itself
        self._sink = sink
        self._feeds = feeds

    def unserialize(self, payload: bytes, isBinary: bool | None = None) -> list[Any]:  # noqa: N803 - autobahn's name
        """Return the WAMP messages of a transport message, without those that went to the sink."""
        is_event = _BINARY_EVENT.match(payload) is not None and isBinary is not False
        if is_event and self._sink(self._read(payload)):
            return []
        droppable = is_event or _BINARY_INVOCATION.match(payload) is not None
        return _decode_or_drop(super().unserialize, payload, isBinary, droppable=droppable)

    def _read(self, payload: bytes) -> FeedEvent:
        try:
            message = cbor2.loads(payload)
        except Exception:  # noqa: BLE001 - tags run foreign decoders that raise anything; the event is quarantined
            return malformed_event(*_cbor_ids(payload), payload)
        return repack(message, payload, self._feeds)


def _cbor_ids(payload: bytes) -> tuple[int | None, int]:
    if len(payload) < _CBOR_IDS.size:
        return None, 0
    first_mark, subscription, second_mark, publication = _CBOR_IDS.unpack_from(payload)
    return (subscription, publication) if first_mark == second_mark == _CBOR_UINT64 else (None, 0)


class RepackingJsonSerializer(JsonSerializer):
    """Decodes EVENTs with the fast decoder, which autobahn does not use, and packs them as msgpack, once.

    Parameters
    ----------
    sink : EventSink
        Where they go.
    feeds : FeedCache
        Shared by all serializers of a process.
    """

    def __init__(self, sink: EventSink, feeds: FeedCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # autobahn types only a part of itself
        self._sink = sink
        self._feeds = feeds

    def unserialize(self, payload: bytes, isBinary: bool | None = None) -> list[Any]:  # noqa: N803 - autobahn's name
        """Return the WAMP messages of a transport message, without those that went to the sink."""
        is_event = payload.startswith(_JSON_EVENT) and not isBinary
        if is_event and self._sink(self._read(payload)):
            return []
        droppable = is_event or payload.startswith(_JSON_INVOCATION)
        return _decode_or_drop(super().unserialize, payload, isBinary, droppable=droppable)

    def _read(self, payload: bytes) -> FeedEvent:
        try:
            message = json.loads(payload.decode("utf-8", "surrogatepass"))
            if _NUL_IN_JSON in payload:
                message = restore_binaries(message)
        except (ValueError, RecursionError):
            return malformed_event(*_json_ids(payload), payload)
        return repack(message, payload, self._feeds)


def _json_ids(payload: bytes) -> tuple[int | None, int]:
    ids = _JSON_IDS.match(payload)
    return (int(ids[1]), int(ids[2])) if ids else (None, 0)


def all_serializers(sink: EventSink) -> list[Any]:
    """Return what to offer a router, cheapest first: msgpack, CBOR, JSON. RawSocket takes the first."""
    feeds = FeedCache()
    return [
        PassthroughMsgPackSerializer(sink, feeds),
        RepackingCBORSerializer(sink, feeds),
        RepackingJsonSerializer(sink, feeds),
    ]
