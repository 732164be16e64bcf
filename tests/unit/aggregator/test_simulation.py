from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import msgpack
import pytest

from aggregator.simulation import SimulatedMessage, SimulatedSite

SECOND_NS = 1_000_000_000
START_NS = 1_790_000_000 * SECOND_NS


def published(seconds: float, *, seed: int = 1, scale: float = 0.05) -> list[SimulatedMessage]:
    site = SimulatedSite(seed, START_NS, scale=scale)
    return list(site.messages(START_NS + round(seconds * SECOND_NS)))


def by_topic(messages: list[SimulatedMessage]) -> dict[str, list[SimulatedMessage]]:
    topics = defaultdict(list)
    for message in messages:
        topics[message.topic].append(message)
    return dict(topics)


def blocks(message: SimulatedMessage) -> dict[str, Any]:
    return dict(message.data)


def test_the_same_seed_and_start_give_the_same_messages() -> None:
    assert published(5) == published(5)


def test_another_seed_gives_other_values_at_the_same_times() -> None:
    one, other = published(3), published(3, seed=2)
    assert [message.publish_ns for message in one] == [message.publish_ns for message in other]
    assert one != other


def test_a_span_taken_in_pieces_is_the_span_taken_whole() -> None:
    site = SimulatedSite(3, START_NS, scale=0.05)
    ends_ns = [START_NS + round(second * 0.7 * SECOND_NS) for second in range(15)]
    pieces = [m for begin, end in pairwise(ends_ns) for m in site.messages(end, from_ns=begin)]
    assert pieces == list(site.messages(ends_ns[-1]))


def test_messages_come_in_order_of_publication() -> None:
    times = [message.publish_ns for message in published(10)]
    assert times == sorted(times)


def test_every_message_goes_through_msgpack_unchanged() -> None:
    for message in published(4):
        packed = msgpack.packb([message.data, message.feed])
        assert msgpack.unpackb(packed) == [message.data, message.feed]


def test_a_whole_site_has_about_a_hundred_recordable_feeds() -> None:
    assert 80 <= len(SimulatedSite(1, START_NS).recordable_addresses) <= 120


def test_the_scale_multiplies_agents_and_never_drops_a_kind() -> None:
    few, many = (SimulatedSite(1, START_NS, scale=scale).recordable_addresses for scale in (0.01, 2))
    assert {address.split(".")[1].rstrip("0123456789") for address in many} == {
        address.split(".")[1].rstrip("0123456789") for address in few
    }
    assert len(many) > 10 * len(few)


def test_rows_of_a_block_are_equally_many_in_every_field_and_grow_in_time_without_repeating() -> None:
    last: dict[tuple[str, str], float] = {}
    for message in published(20):
        if not message.recordable:
            continue
        for name, block in blocks(message).items():
            times = block["timestamps"]
            assert {len(values) for values in block["data"].values()} == {len(times)}
            assert all(a < b for a, b in pairwise([last.get((message.topic, name), 0.0), *times]))
            last[message.topic, name] = times[-1]


def test_rows_are_stamped_shortly_before_they_are_published() -> None:
    for message in published(6):
        for block in blocks(message).values() if message.recordable else ():
            ages = [message.publish_ns / SECOND_NS - time for time in block["timestamps"]]
            assert 0 < min(ages) <= max(ages) < 60


@pytest.mark.parametrize(
    ("topic", "messages", "rows"),
    [
        ("observatory.acu-sat1.feeds.acu_udp_stream", 10, 200),
        ("observatory.acu-sat1.feeds.acu_motors", 10, 200),
        ("observatory.hwp-bbb-1.feeds.HWPEncoder_full", 5, 4200),
        ("observatory.LSA0001.feeds.temperatures", 10, 7),
    ],
)
def test_the_fast_instruments_publish_at_their_real_rates(topic: str, messages: int, rows: int) -> None:
    found = by_topic(published(10.99))[topic]
    assert abs(len(found) - messages) <= 1
    assert len(next(iter(blocks(found[0]).values()))["timestamps"]) == rows


def test_every_agent_has_a_heartbeat_that_does_not_want_to_be_recorded() -> None:
    topics = by_topic(published(3))
    agents = {topic.rsplit(".", 2)[0] for topic in topics}
    for agent in agents:
        heartbeats = topics[f"{agent}.feeds.heartbeat"]
        assert heartbeats
        assert not any(message.recordable or message.feed["record"] for message in heartbeats)


def test_a_feed_that_is_excluded_says_so_and_is_not_recordable() -> None:
    excluded = by_topic(published(3))["observatory.acu-sat1.feeds.acu_status_influx"]
    assert all(m.feed["record"] is True and not m.recordable for m in excluded)
    assert all(m.feed["agg_params"] == {"exclude_aggregator": True} for m in excluded)


def test_the_restarting_agent_comes_back_with_a_new_session_id() -> None:
    found = by_topic(published(60))["observatory.gauge-1.feeds.pressures"]
    assert len({message.feed["session_id"] for message in found}) == 3


def test_the_dozing_agent_is_silent_for_longer_than_its_fresh_time_and_returns_in_the_same_session() -> None:
    found = by_topic(published(40))["observatory.weather-1.feeds.weather"]
    pauses_ns = [b.publish_ns - a.publish_ns for a, b in pairwise(found)]
    assert sum(pause > 3 * SECOND_NS for pause in pauses_ns) == 2
    assert len({message.feed["session_id"] for message in found}) == 1


def test_the_sparse_block_comes_with_some_messages_only() -> None:
    found = by_topic(published(20))["observatory.LSA0001.feeds.temperatures"]
    with_heater = sum("sample_heater" in message.data for message in found)
    assert 0 < with_heater < len(found) / 2


def test_one_feed_mixes_integers_and_floats_in_each_message_under_names_that_need_mending() -> None:
    found = by_topic(published(10))["observatory.chiller-1.feeds.status"]
    for message in found:
        fields = blocks(message)["chiller status"]["data"]
        assert {type(value) for value in fields["Water temperature (C)"]} == {int, float}
        assert not all(name.isidentifier() for name in fields)


def test_values_are_plain_python_of_the_four_kinds_that_agents_publish() -> None:
    kinds = {
        type(value)
        for message in published(12)
        if message.recordable
        for block in blocks(message).values()
        for values in block["data"].values()
        for value in values
    }
    assert kinds == {bool, int, float, str}
