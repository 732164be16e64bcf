"""Last values: exact, bounded, and always what JSON and a browser can take."""

from __future__ import annotations

import json

import numpy as np

from writer.message import Rows
from writer.monitor.sparks import LONGEST_TEXT, MOST_FIELDS, SAMPLES, BlockSparks, shown
from writer.monitor.watcher import exact
from writer.values import Mixed, Numbers, Strings


def rows(*values: float, time_s: float = 0.0) -> Rows:
    times = time_s + np.arange(len(values), dtype=np.float64)
    return Rows(block="b", fields=("x",), times=times, columns=(Numbers(np.array(values)),), sequences=(1,))


def test_the_newest_row_counts_whatever_the_order() -> None:
    sparks = BlockSparks("b", ("x",))
    late = Rows(
        block="b", fields=("x",), times=np.array([5.0, 3.0]), columns=(Numbers(np.array([1, 2])),), sequences=(1,)
    )
    sparks.take(late)
    assert (sparks.last, sparks.last_time_s) == ([1], 5.0)


def test_only_the_last_samples_are_kept_oldest_first() -> None:
    sparks = BlockSparks("b", ("x",))
    for number in range(SAMPLES + 5):
        sparks.take(rows(float(number), time_s=number))
    times, values = sparks.line(0)
    assert values == [float(number) for number in range(5, SAMPLES + 5)]
    assert times == values
    assert sparks.samples_since(SAMPLES + 3) == [[SAMPLES + 3.0], [SAMPLES + 4.0]]


def test_numbers_that_json_does_not_know_are_none_in_a_line_and_words_beside_it() -> None:
    sparks = BlockSparks("b", ("x",))
    sparks.take(rows(float("inf")))
    assert sparks.line(0)[1] == [None]
    assert sparks.last == ["inf"]


def test_any_value_is_shown_as_something_that_json_can_say() -> None:
    values = Mixed([None, b"\xff", [1, 2], {"a": 1}, "\ud800", "x" * 1000, 2**70])
    told = [shown(values, row) for row in range(len(values))]
    json.dumps(told, allow_nan=False).encode()
    assert told[0] is None
    assert len(str(told[5])) == LONGEST_TEXT
    assert shown(Strings(["on"]), 0) == "on"
    assert shown(Numbers(np.array([True])), 0) is True


def test_integers_that_a_browser_would_round_are_told_as_text() -> None:
    assert exact(2**53 + 1) == str(2**53 + 1)
    assert exact(17) == 17
    assert exact(True) is True


def test_no_block_has_more_fields_than_anybody_reads() -> None:
    sparks = BlockSparks("b", tuple(f"f{n}" for n in range(2 * MOST_FIELDS)))
    assert len(sparks.last) == MOST_FIELDS
