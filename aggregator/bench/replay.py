"""A WebSocket server that stands in for the router and replays a tape: it costs next to nothing itself."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any

import msgpack
import numpy as np

from aggregator.bench import answers, websocket
from aggregator.bench.tape import SUBSCRIPTION, Tape
from aggregator.errors import BenchError

HOST = "127.0.0.1"
CHUNK_BYTES = 256 << 10
"""Frames are sent in chunks of about this size, so that answers and pings get in between."""

PACE_S = 0.005
_RECEIVE_BYTES = 64 << 10
_PING_BYTES = 4


class ReplayServer:
    """Serves one recorder at a time, in threads of this process.

    Raises
    ------
    OSError
        When there is no port to listen on.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._connection: socket.socket | None = None
        self._sending = threading.Lock()
        self._subscribed = threading.Event()
        self._closing = threading.Event()
        self._pongs: dict[bytes, threading.Event] = {}
        self._pings = 0
        self._thread = threading.Thread(target=self._serve, name="replay", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def has_subscriber(self) -> bool:
        """Whether a recorder is subscribed to the feeds now."""
        return self._subscribed.is_set()

    def replay(self, tape: Tape, messages_per_s: float | None = None) -> None:
        """Send a tape and return when the recorder's reactor has taken its last message.

        Parameters
        ----------
        tape : Tape
            What to send.
        messages_per_s : float, optional
            How fast; as fast as it is taken when not given.

        Raises
        ------
        BenchError
            When the recorder leaves before it has taken everything.
        """
        try:
            if messages_per_s is None:
                self._send_chunks(tape, _chunks(tape))
            else:
                self._send_paced(tape, messages_per_s)
        except OSError as error:
            raise BenchError(f"the recorder dropped its connection in the middle of a run: {error}") from error
        # A client answers pings in turn with messages: an answer means that all before it was taken.
        self.round_trip_s(timeout_s=None)

    def round_trip_s(self, timeout_s: float | None) -> float:
        """Return how long the recorder's reactor takes to answer a ping, in seconds.

        Raises
        ------
        BenchError
            When it does not answer in time or has left.
        """
        self._pings += 1
        payload = self._pings.to_bytes(_PING_BYTES, "big")
        answered = self._pongs[payload] = threading.Event()
        begun = perf_counter()
        with suppress(OSError):
            self._send(websocket.frame_head(len(payload), websocket.PING) + payload)
        while not answered.wait(min(1.0, timeout_s or 1.0)):
            if timeout_s is not None and perf_counter() - begun > timeout_s:
                raise BenchError(f"the recorder did not answer a ping within {timeout_s:g} s")
            if not self.has_subscriber:
                raise BenchError("the recorder dropped its connection in the middle of a run")
        return perf_counter() - begun

    def close(self) -> None:
        """Stop serving. May be called twice."""
        self._closing.set()
        for each in (self._connection, self._listener):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._listener.close()

    # Sending ------------------------------------------------------------------------------------------------------

    def _send(self, content: bytes) -> None:
        if self._connection is None:
            raise BrokenPipeError("nobody is connected")
        with self._sending:
            self._connection.sendall(content)

    def _send_chunks(self, tape: Tape, chunks: Iterator[tuple[int, int]]) -> None:
        if self._connection is None:
            raise BrokenPipeError("nobody is connected")
        with tape.path.open("rb") as file:
            for begin, end in chunks:
                with self._sending:
                    _send_file(self._connection, file.fileno(), begin, end)

    def _send_paced(self, tape: Tape, messages_per_s: float) -> None:
        begun, ends = perf_counter(), [0, *tape.spans[:, 1].tolist()]
        sent = 0
        while sent < tape.messages:
            due = min(tape.messages, int((perf_counter() - begun) * messages_per_s) + 1)
            if due > sent:
                self._send_chunks(tape, iter([(ends[sent], ends[due])]))
                sent = due
            self._closing.wait(PACE_S)

    # Receiving ----------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError, ValueError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connection = connection
                self._talk(connection)
            self._connection = None
            self._subscribed.clear()

    def _talk(self, connection: socket.socket) -> None:
        received = bytearray()
        while b"\r\n\r\n" not in received:
            _receive(connection, received)
        end = received.index(b"\r\n\r\n") + 4
        connection.sendall(websocket.accept_handshake(bytes(received[:end]), answers.SUBPROTOCOL))
        del received[:end]
        while True:
            while frame := websocket.take_client_frame(received):
                if frame.opcode == websocket.CLOSE:
                    return
                self._handle(frame)
            _receive(connection, received)

    def _handle(self, frame: websocket.ClientFrame) -> None:
        if frame.opcode == websocket.PING:
            self._send(websocket.frame_head(len(frame.payload), websocket.PONG) + frame.payload)
        elif frame.opcode == websocket.PONG:
            answered = self._pongs.pop(frame.payload, None)
            if answered is not None:
                answered.set()
        elif frame.opcode == websocket.BINARY:
            self._handle_wamp(msgpack.unpackb(frame.payload))

    def _handle_wamp(self, message: list[Any]) -> None:
        reply = answers.answer(message, SUBSCRIPTION)
        if reply is not None:
            packed = msgpack.packb(reply)
            self._send(websocket.frame_head(len(packed)) + packed)
        if SUBSCRIPTION in (reply or ()):
            self._subscribed.set()


def _receive(connection: socket.socket, received: bytearray) -> None:
    chunk = connection.recv(_RECEIVE_BYTES)
    if not chunk:
        raise ConnectionResetError("the client has gone")
    received += chunk


def _send_file(connection: socket.socket, descriptor: int, begin: int, end: int) -> None:
    while begin < end:
        begin += os.sendfile(connection.fileno(), descriptor, begin, end - begin)


def _chunks(tape: Tape) -> Iterator[tuple[int, int]]:
    """Yield begin and end of stretches of whole frames."""
    ends = tape.spans[:, 1]
    begin = 0
    while begin < ends[-1]:
        place = int(np.searchsorted(ends, begin + CHUNK_BYTES))
        end = int(ends[min(place, len(ends) - 1)])
        yield begin, end
        begin = end
