from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import zmq

from aggregator.bell import SOCKET_NAME, Bell, BellWaiter, Ring
from aggregator.log import Position


def test_a_ring_wakes_the_writer_and_many_rings_wake_it_once(tmp_path: Path) -> None:
    waiter, bell = BellWaiter(tmp_path), Bell(tmp_path)
    assert bell.ring(Position(1, 1, 64))
    assert waiter.wait(10) is Ring.MORE
    for sequence in range(3):
        bell.ring(Position(sequence, 1, 64))
    assert waiter.wait(10)
    while waiter.wait(0.2):
        pass
    assert not waiter.wait(0)
    bell.close()
    bell.close()
    waiter.close()
    waiter.close()


def test_a_hurry_is_heard_among_others_and_nonsense_is_a_ring(tmp_path: Path) -> None:
    waiter, bell = BellWaiter(tmp_path), Bell(tmp_path)
    for hurry in (False, True, False):
        bell.ring(Position(1, 1, 64), hurry=hurry)
    heard = Ring.NONE
    while heard is not Ring.HURRY:
        heard = waiter.wait(10)
        assert heard is not Ring.NONE
    stranger: zmq.Socket[Any] = zmq.Context.instance().socket(zmq.PUSH)
    stranger.connect(f"ipc://{tmp_path / SOCKET_NAME}")
    stranger.send(b"\xc1")
    while (heard := waiter.wait(10)) is Ring.HURRY:
        pass
    assert heard is Ring.MORE
    stranger.close(linger=0)
    zmq.Context.instance().term()
    bell.close()
    waiter.close()


def test_ringing_never_waits_when_nobody_listens(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    assert not all(bell.ring(Position(i, 1, 64)) for i in range(100))
    bell.close()


def test_a_writer_that_comes_back_is_rung_again(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    for _ in range(2):
        waiter = BellWaiter(tmp_path)
        bell.ring(Position(1, 1, 64))
        assert waiter.wait(10)
        waiter.close()
    bell.close()


def test_only_its_user_can_reach_the_socket(tmp_path: Path) -> None:
    waiter = BellWaiter(tmp_path)
    mode = (tmp_path / SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert mode & 0o077 == 0
    waiter.close()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    waiter, bell = BellWaiter(deep), Bell(deep)
    bell.ring(Position(1, 1, 64))
    assert waiter.wait(10)
    bell.close()
    waiter.close()
