from __future__ import annotations

import base64
import datetime as dt
import json
import math
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import autobahn.wamp.message
import cbor2
import msgpack
import pytest
from autobahn.wamp.exception import ProtocolError
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.event import FeedEvent
from ingest.serializers import all_serializers
from tests.unit.ingest.wire import ADDRESS, FEEDS, data_part, event_message, feed_part

wamp: Any = autobahn.wamp.message  # partly typed, so that mypy would object to each use
NAMES = ("msgpack", "cbor", "json")
OTHER_SUBSCRIPTION = 4242424242424242


class Connection:
    """A serializer as a session would use it: events of one subscription are taken."""

    def __init__(self, name: str, *, takes: bool = True) -> None:
        self.events: list[FeedEvent] = []
        self.serializer = all_serializers(self._take)[NAMES.index(name)]
        self.reference = (MsgPackSerializer, CBORSerializer, JsonSerializer)[NAMES.index(name)]()
        self.is_binary = name != "json"
        self._takes = takes

    def _take(self, event: FeedEvent) -> bool:
        if not self._takes or event.subscription == OTHER_SUBSCRIPTION:
            return False
        self.events.append(event)
        return True

    def receive(self, payload: bytes) -> list[Any]:
        messages: list[Any] = self.serializer.unserialize(payload, self.is_binary)
        return messages

    def one(self, payload: bytes) -> FeedEvent:
        assert self.receive(payload) == []
        (event,) = self.events
        return event


def encode(name: str, message: Any) -> bytes:
    encoders: dict[str, Callable[[Any], bytes]] = {
        "msgpack": msgpack.packb,
        "cbor": cbor2.dumps,
        "json": lambda m: json.dumps(m, separators=(",", ":"), ensure_ascii=True).encode(),
    }
    return encoders[name](message)


def pair_of(event: FeedEvent) -> Any:
    return msgpack.unpackb(event.packed[event.begin : event.end], strict_map_key=False, unicode_errors="surrogatepass")


@pytest.mark.parametrize("name", NAMES)
def test_an_event_is_handed_on_as_msgpack_with_its_feed_read(name: str) -> None:
    message = event_message([data_part(), feed_part()], publication=99)
    event = Connection(name).one(encode(name, message))
    assert (event.subscription, event.publication) == (FEEDS, 99)
    assert pair_of(event) == [data_part(), feed_part()]
    assert msgpack.unpackb(event.packed[event.feed_begin : event.end]) == feed_part()
    assert event.feed is not None
    assert (event.feed.address, event.feed.session_id, event.feed.recorded) == (ADDRESS, "1700000000.5", True)


@pytest.mark.parametrize("name", NAMES)
def test_what_autobahn_itself_sends_is_understood(name: str) -> None:
    connection = Connection(name)
    for kwargs in (None, dict[str, Any]()):
        sent = wamp.Event(FEEDS, 7, args=[(data_part(), feed_part())], kwargs=kwargs, topic=ADDRESS)
        payload, _ = connection.reference.serialize(sent)
        assert connection.receive(payload) == []
    assert [event.feed is not None for event in connection.events] == [True, True]


def test_msgpack_bytes_are_not_touched() -> None:
    odd = bytes.fromhex("92 81 d9 01 62 cd 0001") + msgpack.packb(feed_part())
    envelope = msgpack.packb([36, FEEDS, 7, {"topic": ADDRESS}, [0]])[:-1] + odd
    connection = Connection("msgpack")
    for _ in range(3):
        connection.receive(envelope)
    assert {event.packed[event.begin : event.end] for event in connection.events} == {odd}


@pytest.mark.parametrize("topic", ["t.u.feeds.v", "t" * 40, "t" * 300, ""])
@pytest.mark.parametrize("publication", [1, 200, 70_000, 2**40])
def test_the_shortcut_for_known_feeds_finds_what_the_long_way_finds(topic: str, publication: int) -> None:
    connection = Connection("msgpack")
    for value in range(3):
        pair = [data_part(value), feed_part()]
        connection.receive(encode("msgpack", event_message(pair, publication=publication, topic=topic)))
    changed = [data_part(9), feed_part(session_id="another")]
    connection.receive(encode("msgpack", event_message(changed, publication=publication, topic=topic)))
    assert [pair_of(event) for event in connection.events[:3]] == [[data_part(v), feed_part()] for v in range(3)]
    assert pair_of(connection.events[3]) == changed
    assert connection.events[3].feed is not None
    assert connection.events[3].feed.session_id == "another"


@pytest.mark.parametrize("details", [{}, {"publisher": 5, "topic": ADDRESS}, {"topic": ADDRESS, "retained": True}])
@pytest.mark.parametrize("name", NAMES)
def test_details_of_any_kind_are_passed_over(name: str, details: dict[str, Any]) -> None:
    message = [36, FEEDS, 7, details, [[data_part(), feed_part()]]]
    assert pair_of(Connection(name).one(encode(name, message))) == [data_part(), feed_part()]


@pytest.mark.parametrize("name", NAMES)
def test_events_of_other_subscriptions_reach_autobahn_decoded(name: str) -> None:
    connection = Connection(name)
    message = event_message([{"reset": True}, feed_part()], subscription=OTHER_SUBSCRIPTION)
    (event,) = connection.receive(encode(name, message))
    assert isinstance(event, wamp.Event)
    assert event.args == [[{"reset": True}, feed_part()]]
    assert connection.events == []


@pytest.mark.parametrize("name", NAMES)
def test_everything_but_events_reaches_autobahn(name: str) -> None:
    connection = Connection(name)
    sent: list[Any] = [
        wamp.Subscribed(1, FEEDS),
        wamp.Invocation(1, 2, args=["status", "record"]),
        wamp.Goodbye("wamp.close.normal"),
        wamp.Published(1, 2),
    ]
    for one in sent:
        payload, is_binary = connection.reference.serialize(one)
        (got,) = connection.serializer.unserialize(payload, is_binary)
        assert type(got) is type(one)
        assert got.marshal() == one.marshal()


@pytest.mark.parametrize("name", NAMES)
def test_a_control_message_that_is_none_fails_as_in_autobahn(name: str) -> None:
    with pytest.raises(ProtocolError):
        Connection(name).receive(encode(name, [6, "no details"]))


def test_a_call_that_cannot_be_decoded_costs_itself_only() -> None:
    payload = msgpack.packb([68, 1, 2, {}, [{5: "msgpack keys are strings to autobahn"}]])
    assert Connection("msgpack").receive(payload) == []


SHAPES: dict[str, list[Any]] = {
    "no arguments": [36, FEEDS, 7, {}],
    "empty arguments": [36, FEEDS, 7, {}, []],
    "two arguments": [36, FEEDS, 7, {}, [[data_part(), feed_part()], 1]],
    "data and feed as two arguments": [36, FEEDS, 7, {}, [data_part(), feed_part()]],
    "keyword arguments": [36, FEEDS, 7, {}, [[data_part(), feed_part()]], {"x": 1}],
    "a triple": [36, FEEDS, 7, {}, [[data_part(), feed_part(), 1]]],
    "no pair": [36, FEEDS, 7, {}, [5]],
    "a string of two letters": [36, FEEDS, 7, {}, ["ab"]],
    "a map of two": [36, FEEDS, 7, {}, [{"a": 1, "b": 2}]],
    "no feed": [36, FEEDS, 7, {}, [[data_part(), None]]],
    "a feed without address": [36, FEEDS, 7, {}, [[data_part(), {"record": True}]]],
    "a feed without record": [36, FEEDS, 7, {}, [[data_part(), {"address": ADDRESS}]]],
    "arguments null": [36, FEEDS, 7, {}, None],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_an_event_of_another_shape_is_kept_whole_as_malformed(name: str, shape: str) -> None:
    payload = encode(name, SHAPES[shape])
    connection = Connection(name)
    event = connection.one(payload)
    assert event.feed is None
    assert event.subscription == FEEDS
    assert event.packed[event.begin : event.end] == payload


def test_a_seventh_element_is_malformed() -> None:
    payload = msgpack.packb([36, FEEDS, 7, {}, [[data_part(), feed_part()]], {}, 1])
    assert Connection("msgpack").one(payload).feed is None


@pytest.mark.parametrize("name", ["msgpack", "cbor"])
def test_an_opaque_payload_is_kept_whole_as_malformed(name: str) -> None:
    payload = encode(name, [36, FEEDS, 7, {"enc_algo": "x_own"}, b"\x01\x02"])
    event = Connection(name).one(payload)
    assert (event.feed, event.packed) == (None, payload)


class TestTraps:
    """What CBOR and JSON can say and msgpack cannot."""

    def value(self, name: str, payload: bytes) -> Any:
        event = Connection(name).one(payload)
        assert event.feed is not None
        return pair_of(event)[0]["temps"]["data"]["ch1"][0]

    def encoded(self, name: str, value: Any) -> bytes:
        return encode(name, event_message([data_part(value), feed_part()]))

    @pytest.mark.parametrize("name", ["cbor", "json"])
    @pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 2**70, 10**300])
    def test_integers_beyond_64_bits_become_doubles(self, name: str, number: int) -> None:
        assert self.value(name, self.encoded(name, number)) == float(number)

    @pytest.mark.parametrize("name", ["cbor", "json"])
    def test_integers_beyond_doubles_become_text(self, name: str) -> None:
        assert self.value(name, self.encoded(name, 16**400)) == hex(16**400)

    @pytest.mark.parametrize("name", ["cbor", "json"])
    @pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 0, True, None, -0.0, 1e-320, math.inf])
    def test_what_msgpack_can_say_stays_exact(self, name: str, number: Any) -> None:
        got = self.value(name, self.encoded(name, number))
        assert (type(got), got) == (type(number), number)

    def test_lone_surrogates_pass_json_as_they_pass_msgpack(self) -> None:
        assert self.value("json", self.encoded("json", "\ud800")) == "\ud800"

    def test_nan_passes(self) -> None:
        assert all(math.isnan(self.value(name, self.encoded(name, math.nan))) for name in ("cbor", "json"))

    def test_wamp_binaries_in_json_are_bytes(self) -> None:
        text = "\0" + base64.b64encode(b"\x00\xff").decode()
        assert self.value("json", self.encoded("json", text)) == b"\x00\xff"
        assert self.value("json", self.encoded("json", "\0 no base64")) == "\0 no base64"

    def test_an_endless_number_in_json_is_malformed_and_no_more(self) -> None:
        payload = self.encoded("json", 1).replace(b'"ch1":[1]', b'"ch1":[' + b"9" * 5000 + b"]")
        event = Connection("json").one(payload)
        assert (event.feed, event.packed, event.subscription) == (None, payload, FEEDS)

    @pytest.mark.parametrize(
        ("value", "packed"),
        [
            (b"\x00\xff", b"\x00\xff"),
            (Decimal("1.5"), 1.5),
            (Decimal("NaN"), math.nan),
            ({1, 2}, [1, 2]),
            (dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), "2026-01-01 00:00:00+00:00"),
            (cbor2.CBORTag(9999, "x"), None),
            (cbor2.undefined, None),
            (cbor2.CBORSimpleValue(99), None),
            ({5: 6, None: 7}, {5: 6, None: 7}),
        ],
    )
    def test_foreign_cbor_types_cost_no_message(self, value: Any, packed: Any) -> None:
        got = self.value("cbor", self.encoded("cbor", value))
        if packed is not None:
            assert got == packed or (math.isnan(got) and math.isnan(packed))

    def test_a_cbor_value_that_holds_itself_is_malformed(self) -> None:
        endless = bytes.fromhex("d81c 81 d81d 00")
        payload = self.encoded("cbor", 0).replace(b"\x81\x00", b"\x81" + endless)
        assert Connection("cbor").one(payload).feed is None

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("depth", [600, 2000, 200_000])
    def test_a_depth_bomb_is_malformed_or_handed_on_but_never_kills(self, name: str, depth: int) -> None:
        start = encode(name, event_message([0, feed_part()]))
        bomb = {
            "msgpack": b"\x91" * depth + b"\xc0",
            "cbor": b"\x81" * depth + b"\xf6",
            "json": b"[" * depth + b"]" * depth,
        }
        marks = {"msgpack": b"\x92\x00", "cbor": b"\x82\x00", "json": b"[0,"}
        mark = marks[name]
        payload = start.replace(
            mark, mark[:-2] * (name == "json") + mark[: -1 if name != "json" else 1] + bomb[name] + mark[2:]
        )
        connection = Connection(name)
        assert connection.receive(payload) == []
        assert len(connection.events) == 1

    @pytest.mark.parametrize(
        "payload",
        [
            bytes.fromhex("95 24 dd ffffffff"),
            bytes.fromhex("95 24 01 02 80 91 92 df ffffffff"),
            bytes.fromhex("95 24 01 02 80 91 92 c6 ffffffff 00"),
            bytes.fromhex("95 24 c0 c0 c0 c0"),
            bytes.fromhex("95 24"),
        ],
    )
    def test_lying_msgpack_is_malformed(self, payload: bytes) -> None:
        connection = Connection("msgpack")
        assert connection.one(payload).feed is None

    @pytest.mark.parametrize(
        "head", ["9bffffffffffffffff", "5bffffffffffffffff", "bbffffffffffffffff", "7bffffffffffffffff"]
    )
    def test_lying_cbor_is_malformed(self, head: str) -> None:
        whole = encode("cbor", event_message([0, feed_part()]))
        payload = whole.replace(b"\x82\x00", b"\x82" + bytes.fromhex(head))
        event = Connection("cbor").one(payload)
        assert (event.feed, event.subscription) == (None, FEEDS)


# A NUL at the start of a string makes it a binary in WAMP's JSON.
TEXT = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(ANYTHING, max_size=4), st.sampled_from(["msgpack", "cbor"]))
@settings(max_examples=300, deadline=None)
def test_no_event_whatever_its_arguments_raises(arguments: list[Any], name: str) -> None:
    connection = Connection(name)
    assert connection.receive(encode(name, [36, FEEDS, 7, {}, *arguments][:6])) == []
    assert len(connection.events) == 1


@given(ANYTHING, ANYTHING, st.sampled_from(NAMES))
@settings(max_examples=300, deadline=None)
def test_any_data_beside_a_good_feed_is_handed_on_unchanged(data: Any, record: Any, name: str) -> None:
    feed = feed_part(record=True)
    if name == "json":
        data, record = json.loads(json.dumps([data, record], default=str))
    event = Connection(name).one(encode(name, event_message([data, feed])))
    assert event.feed is not None
    assert repr(pair_of(event)[0]) == repr(msgpack.unpackb(msgpack.packb(data)))
    second = Connection(name).one(encode(name, event_message([data, feed_part(record=record, agg_params=data)])))
    assert second.packed


@given(st.data(), st.sampled_from(NAMES))
@settings(max_examples=800, deadline=None)
def test_damaged_bytes_never_raise(data: st.DataObject, name: str) -> None:
    connection = Connection(name)
    whole = encode(name, event_message([data_part(), feed_part()]))
    connection.receive(whole)
    start = 4 if name == "json" else 3
    keep = data.draw(st.integers(start, len(whole)))
    damaged = bytearray(whole[:keep])
    for _ in range(data.draw(st.integers(0, 3))):
        if len(damaged) > start:
            damaged[data.draw(st.integers(start, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged += data.draw(st.binary(max_size=3))
    assert connection.receive(bytes(damaged)) == []
    assert len(connection.events) == 2


@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_damaged_events_of_all_subscriptions_never_raise(name: str) -> None:
    chance = random.Random(name)  # noqa: S311 - a fixed seed is the point
    mine, others = Connection(name), Connection(name, takes=False)
    whole = encode(name, event_message([data_part(), feed_part()]))
    start = len(b"[36,") if name == "json" else 3
    for _ in range(5000):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(start, len(damaged))] = chance.randrange(256)
        assert mine.receive(bytes(damaged)) == []
        others.receive(bytes(damaged))
    assert len(mine.events) == 5000
