"""Finding the places of values: what is found is right, and what is unusual is left to an ordinary unpack."""

from __future__ import annotations

import math

import msgpack
import pytest

from aggregator.settings import Caps
from tests.unit.writer.messages import FEED, block, packed, plain_rows
from writer.layout_finding import find_blocks
from writer.layouts import Messages, have_good_times, read_rows
from writer.message_reading import MessageReader

T0 = 1_700_000_000.0
CAPS = Caps()

FOUND = {
    "one row": {"a": block([T0], x=[1.5])},
    "many rows": {"a": block([T0 + n for n in range(70_000)], x=[float(n) for n in range(70_000)])},
    "several blocks": {"a": block([T0], x=[1.5]), "b": block([T0, T0], y=[1, 2], z=[True, False])},
    "no block": {},
    "integers of every width": {
        str(n): block([T0] * 2, x=[n, n]) for n in (0, 127, 128, 2**16, 2**32, 2**63 - 1, -1, -33, -129, -(2**31))
    },
    "strings of every width": {str(n): block([T0], s=["x" * n]) for n in (0, 1, 31, 32, 255)},
    "no value": {"a": block([T0], x=[None])},
    "many fields": {"a": block([T0], **{f"field {n}": [n * 1.5] for n in range(300)})},
    "tags": {"a": {**block([T0], x=[1.5]), "influxdb_tags": {"x": {"_field": "x"}}}},
    "a long block name": {"a" * 300: block([T0], x=[1.5])},
    "integers for times": {"a": block([1, 2], x=[1.5, 2.5])},
}


@pytest.mark.parametrize("data", FOUND.values(), ids=FOUND)
def test_what_is_found_reads_as_an_ordinary_unpack_does(data: object) -> None:
    payload = packed(data)
    found = find_blocks(payload, CAPS)
    assert found is not None
    assert bytes(payload[found.end :]) == msgpack.packb(FEED)
    messages = Messages(joined=payload, nbytes=len(payload), sequences=(1,))
    assert have_good_times(found.blocks, messages).all()
    read = read_rows(found.blocks, messages, 0, 1)
    expected = MessageReader(CAPS).read(payload, 1).blocks
    assert [plain_rows(rows) for rows in read] == [plain_rows(rows) for rows in expected]


UNUSUAL = {
    "not a map": [],
    "a block that is not a map": {"a": 5},
    "a block whose name is a number": {5: block([T0], x=[1.5])},
    "a block whose name is not Unicode": {"\udc80": block([T0], x=[1.5])},
    "no timestamps": {"a": {"data": {"x": [1.5]}}},
    "timestamps that are no numbers": {"a": block(["now"], x=[1.5])},
    "timestamps that are true": {"a": block([True], x=[1.5])},
    "no data": {"a": {"timestamps": [T0]}},
    "data that is a list": {"a": {"timestamps": [T0], "data": [1.5]}},
    "no fields": {"a": block([T0])},
    "no rows": {"a": block([], x=[])},
    "unequal lengths": {"a": block([T0, T0], x=[1.5, 1.5], y=[1.5])},
    "one value that is not in a list": {"a": block([T0], x=1.5)},
    "a field whose name is a number": {"a": {"timestamps": [T0], "data": {1: [1.5]}}},
    "several types in a field": {"a": block([T0, T0], x=[1.5, 2])},
    "integers of several widths": {"a": block([T0, T0], x=[1, 1000])},
    "strings of several lengths": {"a": block([T0, T0], s=["a", "bc"])},
    "a string beyond ASCII": {"a": block([T0], s=["é"])},
    "a string of 256 characters": {"a": block([T0], s=["x" * 256])},
    "an integer beyond int64": {"a": block([T0], x=[2**63])},
    "bytes": {"a": block([T0], x=[b"raw"])},
    "a list for a value": {"a": block([T0], x=[[1.5]])},
    "an extension": {"a": block([T0], x=[msgpack.ExtType(5, b"x")])},
    "more fields than allowed": {"a": block([T0], **{str(n): [1.5] for n in range(10_001)})},
    "more blocks than allowed": {str(n): block([T0], x=[1.5]) for n in range(1025)},
}


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL)
def test_whatever_is_unusual_is_left_alone(data: object) -> None:
    assert find_blocks(packed(data), CAPS) is None


REPEATED = {
    "a block twice": b"\x82" + 2 * (msgpack.packb("a") + msgpack.packb(block([T0], x=[1.5]))),
    "a field twice": b"\x81\xa1a\x82\xaatimestamps\x91\x01\xa4data\x82\xa1x\x91\x01\xa1x\x91\x02",
    "timestamps twice": b"\x81\xa1a\x83\xaatimestamps\x91\x01\xaatimestamps\x91\x02\xa4data\x81\xa1x\x91\x01",
}


@pytest.mark.parametrize("data", REPEATED.values(), ids=REPEATED)
def test_a_name_that_comes_twice_is_left_to_an_ordinary_unpack(data: bytes) -> None:
    payload = b"\x92" + data + msgpack.packb(FEED)
    MessageReader(CAPS).read(memoryview(payload))
    assert find_blocks(memoryview(payload), CAPS) is None


PASSED_OVER = {
    "a list as a key": b"\x81\x90\x00",
    "a reserved byte": b"\xc1",
    "an array too deep": b"\x91" * 2000 + b"\x00",
    "a timestamp extension of a wrong size": b"\xd5\xff\x00\x00",
}


@pytest.mark.parametrize("raw", PASSED_OVER.values(), ids=PASSED_OVER)
def test_what_msgpack_refuses_is_not_passed_over(raw: bytes) -> None:
    data = b"\x81\xa1a\x83\xaatimestamps\x91\x01\xa4data\x81\xa1x\x91\x01\xa4more" + raw
    assert find_blocks(memoryview(b"\x92" + data + msgpack.packb(FEED)), CAPS) is None


def test_no_cut_of_a_message_breaks_the_search() -> None:
    payload = packed({"a": {**block([T0, T0], x=[1.5, 2.5], s=["on", "up"]), "influxdb_tags": {"x": [1, "y"]}}})
    whole = find_blocks(payload, CAPS)
    assert whole is not None
    found = [find_blocks(payload[:length], CAPS) for length in range(len(payload))]
    assert [length for length, cut in enumerate(found) if cut] == list(range(whole.end, len(payload)))


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -1.0, 1e300])
def test_a_message_with_a_time_that_cannot_be_archived_is_told_from_the_others(stamp: float) -> None:
    payloads = [packed({"a": block([T0, T0], x=[1.5, 2.5])}), packed({"a": block([T0, stamp], x=[1.5, 2.5])})]
    found = find_blocks(payloads[0], CAPS)
    assert found is not None
    messages = Messages(joined=b"".join(payloads), nbytes=len(payloads[0]), sequences=(1, 2))
    assert have_good_times(found.blocks, messages).tolist() == [True, False]
