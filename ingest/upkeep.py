"""What ingest does once a second: report how it is doing and look at how the writer is; off the reactor thread."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from aggregator.health import Health, judge
from aggregator.log import used_bytes
from aggregator.observation import Observation, observe
from aggregator.status import INGEST, write_snapshot
from ingest.report import Look, Report

log = Logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at the buffer directory showed.

    Parameters
    ----------
    observation : Observation
        The pair of processes.
    health : Health
        What that means.
    """

    observation: Observation
    health: Health


class Upkeep:
    """Reports and looks, when told to.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    report : Report
        Makes the snapshots.
    look : callable
        Returns what the reactor thread knows now.
    tell : callable
        Called with what was seen.
    in_thread : callable
        Calls a function off the reactor thread and returns a Deferred of its result.
    """

    def __init__(
        self,
        *,
        directory: Path,
        report: Report,
        look: Callable[[], Look],
        tell: Callable[[Seen], None],
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        self._directory = directory
        self._report = report
        self._look = look
        self._tell = tell
        self._in_thread = in_thread

    @inlineCallbacks
    def once(self) -> Generator[Any, Any, None]:
        """Report and look."""
        seen = yield self._in_thread(self.exchange, self._look())
        self._tell(seen)

    def exchange(self, look: Look) -> Seen:
        """Write ingest's snapshot and read the writer's."""
        observation = observe(self._directory)
        health = judge(observation, look.now_ns)
        snapshot = self._report.snapshot(
            look,
            used_bytes=used_bytes(self._directory),
            writer_alive=observation.writer.alive,
            degraded="; ".join(health.reasons) or None,
        )
        try:
            write_snapshot(self._directory, INGEST, snapshot)
        except OSError as error:
            # Without room for a report there is none for messages either, and those are counted.
            log.warn("cannot write the status snapshot: {error}", error=error)
        return Seen(observation=observation, health=health)
