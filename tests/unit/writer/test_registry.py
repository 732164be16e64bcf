from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.settings import Caps
from writer.message import FeedHeader, Rows
from writer.provider import SECOND_NS, Provider
from writer.registry import Registry
from writer.values import Numbers

FEED = FeedHeader(address="observatory.lab.feeds.temps", session_id="1.5", frame_length_s=10, fresh_time_s=30)
T0 = 1_700_000_000 * SECOND_NS


def rows(block: str, *fields: str, sequence: int = 1) -> Rows:
    return Rows(
        block=block,
        fields=fields,
        times=np.array([T0 / SECOND_NS]),
        columns=tuple(Numbers(np.array([1.0])) for _ in fields),
        sequences=(sequence,),
    )


def give(registry: Registry, block: str, *fields: str, sequence: int = 1, at_s: float = 0.0) -> Provider:
    received_ns = T0 + int(at_s * SECOND_NS)
    provider = registry.provider_for(FEED, block, fields, sequence=sequence, received_ns=received_ns)
    assert provider is not None
    provider.append(
        rows(block, *fields, sequence=sequence),
        sequence=sequence,
        first_received_ns=received_ns,
        last_received_ns=received_ns,
    )
    registry.schedule(provider)
    return provider


def test_the_blocks_of_a_feed_share_a_provider() -> None:
    registry = Registry(Caps())
    assert give(registry, "one", "a") is give(registry, "two", "b") is give(registry, "one", "a")
    assert registry.next_prov_id == 1


def test_the_order_of_fields_makes_no_other_field_set() -> None:
    registry = Registry(Caps())
    assert give(registry, "one", "a", "b") is give(registry, "one", "b", "a")


def test_other_fields_go_to_a_provider_beside_and_find_it_again() -> None:
    registry = Registry(Caps())
    narrow, wide = give(registry, "one", "a"), give(registry, "one", "a", "b")
    assert (narrow.prov_id, wide.prov_id) == (0, 1)
    assert give(registry, "one", "a") is narrow
    assert give(registry, "one", "a", "b") is wide
    assert give(registry, "two", "c") is narrow


def test_a_field_name_lives_in_one_block_of_a_provider_only() -> None:
    registry = Registry(Caps())
    assert give(registry, "one", "a") is not give(registry, "two", "a")


def test_feeds_and_feed_sessions_never_share_a_provider() -> None:
    registry = Registry(Caps())
    other = FeedHeader(address=FEED.address, session_id="2.5")
    assert give(registry, "one", "a") is not registry.provider_for(other, "one", ("a",), sequence=9, received_ns=T0)


def test_a_cap_on_providers_refuses_one_more() -> None:
    registry = Registry(Caps(providers=1))
    give(registry, "one", "a")
    assert registry.provider_for(FEED, "one", ("b",), sequence=9, received_ns=T0) is None
    assert registry.provider_for(FEED, "one", ("a",), sequence=9, received_ns=T0) is not None


def test_a_cap_on_blocks_begins_another_provider() -> None:
    registry = Registry(Caps(blocks_per_feed=1))
    assert give(registry, "one", "a") is not give(registry, "two", "b")


def test_a_frame_is_due_its_length_after_its_first_message() -> None:
    registry = Registry(Caps())
    provider = give(registry, "one", "a")
    give(registry, "one", "a", at_s=9)
    assert registry.take_due(T0 + 10 * SECOND_NS - 1) == ([], [])
    assert registry.take_due(T0 + 10 * SECOND_NS) == ([provider], [])
    provider.mark_written(5, 1.0)
    registry.schedule(provider)
    assert registry.take_due(T0 + 39 * SECOND_NS - 1) == ([], [])
    assert registry.take_due(T0 + 39 * SECOND_NS) == ([], [provider])


def test_a_message_without_rows_keeps_a_provider_fresh() -> None:
    registry = Registry(Caps())
    give(registry, "one", "a").mark_written(1, 1.0)
    registry.refresh(FEED, T0 + 20 * SECOND_NS)
    assert registry.take_due(T0 + 40 * SECOND_NS) == ([], [])
    assert len(registry.take_due(T0 + 50 * SECOND_NS)[1]) == 1


def test_a_change_is_dated_by_the_earliest_message_that_made_it() -> None:
    registry = Registry(Caps())
    give(registry, "one", "a", at_s=5)
    give(registry, "one", "b", at_s=3)
    assert registry.changed_at_ns == T0 + 3 * SECOND_NS


def test_a_retired_provider_is_remembered_as_long_as_a_replay_can_meet_it() -> None:
    registry = Registry(Caps())
    provider = give(registry, "one", "a", sequence=7)
    provider.mark_written(7, 1.0)
    registry.retire(provider, T0)
    assert registry.provider_for(FEED, "one", ("a",), sequence=9, received_ns=T0) is provider
    assert registry.is_retired(provider)
    registry.forget_retired(7)
    assert registry.is_retired(provider)
    registry.forget_retired(8)
    fresh = registry.provider_for(FEED, "one", ("a",), sequence=9, received_ns=T0)
    assert fresh is not None
    assert fresh.prov_id == 1


def test_rows_for_a_retired_provider_revive_its_feed_under_a_new_id() -> None:
    registry = Registry(Caps())
    provider = give(registry, "one", "a")
    provider.mark_written(7, 1.0)
    registry.retire(provider, T0)
    revived = registry.revive(provider, "one", ("a",), sequence=9, received_ns=T0)
    assert revived is not None
    assert revived.prov_id == 1
    assert registry.provider_for(FEED, "one", ("a",), sequence=9, received_ns=T0) is revived


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sets(st.sampled_from("abcd"), min_size=1)), max_size=40))
def test_after_a_restart_every_block_finds_the_same_provider(blocks: list[tuple[str, set[str]]]) -> None:
    registry = Registry(Caps())
    placed = [(block, fields, give(registry, block, *fields).prov_id) for block, fields in blocks]
    again = Registry(Caps())
    again.restore(registry.to_checkpoint())
    for block, fields, prov_id in placed:
        provider = again.provider_for(FEED, block, tuple(fields), sequence=9, received_ns=T0)
        assert provider is not None
        assert provider.prov_id == prov_id
    assert again.next_prov_id == registry.next_prov_id


def test_a_provider_knows_which_rows_were_anothers_before_it() -> None:
    registry = Registry(Caps())
    provider = give(registry, "one", "a", sequence=20)
    give(registry, "two", "b", sequence=30)
    (state,) = registry.to_checkpoint()[1]
    for one in (provider, Provider.from_checkpoint(state)):
        assert [one.has("one", n) for n in (19, 20)] == [True, False]
        assert [one.has("two", n) for n in (29, 30)] == [True, False]
    provider.mark_written(40, 1.0)
    assert [provider.has("one", n) for n in (40, 41)] == [True, False]


def test_a_provider_comes_back_from_a_checkpoint_with_types_and_marks() -> None:
    registry = Registry(Caps())
    provider = give(registry, "one", "a")
    provider.mark_written(41, 1_700_000_000.5)
    (state,) = registry.to_checkpoint()[1]
    again = Provider.from_checkpoint(state)
    assert again.high_water == 41
    assert again.feed == FEED
    assert again.blocks["one"].kinds == provider.blocks["one"].kinds
    assert again.pending_since_ns is None


@pytest.mark.parametrize("received_s", [100.0, 50.0, 10.0])
def test_frame_timestamps_only_rise_whatever_the_clock_does(received_s: float) -> None:
    provider = Provider(prov_id=0, feed=FEED)
    provider.mark_written(1, 100.0)
    provider.pending_since_ns = int(received_s * SECOND_NS)
    assert 100.0 < provider.frame_timestamp_s() < 100.1
    provider.named_at_s = 200.0
    assert provider.frame_timestamp_s() == 200.0
