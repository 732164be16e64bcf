from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from aggregator.errors import SettingsError
from aggregator.settings import Caps
from ingest.serializers import all_serializers
from ingest.transport import LONGEST_RETRY_S, connection_service, websocket_options


def service(url: str) -> Any:
    reactor: Any = MemoryReactorClock()  # type: ignore[no-untyped-call]
    made: Any = connection_service(
        url, None, all_serializers(lambda _: True), largest_message_bytes=Caps().message_bytes, reactor=reactor
    )
    return reactor, made


@pytest.mark.parametrize("url", ["ws://127.0.0.1:8001/ws", "wss://127.0.0.1:8001/ws", "rs://127.0.0.1:8001"])
def test_the_routers_of_all_transports_are_connected_to(url: str) -> None:
    reactor, made = service(url)
    made.startService()
    ((host, port, *_),) = reactor.tcpClients
    assert (host, port) == ("127.0.0.1", 8001)


def test_a_router_in_a_unix_socket_is_connected_to() -> None:
    reactor, made = service("rs://unix:/tmp/router.sock")
    made.startService()
    assert reactor.unixClients[0][0] == "/tmp/router.sock"  # noqa: S108 - nothing is there


@pytest.mark.parametrize("url", ["", "http://127.0.0.1/", "ws://", "127.0.0.1:8001", "rs:/nothing"])
def test_what_is_no_router_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(SettingsError, match="is not the URL of a WAMP router"):
        service(url)


def test_msgpack_is_asked_for_first_then_cbor_then_json() -> None:
    names = [serializer.SERIALIZER_ID for serializer in all_serializers(lambda _: True)]
    assert names == ["msgpack", "cbor", "json"]


def test_a_message_larger_than_what_is_recorded_still_arrives_to_be_counted() -> None:
    options = websocket_options(1000)
    assert options["maxMessagePayloadSize"] == options["maxFramePayloadSize"] > 1000
    assert options["perMessageCompressionOffers"] == []


def test_a_router_that_stays_away_is_tried_every_few_seconds() -> None:
    reactor, made = service("ws://127.0.0.1:8001/ws")
    made.startService()
    for _ in range(50):
        *_, (_, _, factory, *_) = reactor.tcpClients
        factory.clientConnectionFailed(None, ConnectionRefusedError())
        before = len(reactor.tcpClients)
        reactor.pump([1.0] * int(2 * LONGEST_RETRY_S))
        assert len(reactor.tcpClients) > before
