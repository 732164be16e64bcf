from __future__ import annotations

from typing import Any

import autobahn.twisted.websocket
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport

from ingest.framing import FeedClientProtocol

autobahn_websocket: Any = autobahn.twisted.websocket
LIMIT = 100_000


class Wire(StringTransport):
    """A transport that autobahn can drop."""

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing, as real transports do that have no producer."""


def connected(protocol_class: type, messages: list[bytes]) -> Any:
    """An open connection of a protocol that notes the messages it gets."""

    class Noting(protocol_class):  # type: ignore[misc] # the class is a parameter
        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 - autobahn's names
            assert isBinary or payload == b"text"
            messages.append(payload)

    factory = autobahn_websocket.WampWebSocketClientFactory(lambda: None, url="ws://localhost:1/")
    factory.protocol = Noting
    factory.setProtocolOptions(maxMessagePayloadSize=LIMIT, maxFramePayloadSize=LIMIT, openHandshakeTimeout=0)
    protocol = factory.buildProtocol(None)
    protocol.makeConnection(Wire())  # type: ignore[no-untyped-call]
    protocol.data = b""
    protocol.state = protocol.STATE_OPEN
    protocol.websocket_version = 13
    protocol.inside_message = False
    protocol.current_frame = None
    return protocol


def frame(payload: bytes, *, opcode: int = 2, fin: bool = True) -> bytes:
    first = bytes([opcode | 0x80 * fin])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return first + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return first + b"\x7f" + len(payload).to_bytes(8, "big") + payload


PAYLOADS = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([125, 126, 127, 65535, 65536, LIMIT]).map(lambda size: b"x" * size),
)
FRAMES = st.one_of(
    PAYLOADS.map(frame),
    PAYLOADS.map(frame),
    st.binary(max_size=20).map(lambda payload: frame(payload, opcode=9)),
    st.just(frame(b"text", opcode=1)),
    st.tuples(st.binary(max_size=200), st.binary(max_size=200)).map(
        lambda parts: frame(parts[0], fin=False) + frame(b"", opcode=9) + frame(parts[1], opcode=0)
    ),
    st.sampled_from([b"\x82\x80", b"\xc2\x01x", b"\x83\x01x", b"\x82\x7e\x00\x05abcde", frame(b"y" * (LIMIT + 1))]),
)


@given(st.lists(FRAMES, max_size=12), st.data())
@settings(max_examples=150, deadline=None)
def test_the_short_way_gives_what_autobahn_gives(frames: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frames)
    taken: list[bytes] = []
    expected: list[bytes] = []
    ours = connected(FeedClientProtocol, taken)
    reference = connected(autobahn_websocket.WampWebSocketClientProtocol, expected)
    while stream and reference.state == reference.STATE_OPEN:
        size = data.draw(st.integers(1, len(stream)))
        chunk, stream = stream[:size], stream[size:]
        for protocol in (ours, reference):
            protocol.dataReceived(chunk)
    assert taken == expected
    assert ours.state == reference.state
    assert ours.transport.value()[:2] == reference.transport.value()[:2]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_message_split_anywhere_comes_whole(size: int) -> None:
    whole = frame(b"z" * size)
    for cut in {1, 2, 3, 4, 9, 10, 11, len(whole) // 2, len(whole) - 1} & set(range(1, len(whole))):
        taken: list[bytes] = []
        protocol = connected(FeedClientProtocol, taken)
        protocol.dataReceived(whole[:cut])
        protocol.dataReceived(whole[cut:] + whole)
        assert taken == [b"z" * size] * 2


def test_a_message_counts_as_a_sign_of_life() -> None:
    protocol = connected(FeedClientProtocol, [])
    cancelled: list[bool] = []

    class Call:
        def cancel(self) -> None:
            cancelled.append(True)

    protocol.autoPingTimeoutCall = Call()
    protocol.autoPingPendingCall = None
    protocol.autoPingInterval = 0
    protocol.dataReceived(frame(b"message"))
    assert cancelled == [True]
