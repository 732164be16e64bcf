"""Tells the writer what is committed, at most ten times a second, and keeps the next segment ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from aggregator.errors import LogSpaceError
from aggregator.log import Position

PACE_S = 0.1
"""The writer takes many small messages together more cheaply than each for itself, and nobody waits for one."""

log = Logger()


class Appender(Protocol):
    """The writing end of the log, as far as it is needed here."""

    @property
    def position(self) -> Position:
        """The end of what is committed."""

    @property
    def wants_next(self) -> bool:
        """Whether `prepare_next` should be called."""

    def prepare_next(self) -> None:
        """Make the next segment ahead of need, which may take a while."""


class Bell(Protocol):
    """Ingest's end of the bell."""

    def ring(self, position: Position, *, hurry: bool = False) -> bool:
        """Announce what is committed, without waiting."""


class BellRinger:
    """What happens soon after something was committed.

    Parameters
    ----------
    appender : Appender
        The log.
    bell : Bell
        What is rung.
    reactor : IReactorTime
        Twisted's.
    in_thread : callable
        Calls a function off the reactor thread and returns a Deferred of its result.
    """

    def __init__(
        self,
        appender: Appender,
        bell: Bell,
        reactor: Any,
        *,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        self._appender = appender
        self._bell = bell
        self._reactor = reactor
        self._in_thread = in_thread
        self._due = False
        self._preparing = False

    def committed(self) -> None:
        """Take note of a record; cheap, called for each."""
        if not self._due:
            self._due = True
            self._reactor.callLater(PACE_S, self._ring, hurry=False)

    def ring(self) -> None:
        """Ring now, since somebody waits for the writer."""
        self._ring(hurry=True)

    def _ring(self, *, hurry: bool) -> None:
        self._due = False
        self._bell.ring(self._appender.position, hurry=hurry)
        if self._appender.wants_next and not self._preparing:
            self._preparing = True
            prepared = self._in_thread(self._prepare)
            prepared.addErrback(lambda failure: log.failure("cannot prepare the next segment", failure))
            prepared.addBoth(self._prepared)

    def _prepare(self) -> None:
        try:
            self._appender.prepare_next()
        except LogSpaceError:
            # The appender asks again when it needs one; if there is no room then, that is counted.
            return

    def _prepared(self, _result: object) -> None:
        self._preparing = False
