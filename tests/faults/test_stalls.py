"""The writer stands still, by a signal or in an fsync: publishing goes on, and nothing is dropped or lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.campaign import Plan, committed_payloads
from tests.support.children import finish, kill, said, start_publisher, start_writer
from tests.support.oracle import assert_conserved, assert_counters_add_up
from tests.support.tally import tried

STALL_S = 5
LONG_STALL_S = 60
PER_LOT = 8


@pytest.fixture
def stall_s(request: pytest.FixtureRequest) -> int:
    return LONG_STALL_S if request.config.getoption("--slow", default=False) else STALL_S


def test_a_writer_that_is_stopped_by_a_signal_holds_up_nobody(stall_s: int, shm_path: Path) -> None:
    messages = (stall_s + 2) * 1000
    plan = Plan(
        root=shm_path,
        seed=9,
        start_s=int(time.time()),
        messages=messages,
        pause_s=PER_LOT / 1000,
        per_session=100_000,
        segments=1024,
    )
    plan.buffer.mkdir(mode=0o700)
    writer, publisher = start_writer(plan.buffer), start_publisher(plan)
    pause = threading.Event()
    pause.wait(1)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGSTOP)
    pause.wait(stall_s)
    assert publisher.is_alive() or publisher.exitcode == 0, said(plan.buffer)
    # It went on publishing at its pace: at half of it at the very least, on a machine that does other things too.
    assert len(plan.ledger.read_bytes()) // 16 > stall_s * 500
    os.kill(writer.pid, signal.SIGCONT)
    publisher.join(60)
    assert publisher.exitcode == 0, said(plan.buffer)
    kill(writer)
    status = finish(replace(plan, pause_s=0.0005))
    assert_conserved(committed_payloads(plan), plan.data)
    malformed = sum(plan.is_malformed(k) for k in range(plan.messages))
    assert_counters_add_up(status, committed=plan.messages, quarantined=malformed)
    tried("seconds that a writer stood still", stall_s)
