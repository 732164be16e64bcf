"""A process is killed at each named place, once, three times in a row and later; no row is lost or doubled."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from aggregator.crash_points import CRASH_POINTS
from tests.support.campaign import Plan, committed_payloads
from tests.support.children import finish, kill, said, start_publisher, start_writer, was_killed
from tests.support.oracle import assert_conserved, assert_counters_add_up
from tests.support.tally import tried
from tests.support.wait import wait_until
from writer.checkpoint import CheckpointStore

ONCE = ("#1",)
THRICE = ("#1", "#1", "#1")
LATER = ("#3", "#2", "#2")


@pytest.mark.parametrize("passes", [ONCE, THRICE, LATER], ids=["once", "thrice", "later"])
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_no_row_is_lost_or_doubled_by_a_death_at(point: str, passes: tuple[str, ...], tmp_path: Path) -> None:
    plan = Plan(root=tmp_path, seed=len(point), start_s=int(time.time()), messages=900, per_session=120)
    if point.startswith("log."):
        die_while_publishing(plan, point, passes)
    else:
        die_while_writing(plan, point, passes)
    status = finish(plan)
    assert_conserved(committed_payloads(plan), plan.data)
    malformed = sum(plan.is_malformed(k) for k in range(plan.messages))
    assert_counters_add_up(status, committed=plan.messages, quarantined=malformed)
    tried("deaths at a crash point", len(passes))


def die_while_publishing(plan: Plan, point: str, passes: tuple[str, ...]) -> None:
    plan.buffer.mkdir(mode=0o700)
    writer = start_writer(plan.buffer)
    for nth in passes:
        publisher = start_publisher(plan, point + nth)
        publisher.join(20)
        assert was_killed(publisher), said(plan.buffer)
    kill(writer)


def die_while_writing(plan: Plan, point: str, passes: tuple[str, ...]) -> None:
    plan.buffer.mkdir(mode=0o700)
    publisher = start_publisher(plan)
    if point == "writer.file-resumed":
        stand_in_the_middle_of_a_file(plan)
    for nth in passes:
        writer = start_writer(plan.buffer, point + (nth if point != "writer.file-resumed" else ""))
        writer.join(20)
        assert was_killed(writer), said(plan.buffer)
    publisher.join(20)


def stand_in_the_middle_of_a_file(plan: Plan) -> None:
    writer = start_writer(plan.buffer)
    wait_until(lambda: knows_a_file(plan.buffer), 20, "a checkpoint with a file")
    kill(writer)


def knows_a_file(buffer: Path) -> bool:
    checkpoint = CheckpointStore(buffer).load()
    return checkpoint is not None and bool(checkpoint.file)
