"""Decoding many messages: the same as one by one, whatever is learned on the way."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import UndecodableMessage
from aggregator.settings import Caps
from tests.unit.writer.junk import COLUMN_VALUES
from tests.unit.writer.messages import FEED, block, feed, packed, plain_rows
from writer.block import BlockBuffer
from writer.decode import Decoder, MessageRecord
from writer.message import Batch, Undecodable
from writer.message_reading import MessageReader
from writer.values import Mixed, Numbers, Values

T0 = 1_700_000_000.0
CAPS = Caps()


def records_of(payloads: Iterable[memoryview]) -> list[MessageRecord]:
    return [(sequence, 10 * sequence, payload) for sequence, payload in enumerate(payloads, 1)]


def one_by_one(records: Iterable[MessageRecord]) -> list[Batch | Undecodable]:
    """Decode with nothing remembered: the reference."""
    results: list[Batch | Undecodable] = []
    for sequence, received_ns, payload in records:
        try:
            results.append(MessageReader(CAPS).read(payload, sequence, received_ns))
        except UndecodableMessage as error:
            results.append(
                Undecodable(sequence=sequence, received_ns=received_ns, payload=payload, reason=error.reason)
            )
    return results


def sort_of(values: Values) -> str:
    return str(values.array.dtype) if isinstance(values, Numbers) else type(values).__name__


def story(results: Iterable[Batch | Undecodable]) -> dict[str, list[object]]:
    """Return all that came of each feed, in order, message by message."""
    told: defaultdict[str, list[object]] = defaultdict(list)
    for result in results:
        if isinstance(result, Undecodable):
            told["undecodable"].append((result.sequence, result.received_ns, bytes(result.payload), result.reason))
            continue
        for index in range(result.messages):
            message = result.part(index, index + 1)
            rows = [
                (part.fields, [sort_of(values) for values in part.columns], repr(plain_rows(part)), part.bad_rows)
                for part in message.blocks
            ]
            told[message.feed.address].append(
                repr((message.feed, message.sequences, message.received_ns, rows, message.rejected))
            )
    told["undecodable"].sort(key=repr)
    return dict(told)


def assert_same_as_one_by_one(payloads: Sequence[memoryview], lots: Sequence[int] = ()) -> list[Batch | Undecodable]:
    records = records_of(payloads)
    decoder = Decoder(CAPS)
    edges = [0, *lots, len(records)]
    results = [r for start, stop in itertools.pairwise(edges) for r in decoder.decode_batch(records[start:stop])]
    assert story(results) == story(one_by_one(records))
    return results


def sizes(results: Iterable[Batch | Undecodable]) -> list[int]:
    return [result.messages for result in results if isinstance(result, Batch)]


def test_every_record_comes_back_once_and_the_undecodable_with_their_bytes() -> None:
    good, bad = packed({"a": block([T0], x=[1.5])}, FEED), memoryview(b"\xc1")
    results = assert_same_as_one_by_one([good, bad, good])
    undecodable = [result for result in results if isinstance(result, Undecodable)]
    assert undecodable == [Undecodable(sequence=2, received_ns=20, payload=bad, reason="not-msgpack")]


def test_messages_of_one_layout_come_together_once_it_is_learned() -> None:
    payloads = [packed({"a": block([T0 + n], x=[n * 1.5], s=["on"], ok=[n % 2 == 0])}) for n in range(20)]
    results = assert_same_as_one_by_one(payloads)
    assert sizes(results)[-1] == 17
    last = results[-1]
    assert isinstance(last, Batch)
    assert (last.first_sequence, last.last_sequence, last.first_received_ns, last.last_received_ns) == (4, 20, 40, 200)


def test_what_was_learned_serves_the_next_lot() -> None:
    payloads = [packed({"a": block([T0 + n], x=[n * 1.5])}) for n in range(20)]
    assert sizes(assert_same_as_one_by_one(payloads, lots=[10]))[-1] == 10


def test_messages_of_many_rows_come_together_too() -> None:
    payloads = [
        packed({"a": block([T0 + n, T0 + n + 0.5], x=[1.5 * n, 2.5], n=[-7, -8], b=[True, n > 5], u=[None, None])})
        for n in range(10)
    ]
    assert sizes(assert_same_as_one_by_one(payloads))[-1] == 7


def test_feeds_that_take_turns_are_each_read_together() -> None:
    feeds = [feed(address=f"observatory.faker{n}.feeds.temperatures") for n in range(3)]
    payloads = [packed({"a": block([T0 + n], x=[n * 1.5])}, feeds[n % 3]) for n in range(60)]
    results = assert_same_as_one_by_one(payloads)
    assert [result.messages for result in results if isinstance(result, Batch)][-1] == 17


def test_messages_of_one_feed_with_other_lengths_between_keep_their_order() -> None:
    payloads = [
        packed({"a": block([T0 + n], x=[1.5])} if n % 5 else {"other": block([T0 + n], y=[n])}) for n in range(60)
    ]
    assert_same_as_one_by_one(payloads)


def test_messages_of_equal_length_and_different_names_keep_their_order() -> None:
    payloads = [packed({"abc"[n % 3]: block([T0 + n], x=[1.5])}) for n in range(60)]
    assert_same_as_one_by_one(payloads)


def test_a_feed_that_starts_a_new_session_within_a_lot_keeps_its_order() -> None:
    payloads = [packed({"a": block([T0 + n], x=[1.5])}, feed(session_id=str(n // 7))) for n in range(30)]
    assert_same_as_one_by_one(payloads)


ODD_ONES = {
    "another type": {"a": block([T0], x=[7], s=["on"])},
    "an infinite timestamp": {"a": block([math.inf], x=[1.5], s=["on"])},
    "a timestamp before 1970": {"a": block([-1.0], x=[1.5], s=["on"])},
    "an integer for a timestamp": {"a": block([2**62], x=[1.5], s=["on"])},
    "not a number": {"a": block([T0], x=[math.nan], s=["on"])},
    "another name": {"a": block([T0], y=[1.5], s=["on"])},
    "another block": {"b": block([T0], x=[1.5], s=["on"])},
    "another string of that length": {"a": block([T0], x=[1.5], s=["up"])},
    "a string beyond ASCII": {"a": block([T0], x=[1.5], s=["é"])},
    "a string that is not Unicode": {"a": block([T0], x=[1.5], s=["\udc80\udc81"])},
    "a map for a field": {"a": block([T0], x=[{"k": 2.5, "": 0}], s=["on"])},
}


@pytest.mark.parametrize("odd", ODD_ONES.values(), ids=ODD_ONES)
def test_an_odd_message_between_learned_ones_is_decoded_as_itself(odd: object) -> None:
    usual = [packed({"a": block([T0 + n], x=[n * 1.5], s=["on"])}) for n in range(12)]
    assert_same_as_one_by_one([*usual, packed(odd), *usual])


def test_every_single_changed_byte_of_a_learned_message_is_noticed() -> None:
    usual = packed({"a": block([T0, T0 + 1], x=[1.5, 2.5], s=["on", "up"], n=[700, 800], b=[True, False])})
    changed = []
    for at, flip in itertools.product(range(len(usual)), (0x01, 0x80)):
        payload = bytearray(usual)
        payload[at] ^= flip
        changed.append(memoryview(bytes(payload)))
    assert_same_as_one_by_one([usual] * 4 + changed, lots=[4])


def test_every_single_changed_byte_of_a_long_message_is_noticed() -> None:
    stamps = [T0 + n for n in range(600)]
    usual = packed({"a": block(stamps, x=[1.5] * 600, n=list(range(600)))})
    reader = MessageReader(CAPS)
    reader.read(usual)
    for at in (*range(60), *range(5400, 5500), *range(10_800, 11_000), *range(len(usual) - 300, len(usual))):
        payload = bytearray(usual)
        payload[at] ^= 0x40
        changed = memoryview(bytes(payload))
        assert story(Decoder(CAPS).decode_batch([(1, 10, changed)])) == story(one_by_one([(1, 10, changed)]))
        try:
            read: list[Batch | Undecodable] = [reader.read(changed, 1, 10)]
        except UndecodableMessage as error:
            read = [Undecodable(sequence=1, received_ns=10, payload=changed, reason=error.reason)]
        assert story(read) == story(one_by_one([(1, 10, changed)]))


def test_long_messages_of_changing_lengths_are_decoded_alike() -> None:
    payloads = []
    for rows in range(500, 530):
        stamps = [T0 + n for n in range(rows)]
        columns = {"x": [1.5 * n for n in range(rows)], "n": [2**20 + n for n in range(rows)], "s": ["on"] * rows}
        payloads.append(packed({"a": block(stamps, **columns), "b": block(stamps, x=[n % 7 > 2 for n in range(rows)])}))
    assert_same_as_one_by_one(payloads)


def test_influxdb_tags_and_other_keys_do_not_matter() -> None:
    def tagged(n: int) -> dict[str, object]:
        return {**block([T0 + n], x=[1.5]), "influxdb_tags": {"x": {"_field": "x", "ch": 1}}, "more": [n % 2, "é", {}]}

    assert_same_as_one_by_one([packed({"a": tagged(n)}) for n in range(20)])


def test_strings_in_two_blocks_are_read_one_by_one_so_that_misfits_keep_their_order() -> None:
    payloads = [packed({"a": block([T0], s=["on"]), "b": block([T0], s=["on"])}) for _ in range(10)]
    assert set(sizes(assert_same_as_one_by_one(payloads))) == {1}


def test_misfits_of_several_messages_come_message_by_message() -> None:
    payloads = [packed({"a": block([T0 + n], s=["on"], t=["up"])}) for n in range(6)]
    last = Decoder(CAPS).decode_batch(records_of(payloads))[-1]
    assert isinstance(last, Batch)
    misfits = BlockBuffer("a", ("s", "t"), ("double", "double")).append(last.blocks[0])
    assert [(misfit.sequence, misfit.field) for misfit in misfits] == [
        (sequence, name) for sequence in (4, 5, 6) for name in ("s", "t")
    ]


def test_none_in_every_message_is_no_reason_to_unpack() -> None:
    payloads = [packed({"a": block([T0 + n], x=[None], y=[1.5])}) for n in range(10)]
    last = assert_same_as_one_by_one(payloads)[-1]
    assert isinstance(last, Batch)
    assert last.messages == 7
    assert isinstance(last.blocks[0].columns[0], Mixed)


def can_be_sent(values: Sequence[object]) -> bool:
    try:
        packed(values)
    except (OverflowError, UnicodeError):
        return False
    return True


EDGES = st.sampled_from([255, 256, 65535, 65536, 2**32, 2**63 - 1, 2**63, -129, -(2**31)])
WIRE_VALUES = COLUMN_VALUES.filter(can_be_sent) | st.lists(st.integers(-40, 140) | EDGES, max_size=3)


@st.composite
def templates(draw: st.DrawFn) -> tuple[dict[str, object], dict[str, object]]:
    """Draw a message, and the feed that sends it."""
    data: dict[str, object] = {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2, unique=True)):
        columns = draw(st.dictionaries(st.sampled_from(["x", "y", "1 z", "é"]), WIRE_VALUES, max_size=3))
        rows = draw(st.integers(0, 3))
        even = {field: (values * 3)[:rows] if values else [1.5] * rows for field, values in columns.items()}
        data[name] = block([T0 + row for row in range(rows)], **(even if draw(st.integers(0, 9)) else columns))
    return data, feed(address=f"a.b.feeds.{draw(st.sampled_from('cd'))}", session_id=draw(st.sampled_from("st")))


def vary(rng: Random, value: Any) -> Any:
    """Change values to others of the same type."""
    if isinstance(value, dict):
        return {key: value[key] if key == "block_name" else vary(rng, value[key]) for key in value}
    if isinstance(value, list):
        return [vary(rng, item) for item in value]
    others: list[Any] = [value]
    if isinstance(value, bool):
        others += [not value]
    elif isinstance(value, int):
        others += [value ^ 1]
    elif isinstance(value, float):
        others += [value + 1, 0.0, -0.0, rng.random()]
    elif isinstance(value, str) and value.isascii():
        others += [value.upper(), value[::-1]]
    return rng.choice(others)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[memoryview], list[int]]:
    """Draw a stream of messages that repeat with other values, with a byte changed now and then, and its lots."""
    known = draw(st.lists(templates(), min_size=1, max_size=2))
    rng = draw(st.randoms(use_true_random=True))
    payloads = []
    for _ in range(draw(st.integers(0, 30))):
        data, feed_part = rng.choice(known)
        payload = bytearray(packed(vary(rng, data), feed_part))
        if rng.random() < 0.1:
            payload[rng.randrange(len(payload))] = rng.choice([0, 0x80, 0x92, 0xC0, 0xCB, 0xFF, rng.randrange(256)])
        payloads.append(memoryview(bytes(payload)))
    return payloads, sorted(draw(st.lists(st.integers(0, len(payloads)), max_size=2)))


@given(streams())
def test_any_stream_decodes_as_its_messages_do_one_by_one(stream: tuple[list[memoryview], list[int]]) -> None:
    payloads, lots = stream
    assert_same_as_one_by_one(payloads, lots)


def test_a_feed_whose_layout_never_repeats_is_not_learned_for_ever() -> None:
    decoder = Decoder(CAPS)
    payloads = [packed({f"{n:03}": block([T0], x=[1.5])}) for n in range(300)]
    results = decoder.decode_batch(records_of(payloads))
    assert story(results) == story(one_by_one(records_of(payloads)))
    assert set(sizes(results)) == {1}


SIGNALLING = {
    "a double": (b"\xcb\x3f\xf8" + bytes(6), b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x01"),
    "a float32": (b"\xca\x3f\xc0\x00\x00", b"\xca\x7f\xa0\x00\x00"),
}


@pytest.mark.parametrize(("usual", "signalling"), SIGNALLING.values(), ids=SIGNALLING)
@pytest.mark.parametrize("in_timestamps", [False, True])
def test_a_signalling_nan_is_not_a_number_and_no_warning(usual: bytes, signalling: bytes, in_timestamps: bool) -> None:
    def message(number: bytes) -> memoryview:
        stamp, value = (number, usual) if in_timestamps else (usual, number)
        data = b"\x81\xa1a\x82\xaatimestamps\x91" + stamp + b"\xa4data\x81\xa1x\x91" + value
        return memoryview(b"\x92" + data + msgpack.packb(FEED))

    assert_same_as_one_by_one([message(usual)] * 9 + [message(signalling)] * 3)


def test_the_largest_integers_are_read_alike() -> None:
    assert_same_as_one_by_one([packed({"a": block([T0], u=[n], i=[-n])}) for n in range(2**63 - 9, 2**63)])
