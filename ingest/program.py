"""Puts the parts of ingest together and runs them until the end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import txaio
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import inlineCallbacks, maybeDeferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from aggregator.bell import Bell
from aggregator.counters import Counters
from aggregator.log import LogAppender
from aggregator.settings import BufferSettings, Caps
from aggregator.status import INGEST
from ingest.agent import AggregatorAgent
from ingest.arguments import IngestSettings
from ingest.authentication import read_trust
from ingest.bell_ringer import BellRinger
from ingest.intake import Intake
from ingest.lag_meter import LagMeter
from ingest.report import Look, Report
from ingest.serializers import all_serializers
from ingest.session import FeedSession
from ingest.session_start import SessionStarts
from ingest.transport import connection_service
from ingest.upkeep import Upkeep
from ingest.writer_child import WriterChild

UPKEEP_S = 1.0
LEAVE_WITHIN_S = 0.5
CHILD_WITHIN_S = 2.0
POLL_S = 0.05

# Twisted types its reactor as a module; the object behind it has all of the methods used here.
reactor: Any = default_reactor
log = Logger()


class Program:
    """Ingest, from its first connection to its end.

    Parameters
    ----------
    settings : IngestSettings
        From the command line.
    buffer : BufferSettings
        The buffer, whose ingest lock the caller holds.
    pid : int
        Of this process.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.
    steady_ns : callable
        Returns nanoseconds of a clock that nobody sets.

    Raises
    ------
    HkaggError
        When the log cannot be opened or the router's URL is none.
    """

    def __init__(
        self,
        settings: IngestSettings,
        buffer: BufferSettings,
        *,
        pid: int,
        clock_ns: Callable[[], int],
        steady_ns: Callable[[], int],
    ) -> None:
        caps = Caps()
        self._settings = settings
        self._clock_ns = clock_ns
        self._counters = Counters(INGEST)
        self._appender = LogAppender(buffer, now_ns=clock_ns())
        self._bell = Bell(buffer.directory)
        self._intake = Intake(self._appender, self._counters, caps=caps)
        self._ringer = BellRinger(self._appender, self._bell, reactor)
        self._session = FeedSession(
            settings.site,
            intake=self._intake,
            committed=self._ringer.committed,
            clock_ns=clock_ns,
            reactor=reactor,
            credentials=settings.credentials,
        )
        self._agent = self._make_agent(buffer, pid)
        self._connection = connection_service(
            settings.site.site_hub,
            self._session,
            all_serializers(self._session.take_event),
            largest_message_bytes=caps.message_bytes,
            reactor=reactor,
            trust=read_trust(settings.ca_file),
        )
        report = Report(pid=pid, started_ns=clock_ns(), buffer_bytes=buffer.size_bytes)
        self._upkeep = Upkeep(directory=buffer.directory, report=report, look=self._look, tell=self._agent.tell)
        self._loop = LoopingCall(self._once_a_second)
        self._lag_meter = LagMeter(self._counters, steady_ns, reactor)
        self._child = WriterChild(buffer.directory) if settings.spawn_writer else None

    def _make_agent(self, buffer: BufferSettings, pid: int) -> AggregatorAgent:
        return AggregatorAgent(
            self._session,
            settings=self._settings.recorder,
            directory=buffer.directory,
            intake=self._intake,
            ringer=self._ringer,
            starts=SessionStarts(pid=pid, buffer_bytes=buffer.size_bytes),
            writer_is_ours=self._settings.spawn_writer,
            record_on_start=self._settings.record_on_start,
            clock_ns=self._clock_ns,
            reactor=reactor,
        )

    def run(self) -> None:
        """Run until a signal, or until the router was away for longer than --crossbar-timeout allows."""
        txaio.start_logging(level=self._settings.log_level)  # type: ignore[attr-defined] # put there by use_twisted
        reactor.addSystemEventTrigger("before", "shutdown", self._end)
        reactor.callWhenRunning(self._begin)
        reactor.run()

    def close(self) -> None:
        """Let go of log and bell."""
        self._bell.close()
        self._appender.close()

    def _begin(self) -> None:
        url = self._settings.site.site_hub
        self._loop.start(UPKEEP_S)
        self._lag_meter.start()
        self._connection.startService()
        log.info("connecting to the router at {url}", url=url)
        first = self._connection.whenConnected(failAfterFailures=1)
        first.addErrback(lambda _: log.warn("no router answers at {url}: trying again until one does", url=url))

    @inlineCallbacks
    def _once_a_second(self) -> Generator[Any, Any, None]:
        now_ns = self._clock_ns()
        try:
            self._intake.report_losses(now_ns)
            if self._child is not None:
                self._child.look_after(now_ns)
            yield self._upkeep.once()
        except Exception:  # noqa: BLE001 - one failed round, which is logged, must not end all further ones
            log.failure("the once-a-second round failed")

    def _look(self) -> Look:
        return Look(
            now_ns=self._clock_ns(),
            state=self._agent.state,
            session_id=self._agent.session_id,
            connected=self._session.connected,
            counters=self._counters.snapshot(),
            position=self._appender.position,
            feeds=self._intake.feed_count,
            losing=self._intake.losing,
        )

    @inlineCallbacks
    def _end(self) -> Generator[Any, Any, None]:
        """End in an orderly way: sessions, connection, child, last report; each step is bounded."""
        yield self._session.end_operations()
        yield from self._leave()
        stopped = maybeDeferred(self._connection.stopService)
        stopped.addTimeout(LEAVE_WITHIN_S, reactor).addErrback(lambda _: None)
        yield stopped
        if self._loop.running:
            self._loop.stop()
        if self._child is not None:
            yield from self._finish_child(self._child)
        yield self._once_a_second()
        log.info("ended")

    def _leave(self) -> Generator[Any, Any, None]:
        """Say goodbye and give the router a moment to answer."""
        if self._session.is_attached():
            self._session.leave()
        for _ in range(int(LEAVE_WITHIN_S / POLL_S)):
            if not self._session.is_attached():
                return
            yield deferLater(reactor, POLL_S)

    def _finish_child(self, child: WriterChild) -> Generator[Any, Any, None]:
        child.finish()
        for _ in range(int(CHILD_WITHIN_S / POLL_S)):
            if child.has_ended(self._clock_ns()):
                return
            yield deferLater(reactor, POLL_S)
        child.kill()


def run(
    settings: IngestSettings,
    buffer: BufferSettings,
    *,
    pid: int,
    clock_ns: Callable[[], int],
    steady_ns: Callable[[], int],
) -> None:
    """Run ingest on a buffer whose lock the caller holds."""
    program = Program(settings, buffer, pid=pid, clock_ns=clock_ns, steady_ns=steady_ns)
    try:
        program.run()
    finally:
        program.close()
