"""A recorder whose processes are killed and started again."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess

from tests.support.campaign import Plan, committed_payloads
from tests.support.children import finish, kill, said, start_publisher, start_writer
from tests.support.oracle import Conservation, assert_conserved, assert_counters_add_up, compare

WRITER, PUBLISHER, BOTH = "writer", "publisher", "both"


class Victim:
    """A publisher and a writer on one buffer.

    Parameters
    ----------
    plan : Plan
        What they record.

    Attributes
    ----------
    kills : int
        Processes that were killed while they ran.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.kills = 0
        plan.buffer.mkdir(mode=0o700, parents=True)
        self._writer = start_writer(plan.buffer)
        self._publisher = start_publisher(plan)

    def kill(self, whom: str, meanwhile: Callable[[], None] | None = None) -> None:
        """Kill one or both, do something while they are dead, and start them again."""
        if whom in (WRITER, BOTH):
            self._writer.kill()
        if whom in (PUBLISHER, BOTH):
            self._publisher.kill()
        if whom in (WRITER, BOTH):
            self._count(self._writer)
        if whom in (PUBLISHER, BOTH):
            self._count(self._publisher)
        if meanwhile is not None:
            meanwhile()
        if whom in (WRITER, BOTH):
            self._writer = start_writer(self.plan.buffer)
        if whom in (PUBLISHER, BOTH):
            self._publisher = start_publisher(self.plan)

    @contextmanager
    def stalled(self, whom: str) -> Iterator[None]:
        """Stop one by a signal for a while."""
        child = self._writer if whom == WRITER else self._publisher
        assert child.pid is not None
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGSTOP)
        yield
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGCONT)

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Let the system refuse every byte that the writer wants to write to a file, for a while."""
        limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        assert self._writer.pid is not None
        with suppress(ProcessLookupError):
            resource.prlimit(self._writer.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        yield
        with suppress(ProcessLookupError):
            resource.prlimit(self._writer.pid, resource.RLIMIT_FSIZE, limits)

    def settle(self, *, may_differ: bool = False) -> Conservation:
        """Kill both, let fresh ones come to the end, and ask the oracle.

        Parameters
        ----------
        may_differ : bool
            Whether to hand back what is not conserved instead of failing; counters are not looked at then.
        """
        for child in (self._publisher, self._writer):
            self._count(child)
        plan = replace(self.plan, pause_s=0.0005)
        status = finish(plan)
        if may_differ:
            return compare(committed_payloads(plan), plan.data)
        malformed = sum(plan.is_malformed(k) for k in range(plan.messages))
        assert_counters_add_up(status, committed=plan.messages, quarantined=malformed)
        return assert_conserved(committed_payloads(plan), plan.data)

    def _count(self, child: BaseProcess) -> None:
        if kill(child):
            self.kills += 1
        else:
            assert child.exitcode == 0, said(self.plan.buffer)


def random_plan(dice: random.Random, root_name: str, base: Plan) -> Plan:
    """Return a plan like `base` with a root, a seed and a policy of its own."""
    return replace(
        base,
        root=base.root / root_name,
        seed=dice.randrange(1 << 16),
        start_s=int(time.time()),
        fsync=dice.choice(("never", "rotate", "frame")),
        per_session=dice.choice((60, 400, 100_000)),
    )
