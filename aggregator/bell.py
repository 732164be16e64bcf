"""The bell: ingest tells the writer that there is more in the log; the only module that speaks ZeroMQ.

A ring is a notice and never the truth: a lost, doubled or forged one costs nothing, because the writer reads the
log anyway, at the latest after its wait times out.
"""

from __future__ import annotations

import contextlib
import enum
import os
from pathlib import Path
from typing import Any

import msgpack
import zmq

from aggregator.log import Position

SOCKET_NAME = "bell.sock"
HIGH_WATER = 4
LARGEST_RING_BYTES = 256
MOST_RINGS_AT_ONCE = 1000


class Ring(enum.IntEnum):
    """What the writer heard."""

    NONE = 0
    MORE = 1
    HURRY = 2


def _understood(notice: bytes) -> Ring:
    """Return what a ring says; one that makes no sense is a ring all the same."""
    try:
        return Ring.HURRY if msgpack.unpackb(notice)["hurry"] is True else Ring.MORE
    except (ValueError, TypeError, KeyError, msgpack.UnpackException):
        return Ring.MORE


class _Socket:
    """A ZeroMQ socket on the buffer directory's bell, closed once."""

    def __init__(self, directory: Path, kind: int) -> None:
        # A socket's path may have 107 bytes only, whatever the directory's: reach it through a descriptor.
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.endpoint = f"ipc:///proc/self/fd/{self._directory}/{SOCKET_NAME}"
        self._context: zmq.Context[Any] = zmq.Context(io_threads=1)
        self.socket: zmq.Socket[Any] = self._context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self._open = True

    def close(self) -> None:
        """Close socket and context. May be called twice."""
        if self._open:
            self._open = False
            self.socket.close()
            self._context.term()
            os.close(self._directory)


class Bell:
    """Ingest's end.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self._end = _Socket(directory, zmq.PUSH)
        self._end.socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._end.socket.connect(self._end.endpoint)

    def ring(self, position: Position, *, hurry: bool = False) -> bool:
        """Announce what is committed, without ever waiting.

        Parameters
        ----------
        position : Position
            The end of the log.
        hurry : bool
            Whether somebody waits for the writer, so that it does not wait for more to come.

        Returns
        -------
        bool
            False when nobody listens or enough rings are under way already.
        """
        sequence, segment, offset = position
        notice = msgpack.packb({"sequence": sequence, "segment": segment, "offset": offset, "hurry": hurry})
        try:
            self._end.socket.send(notice, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Close. May be called twice."""
        self._end.close()


class BellWaiter:
    """The writer's end; take the writer's lock before making it, since binding again steals the path.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self._end = _Socket(directory, zmq.PULL)
        self._end.socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        self._end.socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_RING_BYTES)
        with contextlib.suppress(FileNotFoundError):
            (directory / SOCKET_NAME).unlink()
        before = os.umask(0o077)
        try:
            self._end.socket.bind(self._end.endpoint)
        finally:
            os.umask(before)

    def wait(self, timeout_s: float) -> Ring:
        """Wait for a ring, at most `timeout_s` seconds, and swallow all that have come.

        Returns
        -------
        Ring
            What was heard.
        """
        heard = Ring.NONE
        if not self._end.socket.poll(int(timeout_s * 1000)):
            return heard
        with contextlib.suppress(zmq.Again):
            for _ in range(MOST_RINGS_AT_ONCE):
                heard = max(heard, _understood(self._end.socket.recv(zmq.NOBLOCK)))
        return heard

    def close(self) -> None:
        """Close. May be called twice."""
        self._end.close()
