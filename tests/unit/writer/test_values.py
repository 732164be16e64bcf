"""Sorting a field's values never changes one."""

from __future__ import annotations

import math

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.writer.junk import ANYTHING
from writer.values import Mixed, Numbers, Strings, Values, classify, classify_all


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False], np.bool_),
        ([1, -(2**63), 2**63 - 1], np.int64),
        ([1.5, math.nan, math.inf, -math.inf], np.float64),
    ],
)
def test_values_of_one_number_type_become_one_array(values: list[object], dtype: type) -> None:
    found = classify(values)
    assert isinstance(found, Numbers)
    assert found.array.dtype == dtype
    assert repr(found.array.tolist()) == repr(values)


def test_strings_stay_as_they_are_even_where_they_look_like_numbers() -> None:
    found = classify(["1.5", "", "\ud800"])
    assert isinstance(found, Strings)
    assert found.items == ["1.5", "", "\ud800"]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [1, 2.0],
        [True, 1],
        [2**63],
        [-(2**63) - 1],
        [2**70],
        ["1", 1],
        [b"1"],
        [[1.0], [2.0]],
        [{}],
        [(1, 2)],
        [msgpack.ExtType(5, b"x")],
        [msgpack.Timestamp(1)],
        [np.float64(1.5)],
        [1j],
        [object],
    ],
    ids=repr,
)
def test_everything_else_stays_as_it_came(values: list[object]) -> None:
    found = classify(values)
    assert isinstance(found, Mixed)
    assert found.items is values


@given(st.lists(ANYTHING, max_size=6))
def test_no_value_is_lost_or_changed(values: list[object]) -> None:
    found = classify(values)
    items = found.array.tolist() if isinstance(found, Numbers) else found.items
    assert repr(items) == repr(values)
    assert len(found) == len(values)
    part = found.part(slice(1, 3))
    assert repr(part.array.tolist() if isinstance(part, Numbers) else part.items) == repr(values[1:3])


def story(values: Values) -> str:
    return repr((values.array.dtype, values.array.tolist()) if isinstance(values, Numbers) else values)


@given(st.integers(1, 3).flatmap(lambda rows: st.lists(st.lists(ANYTHING, min_size=rows, max_size=rows), min_size=1)))
def test_the_fields_of_a_block_are_sorted_as_each_would_be_alone(columns: list[list[object]]) -> None:
    assert list(map(story, classify_all(columns))) == [story(classify(values)) for values in columns]


@pytest.mark.parametrize(
    "columns",
    [[[1, 2], [3, 4]], [[1.5], [math.nan]], [[True], [False]], [["a"], ["b"]], [[1], [2**63]], [[1], [1.5]], [[]]],
    ids=repr,
)
def test_fields_of_one_type_are_sorted_as_each_would_be_alone(columns: list[list[object]]) -> None:
    assert list(map(story, classify_all(columns))) == [story(classify(values)) for values in columns]
