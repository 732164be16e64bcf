"""The OCS agent: its one process, `record`."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ocs.ocs_agent import ParamError, param
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from aggregator.errors import SettingsError
from aggregator.health import State as HealthState
from aggregator.observation import Observation, observe
from aggregator.settings import RecorderSettings
from ingest.arguments import make_parser, usable_data_dir
from ingest.intake import Intake
from ingest.report import State, pipeline
from ingest.session_start import SessionStarts
from ingest.upkeep import Seen

__all__ = ["AggregatorAgent", "make_parser"]

ROUND_S = 1.0
"""How long `record` takes messages in test mode."""

STARTED_WITHIN_S = 0.05
CLOSED_WITHIN_S = 4.5
CLOSED_POLL_S = 0.1
LOOKS_BEFORE_DEGRADED = 3
"""A writer that is only just being started is no reason for an alarm."""


class Ringer(Protocol):
    """Tells the writer what is committed."""

    def ring(self) -> None:
        """Ring now."""


def _check_data_dir(value: str) -> bool:
    if not Path(value).is_absolute():
        raise ParamError(f"data_dir {value!r} is not an absolute path")
    return True


def _check_time_per_file(value: float) -> bool:
    if not (math.isfinite(value) and value >= 1):
        raise ParamError(f"time_per_file {value:g} is not a number of seconds from 1 on")
    return True


class AggregatorAgent:
    """Records every feed that asks for it while its process `record` runs.

    Parameters
    ----------
    agent : FeedSession
        The OCS agent that `record` is registered with.
    settings : RecorderSettings
        What a session uses unless its parameters say otherwise.
    directory : Path
        The buffer directory.
    intake : Intake
        Opened and closed with each session.
    ringer : Ringer
        Rung at the end of a session.
    starts : SessionStarts
        Makes the records that begin a session.
    writer_is_ours : bool
        Whether a writer that is not there now will be started.
    record_on_start : bool
        Whether `record` starts as soon as the router is joined.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.
    reactor : IReactorTime
        Twisted's.
    in_thread : callable
        Calls a function off the reactor thread and returns a Deferred of its result.
    """

    def __init__(
        self,
        agent: Any,
        *,
        settings: RecorderSettings,
        directory: Path,
        intake: Intake,
        ringer: Ringer,
        starts: SessionStarts,
        writer_is_ours: bool,
        record_on_start: bool,
        clock_ns: Callable[[], int],
        reactor: Any,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._intake = intake
        self._ringer = ringer
        self._starts = starts
        self._writer_is_ours = writer_is_ours
        self._clock_ns = clock_ns
        self._reactor = reactor
        self._in_thread = in_thread
        self._operation: Any = None
        self._stop_asked: Deferred[None] = Deferred()
        self._current_file = ""
        self._troubled_looks = 0
        self.state = State.IDLE
        self.session_id: int | None = None
        agent.register_process(
            "record", self.record, self._stop_record, blocking=False, stopper_blocking=False, startup=record_on_start
        )

    @param("test_mode", default=False, type=bool)  # type: ignore[untyped-decorator]
    @param("data_dir", default=None, type=str, check=_check_data_dir)  # type: ignore[untyped-decorator]
    @param("time_per_file", default=None, type=float, check=_check_time_per_file)  # type: ignore[untyped-decorator]
    @inlineCallbacks
    def record(self, session: Any, params: dict[str, Any]) -> Generator[Any, Any, tuple[bool, str]]:
        """record(test_mode=False, data_dir=None, time_per_file=None)

        **Process** - Takes the messages of all feeds that are to be recorded, for the writer to put into the archive,
        until it is stopped.

        Parameters:
            test_mode (bool, optional): Record for one second, wait until the file is closed and end. Default is
                False.
            data_dir (str, optional): Root of the archive for this session. Default is the argument ``--data-dir``.
            time_per_file (float, optional): Longest time per file in seconds, for this session. Default is the
                argument ``--time-per-file``.

        Notes:
            The session data tell where the data go, which feeds were heard of, and how the recorder is doing::

                >>> response.session['data']
                {"current_file": "/data/hk/17674/1767443712.g3",
                 "providers": {
                    "observatory.fake-data1.feeds.false_temperatures": {
                        "last_refresh": 1767443930.5,
                        "sessid": "1767440328.8",
                        "stale": false,
                        "last_block_received": "temps"}},
                 "pipeline": {
                    "backlog": 12, "lag_s": 0.0, "dropped": 0, "rejected": 0, "quarantined": 0, "gaps": 0,
                    "writer_alive": true, "buffer_fill": 0.03, "degraded": null}}
        """  # noqa: D400, D406, D407 - OCS shows this text to its users in its own form
        self._stop_asked = Deferred()
        settings = self._session_settings(params)
        try:
            yield self._in_thread(self._check_place, settings)
        except SettingsError as error:
            return False, str(error)
        self._operation, self._current_file = session, ""
        try:
            yield from self._record_session(session, settings, test_mode=params["test_mode"])
        finally:
            self._operation, self.session_id, self.state = None, None, State.IDLE
        return True, "Aggregation has ended"

    def _record_session(
        self, session: Any, settings: RecorderSettings, *, test_mode: bool
    ) -> Generator[Any, Any, None]:
        begun = yield from self._begin(session, settings)
        if not begun:
            return
        self.state = State.RECORDING
        yield deferLater(self._reactor, ROUND_S) if test_mode else self._stop_asked
        self.state = State.STOPPING
        stopped = self._intake.stop(self._clock_ns())
        self._ringer.ring()
        yield from self._until_written(session, stopped)

    def _begin(self, session: Any, settings: RecorderSettings) -> Generator[Any, Any, bool]:
        """Open a session, as soon as the buffer has room for one; False when a stop came first."""
        start = self._starts.next(settings, self._clock_ns())
        while not self._intake.start(start, self._clock_ns()):
            if not session.degraded:
                session.degraded = True
                session.add_message("the buffer has no room to begin a session: waiting for the writer to free some")
            yield deferLater(self._reactor, ROUND_S)
            if self._stop_asked.called:
                return False
        self.session_id = start.session_id
        session.data = self._session_data(None)
        return True

    def _until_written(self, session: Any, stopped: int | None) -> Generator[Any, Any, None]:
        """Wait until the writer has closed the session's file, but not for ever."""
        deadline_s = self._reactor.seconds() + CLOSED_WITHIN_S
        while self._reactor.seconds() < deadline_s:
            observation = yield self._in_thread(observe, self._directory)
            if stopped is not None and _has_closed(observation, stopped):
                self._show(observation, pipeline(observation, degraded=None))
                return
            if not observation.writer.alive and not self._writer_is_ours:
                break
            yield deferLater(self._reactor, CLOSED_POLL_S)
        session.add_message("the writer has not closed the file yet; what was recorded waits in the buffer for it")

    def _stop_record(self, session: Any, params: Any) -> Deferred[Any]:
        if session.status == "starting":
            # OCS is about to call `record` and fails an operation that is stopping before it is running.
            return deferLater(self._reactor, STARTED_WITHIN_S, self._stop_record, session, params)
        if session.status == "running":
            session.set_status("stopping")
            self._stop_asked.callback(None)
            return succeed((True, "Stopping aggregation"))
        if session.status == "stopping":
            return succeed((True, "Aggregation is being stopped already"))
        return succeed((False, "Aggregation is not running"))

    def tell(self, seen: Seen) -> None:
        """Show in OCS what was seen of the recorder."""
        degraded = seen.health.state is HealthState.DEGRADED
        self._troubled_looks = self._troubled_looks + 1 if degraded else 0
        if self._operation is None:
            return
        degraded = self._troubled_looks >= LOOKS_BEFORE_DEGRADED or (degraded and self._intake.losing)
        reasons = "; ".join(seen.health.reasons) if degraded else None
        self._show(seen.observation, pipeline(seen.observation, degraded=reasons))
        if degraded != self._operation.degraded:
            self._operation.degraded = degraded
            self._operation.add_message(f"degraded: {reasons}" if degraded else "no data is at risk any more")

    def _show(self, observation: Observation, content: dict[str, Any]) -> None:
        writer = observation.writer
        if writer.snapshot and writer.snapshot.get("session_id") == self.session_id:
            self._current_file = writer.text("current_file") or self._current_file
        if self._operation is not None:
            self._operation.data = self._session_data(content)

    def _session_data(self, content: dict[str, Any] | None) -> dict[str, Any]:
        data: dict[str, Any] = {
            "current_file": self._current_file,
            "providers": self._intake.providers(self._clock_ns()),
        }
        return data if content is None else {**data, "pipeline": content}

    def _session_settings(self, params: dict[str, Any]) -> RecorderSettings:
        changes: dict[str, Any] = {}
        if params["data_dir"] is not None:
            changes["data_dir"] = Path(params["data_dir"])
        if params["time_per_file"] is not None:
            changes["time_per_file_s"] = params["time_per_file"]
        return replace(self._settings, **changes)

    def _check_place(self, settings: RecorderSettings) -> None:
        place = usable_data_dir(settings.data_dir)
        if self._directory.is_relative_to(place.resolve()):
            raise SettingsError(f"the buffer directory {self._directory} is inside the data directory {place}")


def _has_closed(observation: Observation, stopped: int) -> bool:
    snapshot = observation.writer.snapshot or {}
    return snapshot.get("session_id") is None and observation.writer.number("sequence") >= stopped
