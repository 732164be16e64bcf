"""Field names: OCS's rules, and the same result as OCS's own aggregator."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writer.names import LONGEST_NAME, mended

VALID = re.compile(r"_*([a-zA-Z][a-zA-Z0-9_]*)?(_\d\d+)*\Z")

CASES = [
    (("temperature", "_x", "__y2", "___"), ("temperature", "_x", "__y2", "___")),
    (("Channel 01 T",), ("Channel_01_T",)),
    (("T [K]", "µ"), ("T_K", "invalid_field_")),
    (("1st", "__2nd", "_3"), ("st", "__nd", "_")),
    (("", "123"), ("invalid_field", "invalid_field_123")),
    (("a!", "a?", "a."), ("a", "a_01", "a_01_02")),
    (("a!", "a"), ("a", "a_01")),
    (("x" * 300, "x" * 299), ("x" * 255, "x" * 252 + "_01")),
    ((5, b"raw", None), ("invalid_field_5", "braw", "None")),
    (("\ud800t",), ("t",)),
    ((), ()),
]


@pytest.mark.parametrize(("names", "expected"), CASES)
def test_names_come_out_by_the_rules(names: tuple[object, ...], expected: tuple[str, ...]) -> None:
    assert mended(names) == expected


def test_numbers_that_are_equal_but_print_differently_keep_their_own_names() -> None:
    assert mended((1,)) == ("invalid_field_1",)
    assert mended((True,)) == ("True",)
    assert mended((1.0,)) == ("invalid_field_10",)


def test_the_same_names_give_the_same_object() -> None:
    assert mended(["a", "b"]) is mended(("a", "b"))


def test_ten_thousand_colliding_names_all_get_a_name() -> None:
    names = ["a" + "!" * (n % 100) + "?" * (n // 100) for n in range(10_000)]
    assert len(set(mended(names))) == len(names)


NAMES = st.lists(
    st.text(alphabet="ab_ 1!é\ud800", max_size=6) | st.text(max_size=4) | st.sampled_from(["x" * 254, "x" * 260]),
    unique=True,
    max_size=8,
)


@given(NAMES)
def test_mended_names_are_valid_unique_and_as_many(names: list[str]) -> None:
    result = mended(names)
    assert len(set(result)) == len(names)
    assert all(0 < len(name) <= LONGEST_NAME and VALID.match(name) for name in result)


@pytest.fixture(scope="module")
def stock_drivers() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("ocs.agents.aggregator.drivers")


@given(names=NAMES)
def test_mended_names_are_those_of_the_stock_aggregator(stock_drivers: Any, names: list[str]) -> None:
    message = {"block": {"data": {name: [0] for name in names}, "timestamps": [0.0]}}
    rebuilt = stock_drivers.Provider._rebuild_invalid_data(None, message)
    assert mended(names) == tuple(rebuilt["block"]["data"])
