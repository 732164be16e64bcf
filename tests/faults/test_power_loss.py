"""The power fails under buffer and archive on a disk: what was durable stays, what follows is recorded whole."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.status import WRITER, read_snapshot
from tests.support.archive_check import assert_archive_is_clean
from tests.support.campaign import Plan, publish_some
from tests.support.children import end_writer, kill, said, start_writer
from tests.support.mounts import PowerlessDisk
from tests.support.oracle import archived_rows, compare, rows_of
from tests.support.tally import tried
from tests.support.wait import wait_until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerlessDisk]:
    disk = PowerlessDisk(tmp_path)
    disk.make()
    disk.power_on()
    yield disk
    disk.dispose()


@pytest.mark.parametrize("synced_at", [0, 150, 420])
@pytest.mark.parametrize("fsync", ["frame", "rotate", "never"])
def test_what_follows_a_power_loss_is_recorded_whole(fsync: str, synced_at: int, disk: PowerlessDisk) -> None:
    plan = Plan(root=disk.path / "root", seed=4, start_s=int(time.time()), messages=10_000, fsync=fsync)
    plan.root.mkdir()
    plan.buffer.mkdir(mode=0o700)
    writer = start_writer(plan.buffer)
    if synced_at:
        publish_some(plan, 0, synced_at)
        os.sync()
    publish_some(plan, synced_at, 500)
    wait_until(lambda: sequence(plan) > 400, 20, lambda: said(plan.buffer))
    durable = {key for key, _ in archived_rows(plan.data)} if fsync == "frame" else set()
    kill(writer)
    disk.power_off()
    disk.power_on()
    # Without any fsync even the directories may be gone.
    plan.buffer.mkdir(mode=0o700, parents=True, exist_ok=True)
    publish_some(plan, 600, 800, stop=True)
    writer = start_writer(plan.buffer)
    wait_until(lambda: is_own(plan, writer.pid), 20, lambda: said(plan.buffer))
    assert end_writer(writer) == 0, said(plan.buffer)
    before, after = payloads(plan, 0, 500), payloads(plan, 600, 800)
    outcome = compare([*before, *after], plan.data)
    assert not [*outcome.doubled, *outcome.invented, *outcome.changed], str(outcome)
    lost = set(outcome.lost)
    assert not lost & {key for payload in after for key, _ in rows_of(payload)}, str(outcome)
    assert not lost & durable, str(outcome)
    assert_archive_is_clean(plan.data)
    tried("power losses")


def sequence(plan: Plan) -> int:
    return int((read_snapshot(plan.buffer, WRITER) or {}).get("sequence", 0))


def is_own(plan: Plan, pid: int | None) -> bool:
    return bool((read_snapshot(plan.buffer, WRITER) or {}).get("pid") == pid)


def payloads(plan: Plan, first: int, last: int) -> list[bytes]:
    return [plan.payload(k) for k in range(first, last) if not plan.is_malformed(k)]
