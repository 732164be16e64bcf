"""A small WAMP program beside the recorder: joins, goes on through reconnects and ends cleanly when told."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Any, Protocol

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import ComponentConfig
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, ensureDeferred

LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
# Twisted types its reactor as a module; the object behind it implements all of Twisted's interfaces.
reactor: Any = default_reactor


class Work(Protocol):
    """What a companion does while it is joined."""

    async def joined(self, session: ApplicationSession) -> None:
        """Begin, or go on after a reconnect, with a session that has just joined the realm."""
        ...

    def left(self) -> None:
        """Take note that the session is gone."""
        ...

    async def finish(self) -> None:
        """Bring to an end what is under way."""
        ...


class _Session(ApplicationSession):
    """Tells the companion when it can begin and when it has to pause."""

    def __init__(self, config: ComponentConfig, companion: Companion) -> None:
        super().__init__(config)
        self._companion = companion

    def onJoin(self, details: object) -> Deferred[None]:  # noqa: N802, ARG002 - autobahn's name and argument
        return ensureDeferred(self._companion.joined(self))

    def onLeave(self, details: object) -> None:  # noqa: N802, ARG002 - autobahn's name and argument
        self._companion.left()
        self.disconnect()


class Companion:
    """Runs one piece of work in the reactor until it is told to end.

    Parameters
    ----------
    work : Work
        What to do.
    url, realm : str
        The router's WebSocket and the network's realm.
    connect_timeout_s : float
        How long to try for the first connection.
    seconds : float | None
        How long to work, from the first connection; None is until a signal comes.
    """

    def __init__(self, work: Work, *, url: str, realm: str, connect_timeout_s: float, seconds: float | None) -> None:
        self._work = work
        self._url = url
        self._realm = realm
        self._connect_timeout_s = connect_timeout_s
        self._seconds = seconds
        self._session: ApplicationSession | None = None
        self._has_begun = False
        self._is_ending = False
        self._complaint: str | None = None

    def run(self) -> str | None:
        """Run until the time is over or a signal comes.

        Returns
        -------
        str | None
            What went wrong, as `sys.exit` takes it; None when nothing did.
        """
        reactor.callWhenRunning(self._take_over_signals)
        reactor.callLater(self._connect_timeout_s, self._give_up_unless_begun)
        limits = dict.fromkeys(("maxMessagePayloadSize", "maxFramePayloadSize"), LARGEST_MESSAGE_BYTES)
        # autobahn types only a part of itself
        serializers: list[Any] = [MsgPackSerializer()]  # type: ignore[no-untyped-call]
        runner = ApplicationRunner(self._url, self._realm, serializers=serializers, websocket_options=limits)
        runner.run(lambda config: _Session(config, self), auto_reconnect=True, log_level="error")
        return self._complaint

    def stop(self) -> None:
        """Finish the work, leave the realm and end; further calls do nothing."""
        if not self._is_ending:
            self._is_ending = True
            ensureDeferred(self._end())

    async def joined(self, session: ApplicationSession) -> None:
        """Let the work begin, or go on, with a session that has joined."""
        self._session = session
        try:
            await self._work.joined(session)
        except Exception as error:  # noqa: BLE001 - Twisted would log it and go on without ever doing the work
            self._fail(f"cannot work at {self._url}: {error}")
            return
        if not self._has_begun and self._seconds is not None:
            reactor.callLater(self._seconds, self.stop)
        self._has_begun = True

    def left(self) -> None:
        """Let the work pause."""
        self._session = None
        self._work.left()

    async def _end(self) -> None:
        try:
            await self._work.finish()
            if self._session is not None:
                await self._session.leave()
        finally:
            reactor.stop()

    def _take_over_signals(self) -> None:
        # Not before the reactor runs: it sets its own handlers when it starts.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: reactor.callFromThread(self.stop))

    def _give_up_unless_begun(self) -> None:
        if not self._has_begun:
            self._fail(f"cannot reach a router at {self._url}: start it, or name another with --url")

    def _fail(self, complaint: str) -> None:
        self._complaint = complaint
        self.stop()


def network_arguments(module: str, description: str) -> argparse.ArgumentParser:
    """Make a parser of the arguments that every companion takes.

    Parameters
    ----------
    module, description : str
        For its help.

    Returns
    -------
    argparse.ArgumentParser
        Further arguments can be added.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--url", required=True, help="the router's WebSocket, such as ws://127.0.0.1:8001/ws")
    parser.add_argument("--realm", default="test_realm", help="WAMP realm (default: %(default)s)")
    parser.add_argument("--address-root", default="observatory", help="of all addresses (default: %(default)s)")
    parser.add_argument("--ledger", type=Path, required=True, help="file to write down the messages in")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: on SIGINT or SIGTERM)")
    parser.add_argument("--connect-timeout", type=float, default=30, help="seconds (default: %(default)s)")
    return parser


def run(work: Work, arguments: argparse.Namespace) -> str | None:
    """Run a companion as its arguments say.

    Parameters
    ----------
    work : Work
        What to do.
    arguments : argparse.Namespace
        From a parser of `network_arguments`.

    Returns
    -------
    str | None
        What went wrong, as `sys.exit` takes it; None when nothing did.
    """
    companion = Companion(
        work,
        url=arguments.url,
        realm=arguments.realm,
        connect_timeout_s=arguments.connect_timeout,
        seconds=arguments.seconds,
    )
    return companion.run()
