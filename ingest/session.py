"""The WAMP session: an OCS agent whose feed messages go straight to the intake."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp import message as wamp
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import ComponentConfig, SubscribeOptions
from ocs.ocs_agent import OCSAgent
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater

from ingest.authentication import answer
from ingest.credentials import Credentials
from ingest.event import FeedEvent
from ingest.feed_header import FeedCache
from ingest.repack import repack

GHOST_TRIES = 60
GHOST_PAUSE_S = 1.0
STOP_WITHIN_S = 6.0
STOP_POLL_S = 0.05

ALREADY_EXISTS = "wamp.error.procedure_already_exists"
IN_PROGRESS = ("starting", "running", "stopping")


class Intake(Protocol):
    """Where messages go, as far as the session needs it."""

    def take(self, event: FeedEvent, now_ns: int) -> bool:
        """Record a message if it is to be recorded; whether there is more in the log now."""

    def refuse(self, event: FeedEvent, now_ns: int) -> None:
        """Account for a message that could not be taken."""

    def transport_lost(self, now_ns: int) -> None:
        """Note that events cannot come any more."""

    def transport_joined(self, now_ns: int) -> None:
        """Note that events come from now on."""


class FeedSession(OCSAgent):  # type: ignore[misc] # OCS is untyped
    """An OCS agent that is subscribed to every feed of its network.

    Parameters
    ----------
    site_args : argparse.Namespace
        What `ocs.site_config.parse_args` gave.
    intake : Intake
        Where messages of feeds go.
    committed : callable
        Called after each message that is in the log now.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.
    reactor : IReactorTime
        Twisted's.
    credentials : Credentials, optional
        Who this agent is to the router.

    Notes
    -----
    What OCSAgent does when connections come and go is changed in three ways, all of which would cost messages: feeds
    are subscribed to before anything else, a former self that the router has not missed yet is waited for instead of
    giving way to it, and operations end only with the process, whatever the router's reason to say goodbye.
    """

    def __init__(
        self,
        site_args: Any,
        *,
        intake: Intake,
        committed: Callable[[], None],
        clock_ns: Callable[[], int],
        reactor: Any,
        credentials: Credentials | None = None,
    ) -> None:
        address = f"{site_args.address_root}.{site_args.instance_id}"
        config = ComponentConfig(site_args.site_realm, {})  # type: ignore[no-untyped-call]
        super().__init__(config, site_args, address=address, class_name=site_args.agent_class)
        self._intake = intake
        self._committed = committed
        self._clock_ns = clock_ns
        self._reactor = reactor
        self._credentials = credentials
        self._feeds_pattern = f"{site_args.address_root}..feeds."
        self._feeds_subscription: int | None = None
        self._feed_cache = FeedCache()
        self._ending = False
        self._complaints: set[str] = set()

    @property
    def connected(self) -> bool:
        """Whether messages of feeds can come."""
        return self._feeds_subscription is not None

    # Messages -----------------------------------------------------------------------------------------------------

    def take_event(self, event: FeedEvent) -> bool:
        """Take a message of the feeds' subscription; False for one of another subscription."""
        if self._feeds_subscription is None or event.subscription not in (self._feeds_subscription, None):
            return False
        try:
            if self._intake.take(event, self._clock_ns()):
                self._committed()
        except Exception as error:  # noqa: BLE001 - autobahn would drop the connection and with it every feed
            self._intake.refuse(event, self._clock_ns())
            self._complain_once(f"a message could not be taken: {error!r}")
        return True

    def onMessage(self, msg: Any) -> None:  # noqa: N802 - autobahn's name
        """Handle what the serializers did not hand to `take_event`."""
        if not isinstance(msg, wamp.Event):
            super().onMessage(msg)
        elif msg.subscription == self._feeds_subscription:
            arguments = [36, msg.subscription, msg.publication, {}, msg.args, msg.kwargs]
            text = repr(arguments).encode("utf-8", "backslashreplace")
            self.take_event(repack(arguments, text, self._feed_cache))
        elif msg.subscription in self._subscriptions:
            super().onMessage(msg)
        else:
            self._complain_once(f"the router sent an event of a subscription that we do not have: {msg.subscription}")

    def _complain_once(self, complaint: str) -> None:
        if complaint not in self._complaints and len(self._complaints) < 1000:
            self._complaints.add(complaint)
            self.log.error("{complaint}", complaint=complaint)

    # Connections --------------------------------------------------------------------------------------------------

    def join(self, realm: str, *args: Any, **options: Any) -> None:
        """Ask for admission to the realm, as whoever the credentials say."""
        if self._credentials is not None:
            options |= self._credentials.join_options()
        super().join(realm, *args, **options)

    def onChallenge(self, challenge: Any) -> Any:  # noqa: N802 - autobahn's name
        """Answer a router that wants to see the credentials."""
        return super().onChallenge(challenge) if self._credentials is None else answer(self._credentials, challenge)

    @inlineCallbacks
    def onJoin(self, details: Any) -> Generator[Any, Any, None]:  # noqa: N802 - autobahn's name
        """Subscribe to the feeds, then do what every OCS agent does."""
        try:
            yield self._subscribe_to_feeds()
        except ApplicationError as error:
            self.log.error("the router refuses a subscription to the feeds: {error}", error=error)
            self.leave()
            return
        yield super().onJoin(details)

    @inlineCallbacks
    def _subscribe_to_feeds(self) -> Generator[Any, Any, None]:
        # Ids of a former connection mean nothing on this one, and a router may give them out again.
        self._subscriptions.clear()
        self._feeds_subscription = None
        options = SubscribeOptions(match="wildcard")  # type: ignore[no-untyped-call]
        subscription = yield ApplicationSession.subscribe(
            self, self._never_called, self._feeds_pattern, options=options
        )
        self._feeds_subscription = subscription.id
        self._intake.transport_joined(self._clock_ns())

    def _never_called(self, *_args: Any, **_kwargs: Any) -> None:
        """Stand as the handler that autobahn wants; `take_event` and `onMessage` leave nothing for it."""

    @inlineCallbacks
    def register(self, endpoint: Any, procedure: Any = None, **options: Any) -> Generator[Any, Any, Any]:
        """Register a procedure, waiting while the router still has it from a connection that we have lost.

        Raises
        ------
        ApplicationError
            When the router refuses.
        TransportLost
            When the connection was lost meanwhile.
        """
        connection = self._transport
        for _ in range(GHOST_TRIES):
            try:
                registration = yield ApplicationSession.register(self, endpoint, procedure, **options)
                return registration
            except ApplicationError as error:
                if error.error != ALREADY_EXISTS:
                    raise
            self._complain_once(
                f"{procedure} is registered already, by this agent's lost connection or by another agent with its "
                "instance-id; recording goes on, and registering is tried again"
            )
            yield deferLater(self._reactor, GHOST_PAUSE_S)
            if self._transport is not connection:
                raise TransportLost
        registration = yield ApplicationSession.register(self, endpoint, procedure, **options)
        return registration

    def onClose(self, wasClean: bool) -> None:  # noqa: N802, N803 - autobahn's names
        """Take note that the connection is gone."""
        if self._feeds_subscription is not None:
            self._feeds_subscription = None
            self._intake.transport_lost(self._clock_ns())
        super().onClose(wasClean)

    # The end ------------------------------------------------------------------------------------------------------

    @inlineCallbacks
    def end_operations(self) -> Generator[Any, Any, None]:
        """Stop what runs and wait for it, some seconds at most."""
        self._ending = True
        yield self._stop_all_running_sessions()

    @inlineCallbacks
    def _shutdown(self) -> Generator[Any, Any, None]:
        self._ending = True
        yield super()._shutdown()

    @inlineCallbacks
    def _stop_all_running_sessions(self) -> Generator[Any, Any, None]:
        if not self._ending:
            return
        for name, session in self.sessions.items():
            if session is not None and session.status in ("starting", "running"):
                self.stop(name, password=self)
        for _ in range(int(STOP_WITHIN_S / STOP_POLL_S)):
            if not any(session and session.status in IN_PROGRESS for session in self.sessions.values()):
                return
            yield deferLater(self._reactor, STOP_POLL_S)
