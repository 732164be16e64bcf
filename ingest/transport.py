"""Connects a session to the router and keeps it connected."""

from __future__ import annotations

from typing import Any, cast

import autobahn.twisted.rawsocket
import autobahn.twisted.websocket
from autobahn.rawsocket.util import parse_url as parse_rawsocket_url
from autobahn.websocket.util import parse_url as parse_websocket_url
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet import endpoints
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import ILogObserver, Logger

from aggregator.errors import SettingsError
from ingest.framing import FeedClientProtocol

# Typed in part and at odds with each other's interfaces, so that mypy would object to each use.
_factories: Any = autobahn.twisted
_endpoints: Any = endpoints

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 5.0
"""What a router that is back may at most wait for us, while messages are missed."""

WIRE_OVERHEAD = 8
"""A message that fits as msgpack may be this many times as large as JSON text."""


class _QuietService(ClientService):
    """A client service that does not write a line for each try: a router may be away for days."""

    _log = Logger(observer=cast(ILogObserver, lambda _event: None))


def websocket_options(largest_message_bytes: int) -> dict[str, Any]:
    """Return autobahn's protocol options.

    Parameters
    ----------
    largest_message_bytes : int
        Largest message that is recorded. Larger ones must still arrive, to be counted: over its limit autobahn drops
        the connection, and every other feed's messages with it.
    """
    limit = largest_message_bytes * WIRE_OVERHEAD
    return {
        "maxFramePayloadSize": limit,
        "maxMessagePayloadSize": limit,
        "utf8validateIncoming": False,
        "perMessageCompressionOffers": [],
        "tcpNoDelay": True,
        "openHandshakeTimeout": 10.0,
        "closeHandshakeTimeout": 1.0,
        "serverConnectionDropTimeout": 1.0,
        "autoPingInterval": 5.0,
        "autoPingTimeout": 10.0,
        "autoPingSize": 12,
        "autoPingRestartOnAnyTraffic": True,
    }


def connection_service(
    url: str, session: Any, serializers: list[Any], *, largest_message_bytes: int, reactor: Any, trust: Any = None
) -> ClientService:
    """Return a service that connects the session and reconnects it until it is stopped.

    Parameters
    ----------
    url : str
        Of the router: ws, wss, rs or rss.
    session : ApplicationSession
        Used for every connection.
    serializers : list
        Offered in this order; RawSocket only has the first.
    largest_message_bytes : int
        Largest message that is recorded.
    reactor : IReactorCore
        Twisted's.
    trust : IOpenSSLTrustRoot, optional
        By which certificates a router is known, instead of the system's.

    Raises
    ------
    SettingsError
        When the URL is none of a WAMP router.
    """
    raw = url.startswith("rs")
    try:
        secure, host, port, *_ = (parse_rawsocket_url if raw else parse_websocket_url)(url)
    except Exception as error:  # noqa: BLE001 - autobahn raises plain Exception for each kind of bad URL
        raise SettingsError(
            f"{url} is not the URL of a WAMP router ({error}): see wamp_server in the site file"
        ) from None
    factory = _rawsocket_factory(session, serializers) if raw else _websocket_factory(url, session, serializers)
    if not raw:
        factory.setProtocolOptions(**websocket_options(largest_message_bytes))
    factory.noisy = False
    retry = backoffPolicy(initialDelay=FIRST_RETRY_S, maxDelay=LONGEST_RETRY_S)
    return _QuietService(
        _endpoint(reactor, host, port, secure=secure, trust=trust), factory, retryPolicy=retry, clock=reactor
    )


def _rawsocket_factory(session: Any, serializers: list[Any]) -> Any:
    return _factories.rawsocket.WampRawSocketClientFactory(lambda: session, serializer=serializers[0])


def _websocket_factory(url: str, session: Any, serializers: list[Any]) -> Any:
    factory = _factories.websocket.WampWebSocketClientFactory(lambda: session, url=url, serializers=serializers)
    factory.protocol = FeedClientProtocol
    return factory


def _endpoint(reactor: Any, host: str, port: int | str, *, secure: bool, trust: Any) -> Any:
    if host == "unix":
        return _endpoints.UNIXClientEndpoint(reactor, str(port))
    plain = _endpoints.HostnameEndpoint(reactor, host, port)
    return _endpoints.wrapClientTLS(optionsForClientTLS(host, trustRoot=trust), plain) if secure else plain
