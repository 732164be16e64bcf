"""What decoding remembers is bounded, and forgetting changes nothing but the speed."""

from __future__ import annotations

import pytest

from aggregator.settings import Caps
from tests.unit.writer.messages import block, feed, packed
from writer import feed_memory, layout_memory
from writer.decode import Decoder, MessageRecord
from writer.feed_memory import FeedMemory
from writer.feed_reading import feed_header
from writer.layout_memory import FIRST_LEARNING, LayoutMemory
from writer.message import Batch

T0 = 1_700_000_000.0
CAPS = Caps()


def feeds(count: int) -> list[dict[str, object]]:
    return [feed(address=f"observatory.faker{n}.feeds.temperatures") for n in range(count)]


def test_a_feed_part_is_found_again_in_messages_of_lengths_that_it_had() -> None:
    memory = FeedMemory()
    payload, other = packed({"a": block([T0], x=[1.5])}), packed({"a": block([T0], xy=[1.5])})
    assert memory.find(payload) is None
    memory.remember(payload, feed_header(feed()))
    found = memory.find(payload)
    assert found is not None
    assert found.header == feed_header(feed())
    assert memory.find(other) is None
    assert memory.at_end(other, len(other) - found.nbytes) is found


def test_feeds_of_different_sizes_in_messages_of_one_length_are_all_found() -> None:
    memory = FeedMemory()
    payloads = [packed({"a" * n: {}}, feed(session_id="s" * (9 - n))) for n in range(1, 8)]
    assert len({len(payload) for payload in payloads}) == 1
    for n, payload in enumerate(payloads, 1):
        memory.remember(payload, feed_header(feed(session_id="s" * (9 - n))))
    found = [memory.find(payload) for payload in payloads]
    assert [known.header.session_id for known in found if known] == ["s" * (9 - n) for n in range(1, 8)]


def test_a_feed_part_of_unusual_size_is_not_remembered() -> None:
    memory = FeedMemory()
    payload = packed({}, feed(session_id="s" * 5000))
    memory.remember(payload, feed_header(feed(session_id="s" * 5000)))
    assert memory.find(payload) is None


@pytest.mark.parametrize("limit", ["MOST_FEEDS", "MOST_LENGTHS"])
def test_more_feeds_than_are_remembered_are_decoded_all_the_same(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_memory, limit, 3)
    payloads = [packed({"a": block([T0 + n], **{"x" * n: [1.5]})}, part) for n in range(1, 9) for part in feeds(10)]
    assert_all_come_back(payloads)


@pytest.mark.parametrize(("limit", "value"), [("MOST_SHELVES", 2), ("MOST_LAYOUT_BYTES", 5000)])
def test_more_layouts_than_are_remembered_are_decoded_all_the_same(
    limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_memory, limit, value)
    payloads = [packed({"a": block([T0 + n], x=[1.5])}, feeds(10)[n % 10]) for n in range(200)]
    assert_all_come_back(payloads)


def assert_all_come_back(payloads: list[memoryview]) -> None:
    decoder = Decoder(CAPS)
    records: list[MessageRecord] = [(n, n, payload) for n, payload in enumerate(payloads)]
    results = [
        result for start in range(0, len(records), 50) for result in decoder.decode_batch(records[start : start + 50])
    ]
    assert all(isinstance(result, Batch) for result in results)
    assert sorted(n for result in results if isinstance(result, Batch) for n in result.sequences) == list(
        range(len(payloads))
    )


def test_learning_in_vain_becomes_rare() -> None:
    memory, feeds_seen = LayoutMemory(CAPS), FeedMemory()
    first = packed({"000": block([T0], x=[1.5])})
    feeds_seen.remember(first, feed_header(feed()))
    known = feeds_seen.find(first)
    assert known is not None
    shelf = memory.shelf(known, len(first))
    learned = 0
    for n in range(1000):
        newest = shelf.layouts[:1]
        memory.note_unmatched(shelf, known, packed({f"{n:03}": block([T0], x=[1.5])}))
        learned += shelf.layouts[:1] != newest
    assert learned == 8
    assert len(shelf.layouts) == layout_memory.LAYOUTS_PER_SHELF
    assert shelf.learn_at == FIRST_LEARNING << learned
