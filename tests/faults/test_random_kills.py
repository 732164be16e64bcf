"""Hundreds of SIGKILLs at random times: writer, publisher or both; each committed row is archived once."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from tests.support.campaign import Plan
from tests.support.killing import BOTH, PUBLISHER, WRITER, Victim, random_plan
from tests.support.tally import tried

RECORDERS = 4
KILLS_EACH = 22


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_rows_are_archived_once_however_often_the_processes_are_killed(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)  # noqa: S311 - test data
    base = Plan(root=tmp_path, seed=0, start_s=0, messages=2500, pause_s=0.012)
    victims = [Victim(random_plan(dice, f"recorder{i}", base)) for i in range(RECORDERS)]
    pause = threading.Event()
    for _ in range(KILLS_EACH):
        for victim in victims:
            pause.wait(dice.choice((0.001, 0.01, 0.03, 0.08, 0.15)) * dice.random())
            victim.kill(dice.choice((WRITER, WRITER, PUBLISHER, BOTH)))
    for victim in victims:
        victim.settle()
    tried("random SIGKILLs", sum(victim.kills for victim in victims))
