"""The floor that any recorder in Python stands on: ``python -m ingest.bench.transport_floor --url URL``.

It takes a feed's messages through plain autobahn, walks each event's envelope, looks at the feed part, and checksums
and copies the rest without decoding it. Nothing is written anywhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import msgpack
from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import SubscribeOptions
from crc32c import crc32c

from ingest.transport import websocket_options

LARGEST_MESSAGE_BYTES = 16 << 20
_EVENT_MARK = b"$"


class Sink:
    """Where payloads end: checksummed and copied."""

    def __init__(self) -> None:
        self._room = memoryview(bytearray(2 * LARGEST_MESSAGE_BYTES))
        self._offset = 0
        self._feeds: dict[bytes, Any] = {}
        self.checksum = 0

    def take(self, envelope: bytes) -> None:
        """Take one EVENT."""
        unpacker = msgpack.Unpacker(max_buffer_size=len(envelope))
        unpacker.feed(envelope)
        unpacker.read_array_header()
        for _ in range(4):
            unpacker.skip()
        unpacker.read_array_header()
        begin = unpacker.tell()
        unpacker.read_array_header()
        unpacker.skip()
        feed_part = envelope[unpacker.tell() :]
        if feed_part not in self._feeds:
            self._feeds[feed_part] = msgpack.unpackb(feed_part)
        length = len(envelope) - begin
        if self._offset + length > len(self._room):
            self._offset = 0
        end = self._offset + length
        self._room[self._offset : end] = memoryview(envelope)[begin:]
        self.checksum ^= crc32c(self._room[self._offset : end])
        self._offset = end


class FloorSerializer(MsgPackSerializer):
    """Hands each EVENT to the sink and leaves the rest to autobahn.

    Parameters
    ----------
    sink : Sink
        Where they go.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # autobahn types only a part of itself
        self._sink = sink

    def unserialize(self, payload: bytes, isBinary: bool | None = None) -> list[Any]:  # noqa: N803 - autobahn's name
        """Return the WAMP messages of a transport message, without the events."""
        if payload[1:2] == _EVENT_MARK:
            self._sink.take(payload)
            return []
        messages: list[Any] = super().unserialize(payload, isBinary)
        return messages


def _session(pattern: str) -> type[ApplicationSession]:
    class Subscriber(ApplicationSession):
        def onJoin(self, details: object) -> None:  # noqa: N802, ARG002 - autobahn's name and argument
            options = SubscribeOptions(match="wildcard")  # type: ignore[no-untyped-call]
            self.subscribe(lambda *_: None, pattern, options=options)

    return Subscriber


def main(argv: Sequence[str]) -> int:
    """Run until a signal."""
    parser = argparse.ArgumentParser(prog="python -m ingest.bench.transport_floor")
    parser.add_argument("--url", required=True)
    parser.add_argument("--realm", required=True)
    parser.add_argument("--address-root", required=True)
    arguments = parser.parse_args(argv)
    serializers: list[Any] = [FloorSerializer(Sink())]
    runner = ApplicationRunner(
        arguments.url,
        arguments.realm,
        serializers=serializers,
        websocket_options=websocket_options(LARGEST_MESSAGE_BYTES),
    )
    runner.run(_session(f"{arguments.address_root}..feeds."), log_level="error")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
