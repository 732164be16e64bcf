"""Whatever comes as a message: the writer lives, every good neighbour is archived, and the counters add up."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aggregator.settings import Caps
from tests.support.archive_check import IN_THE_DATA
from tests.support.memory import memory_directory
from tests.support.oracle import compare
from tests.support.reading import load
from tests.support.recording import Recording, block, feed
from tests.support.tally import tried
from writer.conformance import Tolerance, check_archive

NAN, INF = float("nan"), float("inf")
NEIGHBOUR = "neighbour"
CAPS = Caps(fields_per_block=2000, blocks_per_feed=60, message_bytes=1 << 20)
ODD_DATA = (*IN_THE_DATA, Tolerance.SCANNER_WARNINGS)


def pair(data: Any, header: Any = None) -> bytes:
    return bytes(msgpack.packb([data, feed("odd") if header is None else header], default=repr))


def one(values: Any, times: Any = (1.7e9,), name: Any = "temps", field: Any = "ohm") -> bytes:
    return pair({"temps": {"block_name": name, "timestamps": times, "data": {field: values}}})


def nested(depth: int) -> Any:
    out: Any = 1.5
    for _ in range(depth):
        out = [out]
    return out


def deep_bytes(depth: int) -> bytes:
    return b"\x92" + b"\x91" * depth + b"\xc0" + bytes(msgpack.packb(feed("odd")))


def with_header(**changes: Any) -> bytes:
    return pair(block("temps", [1.7e9], ohm=[1.5]), {**feed("odd"), **changes})


NASTIES: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\xc1",
    "half a message": one([1.5])[:20],
    "trailing bytes": one([1.5]) + b"\x00",
    "a number": msgpack.packb(5),
    "one of a pair": msgpack.packb([{}]),
    "a triple": msgpack.packb([{}, feed("odd"), 1]),
    "no dict": pair([1, 2]),
    "no feed": pair({}, 7),
    "an empty feed": pair({}, {}),
    "empty data": pair({}),
    "None as a block": pair({"temps": None}),
    "missing timestamps": pair({"temps": {"data": {"ohm": [1.5]}}}),
    "missing data": pair({"temps": {"timestamps": [1.7e9]}}),
    "no fields": pair({"temps": {"timestamps": [1.7e9], "data": {}}}),
    "unequal lengths": one([1.5, 2.5]),
    "values that are no list": one(1.5),
    "timestamps that are no list": one([1.5], 1.7e9),
    "a string as timestamps": one([1.5], "1700000000"),
    "timestamps as strings": one([1.5], ["1700000000"]),
    "None as a timestamp": one([1.5], [None]),
    "nan as a timestamp": one([1.5], [NAN]),
    "inf as a timestamp": one([1.5], [INF]),
    "a negative timestamp": one([1.5], [-1.0]),
    "a timestamp in milliseconds": one([1.5], [1.7e12]),
    "a huge integer as timestamp": one([1.5], [2**63]),
    "a bool as timestamp": one([1.5], [True]),
    "None": one([None]),
    "nan": one([NAN]),
    "inf": one([-INF]),
    "bytes": one([b"\x00\xff"]),
    "nested lists": one([[1, 2], [3]], (1.7e9, 1.7e9 + 1)),
    "a dict as value": one([{"a": 1}]),
    "mixed types": one([1, 2.5, True, "hot", None], [1.7e9 + i for i in range(5)]),
    "64 bits and more": one([2**63, 2**64 - 1], (1.7e9, 1.7e9 + 1)),
    "the least integer": one([-(2**63)]),
    "lone surrogates": b"\x92"
    + msgpack.packb(block("temps", [1.7e9], s=["a"])).replace(b"\xa1a", b"\xa3\xed\xa0\x80")
    + msgpack.packb(feed("odd")),
    "bytes that are no UTF-8 in a string": one(["abc"]).replace(b"\xa3abc", b"\xa3a\xffc"),
    "a NUL in a name": one([1.5], field="a\x00b"),
    "an empty name": one([1.5], field=""),
    "a name of 5000 letters": one([1.5], field="x" * 5000),
    "a number as name": one([1.5], field=7),
    "None as name": one([1.5], field=None),
    "colliding names": pair(block("temps", [1.7e9], **{"a b": [1], "a_b": [2], "a-_b": [3]})),
    "names without a letter": pair(block("temps", [1.7e9], **{"1": [1], "2": [2], "?": [3]})),
    "a block name that is a number": pair({5: {"block_name": 5, "timestamps": [1.7e9], "data": {"ohm": [1.5]}}}),
    "depth 100": one([nested(100)]),
    "depth 2000": deep_bytes(2000),
    "a map as a key": b"\x92\x81\x81\x01\x02\x03" + msgpack.packb(feed("odd")),
    "an ext type": pair({"temps": msgpack.ExtType(5, b"xx")}),
    "a msgpack timestamp": one([msgpack.Timestamp(1, 1)]),
    "an array that claims four billion": b"\x92\xdd\xff\xff\xff\xff",
    "a string that claims four billion": b"\x92\xdb\xff\xff\xff\xff",
    "3000 fields": pair(block("temps", [1.7e9], **{f"f{i}": [1] for i in range(3000)})),
    "100 blocks": pair({f"b{i}": block("b", [1.7e9], ohm=[1])["b"] for i in range(100)}),
    "no rows": one([], ()),
    "an address of three words": with_header(address="a.b.c"),
    "an address with empty words": with_header(address="a..b.c"),
    "an address that is no ASCII": with_header(address="a.b.feeds.ü"),
    "an address that is a number": with_header(address=5),
    "a session that is a number": with_header(session_id=5),
    "a session that is None": with_header(session_id=None),
    "agg_params that are None": with_header(agg_params=None),
    "agg_params that are a list": with_header(agg_params=[1]),
    "a frame_length of nan": with_header(agg_params={"frame_length": NAN}),
    "a frame_length below zero": with_header(agg_params={"frame_length": -5, "fresh_time": 0}),
    "a frame_length in words": with_header(agg_params={"frame_length": "long"}),
    "a fresh_time of ages": with_header(agg_params={"fresh_time": 1e300, "frame_length": 1e300}),
    "a frame_length that is tiny": with_header(agg_params={"frame_length": 5e-324}),
}


class Bench:
    """A recording in which every odd message stands between good ones of other feeds."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.recording = Recording(root, segment_bytes=4 << 20)
        self.recording.start()
        self.good: list[bytes] = []
        self.odd = 0

    def publish(self, odd: bytes) -> None:
        self.add_neighbour()
        self.recording.raw(odd)
        self.odd += 1

    def add_neighbour(self) -> None:
        recording = self.recording
        data = block("temps", [recording.now_s], ohm=[1.5 * len(self.good)], state=["gut"])
        self.good.append(msgpack.packb([data, feed(NEIGHBOUR, frame_length=1.0)]))
        recording.raw(self.good[-1])
        recording.advance(0.05)

    def check(self) -> None:
        recording = self.recording
        service = recording.service(caps=CAPS)
        recording.drain(service)
        self.add_neighbour()
        recording.stop()
        recording.drain(service)
        assert service.is_complete
        assert service.pending_messages == 0
        counters = service.counters
        assert counters.total("read") == len(self.good) + self.odd
        assert counters.total("archived") + counters.total("quarantined") == counters.total("read")
        outcome = compare(self.good, recording.data)
        assert not [*outcome.lost, *outcome.doubled, *outcome.changed], str(outcome)
        assert all(key.address != f"observatory.lab.feeds.{NEIGHBOUR}" for key in outcome.invented)
        faults = check_archive(recording.data, tolerate=ODD_DATA)
        assert not faults, "\n".join(faults)
        # Only the neighbour is read as an array: so3g cannot when odd feeds change their types between sessions.
        loaded = load(recording.data, [f"observatory.lab.feeds.{NEIGHBOUR}.ohm"])
        assert [len(values) for _, values in loaded.values()] == [len(self.good)]
        tried("malformed messages", self.odd)


@pytest.mark.parametrize("nasty", NASTIES)
def test_a_named_nasty_harms_no_neighbour(nasty: str, shm_path: Path) -> None:
    bench = Bench(shm_path)
    for _ in range(3):
        bench.publish(NASTIES[nasty])
    bench.check()


def test_all_nasties_together_harm_no_neighbour_and_survive_a_restart(shm_path: Path) -> None:
    bench = Bench(shm_path)
    for round_number in range(3):
        for nasty in NASTIES.values():
            bench.publish(nasty)
        if round_number < 2:
            service = bench.recording.service(caps=CAPS)
            bench.recording.drain(service)
    bench.check()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(width=64)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from([1.7e9, "timestamps", "data", 2**63, NAN, INF])
)
KEYS = st.text(max_size=5) | st.integers(0, 9)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
COLUMNS = st.dictionaries(st.text(max_size=6), st.lists(SCALARS, max_size=4) | ANYTHING, max_size=4)
TIMES = st.lists(st.floats(0, 8e9) | SCALARS, max_size=4) | ANYTHING
BLOCKS = st.fixed_dictionaries({}, optional={"block_name": SCALARS, "timestamps": TIMES, "data": COLUMNS | ANYTHING})
DATA = st.dictionaries(st.sampled_from(["a", "b", "temps"]) | st.text(max_size=4), BLOCKS | ANYTHING, max_size=3)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "address": st.sampled_from(["observatory.lab.feeds.odd", "a.b.feeds.c"]) | SCALARS,
        "session_id": st.sampled_from(["1.5", "2"]) | SCALARS,
        "agg_params": ANYTHING | st.dictionaries(st.sampled_from(["frame_length", "fresh_time"]), SCALARS),
        "record": SCALARS,
    },
)
ODD_PAIRS = st.tuples(DATA | ANYTHING, st.just(feed("odd")) | HEADERS | ANYTHING).map(list)


def packed_any(content: Any) -> bytes:
    return bytes(msgpack.packb(content, unicode_errors="surrogatepass"))


ODD_MESSAGES = ODD_PAIRS.map(packed_any) | ANYTHING.map(packed_any) | st.binary(max_size=60)
MUTATIONS = st.tuples(st.integers(0, 10_000), st.integers(0, 255))


def mutated(message: bytes, changes: list[tuple[int, int]]) -> bytes:
    raw = bytearray(message)
    for place, value in changes:
        if raw:
            raw[place % len(raw)] = value
    return bytes(raw)


ORIGINALS = [one([1.5, 2.5], (1.7e9, 1.7e9 + 1)), *list(NASTIES.values())[:40]]
MUTANTS = st.builds(mutated, st.sampled_from(ORIGINALS), st.lists(MUTATIONS, min_size=1, max_size=4))


# Shrinking dozens of messages would take an hour; the failed one is named by its quarantine or its rows.
@settings(
    phases=[Phase.generate],
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
@given(st.lists(ODD_MESSAGES | MUTANTS, min_size=45, max_size=70))
def test_anything_at_all_harms_no_neighbour(messages: list[bytes]) -> None:
    with memory_directory() as root:
        bench = Bench(root)
        for message in messages:
            bench.publish(message)
        bench.check()


def test_a_flood_of_odd_floats_survives(shm_path: Path) -> None:
    bench = Bench(shm_path)
    for i in range(300):
        bits = (i * 0x9E3779B97F4A7C15) & (2**64 - 1)
        value = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
        bench.publish(one([value], [value]))
    bench.check()
