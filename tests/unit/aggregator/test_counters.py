from __future__ import annotations

import pytest

from aggregator.counters import COUNTERS, MOST_LABELS, OTHER_LABEL, Counters


def test_every_counter_says_what_it_counts_in_a_sentence() -> None:
    for name, spec in COUNTERS.items():
        assert spec.process in ("ingest", "writer"), name
        assert spec.help_text.endswith("."), name


def test_counters_count_with_and_without_labels() -> None:
    counters = Counters("ingest")
    counters.add("received", 3)
    counters.add("rejected", 1, "oversize")
    counters.add("rejected", 2, "broken")
    assert counters.total("received") == 3
    assert counters.total("rejected") == 3
    assert counters.snapshot()["rejected"] == {"oversize": 1, "broken": 2}


def test_a_counter_of_the_other_process_is_refused() -> None:
    with pytest.raises(KeyError):
        Counters("ingest").add("archived")


def test_labels_from_outside_do_not_grow_memory_without_bound() -> None:
    counters = Counters("ingest")
    for i in range(MOST_LABELS + 500):
        counters.add("dropped", 1, f"feed{i}")
    by_feed = counters.snapshot()["dropped"]
    assert isinstance(by_feed, dict)
    assert len(by_feed) == MOST_LABELS + 1
    assert by_feed[OTHER_LABEL] == 500
    assert counters.total("dropped") == MOST_LABELS + 500


def test_counters_go_on_from_a_snapshot() -> None:
    first = Counters("writer")
    first.add("read", 5)
    first.add("quarantined", 2, "not-msgpack")
    second = Counters("writer")
    second.restore({**first.snapshot(), "retired-counter": 7, "retired-labels": {"a": 1}})
    assert second.snapshot() == first.snapshot()
