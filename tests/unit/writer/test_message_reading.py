"""Reading one message: what is archived, what is rejected, and that nothing gets through unnoticed."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import UndecodableMessage
from aggregator.settings import Caps
from tests.unit.writer.messages import FEED, block, feed, packed, plain
from writer.message import Batch, FeedHeader
from writer.message_reading import MessageReader

T0 = 1_700_000_000.0
CAPS = Caps()


def decoded(data: object, feed_part: object = FEED) -> Batch:
    return MessageReader(CAPS).read(packed(data, feed_part), sequence=7, received_ns=70)


def reason_of(payload: bytes | memoryview) -> str:
    with pytest.raises(UndecodableMessage) as caught:
        MessageReader(CAPS).read(memoryview(payload))
    return caught.value.reason


def test_a_message_comes_out_by_block_with_its_feed_and_where_it_came_from() -> None:
    batch = decoded({"a": block([T0, T0 + 1], x=[1.5, 2.5], s=["p", "q"]), "b": block([T0], n=[3])})
    assert batch.feed == FeedHeader(address="observatory.faker.feeds.temperatures", session_id="1589308315.450184")
    assert (batch.sequences, batch.received_ns, batch.rejected) == ((7,), (70,), ())
    assert plain(batch) == [
        (7, "a", T0, {"x": 1.5, "s": "p"}),
        (7, "a", T0 + 1, {"x": 2.5, "s": "q"}),
        (7, "b", T0, {"n": 3}),
    ]


def test_field_names_come_out_mended() -> None:
    assert decoded({"a": block([T0], **{"1st T [K]": [1.0]})}).blocks[0].fields == ("st_T_K",)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"frame_length": 60, "fresh_time": 10.5}, (60.0, 10.5)),
        ({}, (300.0, 180.0)),
        (None, (300.0, 180.0)),
        ([60, 10], (300.0, 180.0)),
        ({"frame_length": "60", "fresh_time": True}, (300.0, 180.0)),
        ({"frame_length": math.nan, "fresh_time": math.inf}, (300.0, 180.0)),
        ({"frame_length": 0, "fresh_time": -1}, (300.0, 180.0)),
        ({"frame_length": None, "fresh_time": 2**64 - 1}, (300.0, float(2**64))),
    ],
)
def test_wrong_agg_params_count_as_the_defaults(params: object, expected: tuple[float, float]) -> None:
    header = decoded({}, feed(agg_params=params)).feed
    assert (header.frame_length_s, header.fresh_time_s) == expected


def test_a_feed_without_agg_params_has_the_defaults() -> None:
    bare = {"address": "a.b.feeds.c", "session_id": "s"}
    assert decoded({}, bare).feed == FeedHeader(address="a.b.feeds.c", session_id="s")


@pytest.mark.parametrize(("given_id", "expected"), [("s", "s"), (15, "15"), (1.5, "1.5"), (None, ""), ("\udce4", "?")])
def test_a_session_id_is_a_string_that_can_be_written(given_id: object, expected: str) -> None:
    assert decoded({}, feed(session_id=given_id)).feed.session_id == expected


@pytest.mark.parametrize(
    "address",
    [
        "a.b.c",
        "a.b.c.d.e",
        "a..c.d",
        "a.b.c.",
        "",
        "a.b.c.é",
        "a.b.c.d e",
        "a.b.c.d\n",
        5,
        None,
        ["a.b.c.d"],
        b"a.b.c.d",
    ],
)
def test_an_address_that_so3g_cannot_take_apart_costs_its_message_only(address: object) -> None:
    assert reason_of(packed({}, feed(address=address))) == "bad-address"


UNDECODABLE = [
    ("no bytes", b"", "not-msgpack"),
    ("a reserved byte", b"\xc1", "not-msgpack"),
    ("a number", msgpack.packb(5), "not-a-pair"),
    ("a triple", msgpack.packb([{}, FEED, 1]), "not-a-pair"),
    ("a map of two", msgpack.packb({0: {}, 1: FEED}), "not-a-pair"),
    ("a feed that is a list", packed({}, [FEED]), "bad-feed"),
    ("no feed", packed({}, None), "bad-feed"),
    ("a session id that is a list", packed({}, feed(session_id=["s"])), "bad-feed"),
    ("data that is a list", packed([1], FEED), "bad-data"),
    ("data that is nothing", packed(None, FEED), "bad-data"),
    ("data that is an extension", packed(msgpack.ExtType(5, b"x"), FEED), "bad-data"),
    ("more blocks than allowed", packed({str(n): {} for n in range(1025)}, FEED), "too-many-blocks"),
    ("a byte after the pair", bytes(packed({}, FEED)) + b"\x00", "trailing-bytes"),
    ("an array 2000 deep", b"\x91" * 2000 + b"\x00", "too-deep"),
    ("maps 2000 deep", b"\x81\x00" * 2000 + b"\x00", "too-deep"),
    ("a list as a key", b"\x92\x81\x90\x00" + msgpack.packb(FEED), "not-msgpack"),
    ("a claim of four thousand million elements", b"\x92\xdd\xff\xff\xff\xff", "not-msgpack"),
    ("a timestamp extension of a wrong size", b"\x92\xd5\xff\x00\x00" + msgpack.packb(FEED), "not-msgpack"),
]


@pytest.mark.parametrize(("payload", "reason"), [case[1:] for case in UNDECODABLE], ids=[c[0] for c in UNDECODABLE])
def test_what_is_no_message_says_why(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


def test_a_message_over_the_cap_is_not_even_unpacked() -> None:
    caps = Caps(message_bytes=100)
    with pytest.raises(UndecodableMessage, match="too-large"):
        MessageReader(caps).read(packed({}, FEED))


@pytest.mark.parametrize("levels", [4, 100, 900])
def test_a_value_nested_deeper_than_the_cap_costs_its_message(levels: int) -> None:
    nested: object = 1.0
    for _ in range(levels):
        nested = [nested]
    assert reason_of(packed({"a": block([T0, T0], x=[1.0, nested])}, FEED)) == "too-deep"


def test_a_rejected_block_nested_deeper_than_the_cap_costs_its_message() -> None:
    nested: Any = {}
    for _ in range(10):
        nested = {"k": nested}
    assert reason_of(packed({"a": {"data": nested}}, FEED)) == "too-deep"


BAD_BLOCKS = [
    ("a number", 5, "not-a-map"),
    ("nothing", None, "not-a-map"),
    ("a list", [1, 2], "not-a-map"),
    ("bytes", b"raw", "not-a-map"),
    ("an empty map", {}, "no-timestamps"),
    ("timestamps missing", {"data": {"x": [1.0]}}, "no-timestamps"),
    ("one timestamp that is not in a list", {"timestamps": T0, "data": {"x": [1.0]}}, "no-timestamps"),
    ("data missing", {"timestamps": [T0]}, "no-data"),
    ("data that is a list", {"timestamps": [T0], "data": [1.0]}, "no-data"),
    ("no fields", block([T0]), "no-fields"),
    ("a field that is not a list", block([T0], x=1.0), "not-lists"),
    ("a field that is a string as long as the block", block([T0], x="1"), "not-lists"),
    ("fields of unequal lengths", block([T0, T0], x=[1.0, 2.0], y=[1.0]), "lengths-differ"),
    ("fewer timestamps than rows", block([], x=[1.0]), "lengths-differ"),
    ("a hundred thousand fields", block([T0], **{f"f{n}": [1.0] for n in range(100_000)}), "too-many-fields"),
    ("no timestamp that is finite", block([math.inf, math.nan], x=[1, 2]), "timestamp-not-finite"),
    ("a timestamp that is true", block([True], x=[1]), "timestamp-not-a-number"),
    ("a timestamp before 1970", block([-1e-9], x=[1]), "timestamp-out-of-range"),
    ("a timestamp in nanoseconds", block([1_700_000_000_000_000_000], x=[1]), "timestamp-out-of-range"),
]


@pytest.mark.parametrize(("bad", "reason"), [case[1:] for case in BAD_BLOCKS], ids=[case[0] for case in BAD_BLOCKS])
def test_a_bad_block_is_rejected_whole_and_its_neighbours_are_not(bad: object, reason: str) -> None:
    batch = decoded({"before": block([T0], x=[1.0]), "bad": bad, "after": block([T0], x=[2.0])})
    assert [rows.block for rows in batch.blocks] == ["before", "after"]
    (rejected,) = batch.rejected
    assert (rejected.sequence, rejected.block, rejected.reason) == (7, "bad", reason)
    assert repr(rejected.original) == repr(bad)


@pytest.mark.parametrize("name", [5, None, b"raw", 1.5, "\udc80", msgpack.ExtType(1, b"")])
def test_a_block_whose_name_cannot_be_written_is_rejected(name: object) -> None:
    batch = decoded({name: block([T0], x=[1.0]), "good": block([T0], x=[2.0])})
    assert [rows.block for rows in batch.blocks] == ["good"]
    assert [rejected.reason for rejected in batch.rejected] == ["bad-block-name"]


def test_a_block_without_rows_gives_nothing() -> None:
    batch = decoded({"a": block([], x=[], y=[])})
    assert (batch.blocks, batch.rejected) == ((), ())


def test_rows_with_unusable_timestamps_are_taken_out_whole() -> None:
    stamps: list[object] = [T0, None, math.inf, T0 + 1, "now", 1e300, 7, [T0], True]
    batch = decoded({"a": block(stamps, x=list(range(9)), s=list("abcdefghi"), m=[None] * 8 + [b"raw"])})
    assert plain(batch) == [
        (7, "a", T0, {"x": 0, "s": "a", "m": None}),
        (7, "a", T0 + 1, {"x": 3, "s": "d", "m": None}),
        (7, "a", 7.0, {"x": 6, "s": "g", "m": None}),
    ]
    assert [tuple(bad) for bad in batch.blocks[0].bad_rows] == [
        (7, 1, None, (1, "b", None), "timestamp-not-a-number"),
        (7, 2, math.inf, (2, "c", None), "timestamp-not-finite"),
        (7, 4, "now", (4, "e", None), "timestamp-not-a-number"),
        (7, 5, 1e300, (5, "f", None), "timestamp-out-of-range"),
        (7, 7, [T0], (7, "h", None), "timestamp-not-a-number"),
        (7, 8, True, (8, "i", b"raw"), "timestamp-not-a-number"),
    ]


def test_whole_number_timestamps_are_seconds_too() -> None:
    times = decoded({"a": block([1_700_000_000, 1_700_000_001], x=[1, 2])}).blocks[0].times
    assert times.dtype == np.float64
    assert times.tolist() == [1.7e9, 1.7e9 + 1]


def test_no_cut_of_a_message_passes_for_a_message() -> None:
    payload = packed({"a": block([T0, T0 + 1], x=[1.5, 2.5], s=["p", None]), "b": block([T0], n=[3])}, FEED)
    reader = MessageReader(CAPS)
    reader.read(payload)
    for length in range(len(payload)):
        with pytest.raises(UndecodableMessage):
            reader.read(payload[:length])


def test_a_known_feed_part_at_the_end_of_something_else_is_not_taken_for_a_feed() -> None:
    reader = MessageReader(CAPS)
    first = packed({"a": block([T0], x=[1.5])}, FEED)
    reader.read(first)
    nested = memoryview(msgpack.packb([{"pad": b"." * 18}, {"address": "a.b.c.d", "more": FEED}]))
    padding = len(first) - len(nested)
    nested = memoryview(msgpack.packb([{"pad": b"." * (18 + padding)}, {"address": "a.b.c.d", "more": FEED}]))
    assert len(nested) == len(first)
    assert reader.read(nested).feed.address == "a.b.c.d"


def test_a_feed_that_changes_its_parameters_is_read_anew() -> None:
    reader = MessageReader(CAPS)
    lengths = [
        reader.read(packed({}, feed(agg_params={"frame_length": seconds}))).feed.frame_length_s
        for seconds in (60, 61, 60, 62)
    ]
    assert lengths == [60, 61, 60, 62]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["timestamps", "data", "address", "x"]) | st.integers(0, 9), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=60) | JUNK.map(msgpack.packb) | st.tuples(JUNK, JUNK).map(msgpack.packb))
def test_arbitrary_bytes_are_a_message_or_one_named_fault(payload: bytes) -> None:
    assert reason_of(payload) in {"not-msgpack", "trailing-bytes", "not-a-pair", "bad-feed", "bad-address"}


@given(st.dictionaries(st.sampled_from(["a", "b"]) | st.integers(0, 3), JUNK, max_size=3))
def test_arbitrary_blocks_are_archived_or_rejected_and_never_forgotten(data: dict[object, object]) -> None:
    payload = packed({**data, "good": block([T0], x=[1.5])}, FEED)
    try:
        result = MessageReader(CAPS).read(payload)
    except UndecodableMessage as error:
        assert error.reason == "too-deep"  # noqa: PT017 - most messages raise nothing
        return
    names = [rows.block for rows in result.blocks] + [rejected.block for rejected in result.rejected]
    assert "good" in names
    empty = [name for name, found in data.items() if isinstance(found, dict) and found.get("timestamps") == []]
    assert len(names) >= len(data) + 1 - len(empty)
