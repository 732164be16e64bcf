"""What a router answers to an agent that joins, subscribes, registers and publishes. Source: the WAMP basic profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SUBPROTOCOL = "wamp.2.msgpack"

_HELLO, _WELCOME, _GOODBYE = 1, 2, 6
_PUBLISH, _PUBLISHED = 16, 17
_SUBSCRIBE, _SUBSCRIBED, _UNSUBSCRIBE, _UNSUBSCRIBED = 32, 33, 34, 35
_CALL, _ERROR = 48, 8
_REGISTER, _REGISTERED, _UNREGISTER, _UNREGISTERED = 64, 65, 66, 67

_SESSION = 1_021_023_000_000_002
_FEATURES = {
    "broker": {"features": {"pattern_based_subscription": True, "publisher_identification": True}},
    "dealer": {"features": {"progressive_call_results": True}},
}


def is_feeds_pattern(topic: Any) -> bool:
    """Tell whether a subscription is a recorder's, to the feeds of all agents."""
    return isinstance(topic, str) and topic.endswith("..feeds.")


def answer(message: list[Any], feeds_subscription: int) -> list[Any] | None:
    """Return a router's answer to a WAMP message; None where there is none.

    Parameters
    ----------
    message : list
        What the agent sent.
    feeds_subscription : int
        Id that the subscription to the feeds gets.
    """
    make = _ANSWERS.get(message[0])
    return make(message, feeds_subscription) if make else None


def _subscribed(message: list[Any], feeds_subscription: int) -> list[Any]:
    request, topic = message[1], message[3]
    return [_SUBSCRIBED, request, feeds_subscription if is_feeds_pattern(topic) else feeds_subscription + request]


def _published(message: list[Any], _: int) -> list[Any] | None:
    return [_PUBLISHED, message[1], message[1]] if message[2].get("acknowledge") else None


_ANSWERS: dict[int, Callable[[list[Any], int], list[Any] | None]] = {
    _HELLO: lambda message, _: [_WELCOME, _SESSION, {"roles": _FEATURES, "realm": message[1]}],
    _GOODBYE: lambda *_: [_GOODBYE, {}, "wamp.close.goodbye_and_out"],
    _PUBLISH: _published,
    _SUBSCRIBE: _subscribed,
    _UNSUBSCRIBE: lambda message, _: [_UNSUBSCRIBED, message[1]],
    _CALL: lambda message, _: [_ERROR, _CALL, message[1], {}, "wamp.error.no_such_procedure"],
    _REGISTER: lambda message, _: [_REGISTERED, message[1], _SESSION + message[1]],
    _UNREGISTER: lambda message, _: [_UNREGISTERED, message[1]],
}
