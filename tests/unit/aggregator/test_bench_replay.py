"""The server that stands in for a router, seen by a client made of bytes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from aggregator.bench import websocket
from aggregator.bench.answers import answer
from aggregator.bench.replay import HOST, ReplayServer
from aggregator.bench.tape import SUBSCRIPTION, record_tape
from aggregator.bench.workloads import messages, workload_named
from aggregator.errors import BenchError
from tests.support.wait import wait_until

REQUEST = b"GET /ws HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"


@contextmanager
def running_server() -> Iterator[ReplayServer]:
    server = ReplayServer()
    try:
        yield server
    finally:
        server.close()


def masked(opcode: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    head = bytearray(websocket.frame_head(len(payload), opcode))
    head[1] |= 0x80
    return bytes(head) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def say(client: socket.socket, *message: Any) -> None:
    client.sendall(masked(websocket.BINARY, msgpack.packb(message)))


def read(client: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        content += client.recv(length - len(content))
    return content


def test_the_handshake_is_that_of_the_rfc() -> None:
    reply = websocket.accept_handshake(REQUEST, "wamp.2.msgpack")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in reply
    assert reply.startswith(b"HTTP/1.1 101 ")


def test_a_request_that_is_no_websocket_is_refused() -> None:
    with pytest.raises(ValueError, match="handshake"):
        websocket.accept_handshake(b"GET / HTTP/1.1\r\n\r\n", "wamp.2.msgpack")


@pytest.mark.parametrize("length", [0, 5, 125, 126, 65_535, 65_536])
def test_a_frame_is_taken_only_when_it_is_whole(length: int) -> None:
    payload = bytes(i % 251 for i in range(length))
    whole = masked(websocket.BINARY, payload)
    received = bytearray(whole[:-1])
    assert websocket.take_client_frame(received) is None
    received += whole[-1:] + b"\x89"
    assert websocket.take_client_frame(received) == (websocket.BINARY, payload)
    assert received == b"\x89"


def test_answers_are_those_of_a_router() -> None:
    assert answer([32, 7, {"match": "wildcard"}, "observatory..feeds."], 99) == [33, 7, 99]
    assert answer([32, 8, {}, "observatory.x.feeds.y"], 99) == [33, 8, 107]
    assert answer([16, 9, {}, "topic", []], 99) is None
    assert answer([16, 9, {"acknowledge": True}, "topic", []], 99) == [17, 9, 9]
    welcome = answer([1, "realm", {}], 99)
    assert welcome is not None
    assert welcome[0] == 2


def test_a_subscriber_that_does_not_answer_or_leaves_is_no_success(tmp_path: Path) -> None:
    tape = record_tape(tmp_path / "tape", messages(workload_named("2x3x1"), 9))
    with running_server() as server, socket.create_connection((HOST, server.port)) as client:
        client.sendall(REQUEST)
        read(client, len(websocket.accept_handshake(REQUEST, "wamp.2.msgpack")))
        say(client, 32, 1, {"match": "wildcard"}, "observatory..feeds.")
        packed = msgpack.packb([33, 1, SUBSCRIPTION])
        assert read(client, 2 + len(packed))[2:] == packed
        wait_until(lambda: server.has_subscriber)
        with pytest.raises(BenchError, match="did not answer"):
            server.round_trip_s(timeout_s=0.01)
        assert read(client, 6) == websocket.frame_head(4, websocket.PING) + (1).to_bytes(4, "big")
        client.close()
        wait_until(lambda: not server.has_subscriber)
        with pytest.raises(BenchError, match="dropped"):
            server.replay(tape)


def test_a_tape_is_sent_byte_for_byte(tmp_path: Path) -> None:
    tape = record_tape(tmp_path / "tape", messages(workload_named("2x30x20"), 90))
    with running_server() as server, socket.create_connection((HOST, server.port)) as client:
        client.sendall(REQUEST)
        read(client, len(websocket.accept_handshake(REQUEST, "wamp.2.msgpack")))
        say(client, 32, 1, {"match": "wildcard"}, "observatory..feeds.")
        read(client, 2 + len(msgpack.packb([33, 1, SUBSCRIPTION])))
        wait_until(lambda: server.has_subscriber)
        client.sendall(masked(websocket.PING, b"x"))
        assert read(client, 3) == websocket.frame_head(1, websocket.PONG) + b"x"
        content = tape.path.read_bytes()
        assert len(content) > 1 << 18

        def answer_ping() -> None:
            assert read(client, len(content)) == content
            assert read(client, 2 + 4)[2:] == (1).to_bytes(4, "big")
            client.sendall(masked(websocket.PONG, (1).to_bytes(4, "big")))

        with in_thread(answer_ping):
            server.replay(tape)


@contextmanager
def in_thread(work: Any) -> Iterator[None]:
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        yield
        done.result(timeout=20)
