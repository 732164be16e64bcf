"""Kills, stalls, torn checkpoints and disks that refuse, at random for minutes or hours; every row is counted."""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from aggregator.slots import SLOT_NAMES
from tests.support.campaign import Plan
from tests.support.killing import BOTH, PUBLISHER, WRITER, Victim, random_plan
from tests.support.memory import memory_directory
from tests.support.oracle import Conservation

RECORDERS = 3
ROUND_MESSAGES = 4000
ROUND_S = 20.0
KINDS = ("kill", "kill", "kill", "stall", "tear a checkpoint", "refuse")


class Tally:
    """What was tried and what came of it."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def add(self, victim: Victim, outcome: Conservation) -> None:
        plan = victim.plan
        quarantined = sum(plan.is_malformed(k) for k in range(plan.messages))
        self.faults["SIGKILLs"] += victim.kills
        self.messages.update(
            committed=plan.messages, archived=plan.messages - quarantined, quarantined=quarantined, pending=0
        )
        self.rows.update(committed=outcome.committed, archived=outcome.archived)
        for name in ("lost", "doubled", "invented", "changed"):
            self.rows[name] += len(getattr(outcome, name))

    def lines(self, elapsed_s: float) -> list[str]:
        out = [f"{elapsed_s / 60:.1f} minutes"]
        for title, counter in (("faults", self.faults), ("messages", self.messages), ("rows", self.rows)):
            out += [f"{title:10} {name:20} {number:10d}" for name, number in counter.items()]
        return out

    @property
    def is_conserved(self) -> bool:
        return self.rows["committed"] == self.rows["archived"] and not any(
            self.rows[name] for name in ("lost", "doubled", "invented", "changed")
        )


def play_round(root: Path, dice: random.Random, tally: Tally, seconds: float) -> None:
    """Let some recorders run into trouble for a while, then count."""
    base = Plan(root=root, seed=0, start_s=0, messages=ROUND_MESSAGES, pause_s=0.02)
    victims = [Victim(random_plan(dice, f"recorder{i}", base)) for i in range(RECORDERS)]
    pause = threading.Event()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pause.wait(dice.choice((0.002, 0.03, 0.1, 0.4)) * dice.random())
        trouble(dice.choice(victims), dice, tally, pause)
    for victim in victims:
        tally.add(victim, victim.settle(may_differ=True))


def trouble(victim: Victim, dice: random.Random, tally: Tally, pause: threading.Event) -> None:
    kind = dice.choice(KINDS)
    if kind == "kill":
        victim.kill(dice.choice((WRITER, WRITER, PUBLISHER, BOTH)))
    elif kind == "stall":
        with victim.stalled(dice.choice((WRITER, PUBLISHER))):
            pause.wait(dice.random())
        tally.faults["SIGSTOPs"] += 1
    elif kind == "refuse":
        with victim.refused():
            pause.wait(2 * dice.random())
        tally.faults["disks that refused"] += 1
    else:
        victim.kill(WRITER, meanwhile=lambda: tear(victim.plan.buffer / dice.choice(SLOT_NAMES), dice))
        tally.faults["torn checkpoints"] += 1


def tear(slot: Path, dice: random.Random) -> None:
    """Cut a checkpoint slot, which loses it."""
    if slot.exists():
        raw = slot.read_bytes()
        slot.write_bytes(raw[: int(len(raw) * dice.random())])


def main(argv: list[str] | None = None) -> int:
    """Run rounds of trouble for some minutes and print the conservation table; 1 when a row was not conserved."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: %(default)s)")
    args = parser.parse_args(argv)
    dice = random.Random(args.seed)  # noqa: S311 - test data
    tally, begun_s = Tally(), time.monotonic()
    while (left_s := args.minutes * 60 - (time.monotonic() - begun_s)) > 0:
        with memory_directory() as root:
            play_round(root, dice, tally, min(ROUND_S, left_s))
        say(tally.lines(time.monotonic() - begun_s))
    return 0 if tally.is_conserved else 1


def say(lines: list[str]) -> None:
    """Print the table."""
    sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
