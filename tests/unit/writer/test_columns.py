"""Columns keep one type that only widens, and say what they replaced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.writer.junk import COLUMN_VALUES
from writer.columns import MODEST_CAPACITY, Column, Kind, Misfit
from writer.values import classify

NAN = math.nan
WIDER = {bool: Kind.BOOL, int: Kind.INT, float: Kind.DOUBLE}
ORDER = [Kind.UNDECIDED, Kind.BOOL, Kind.INT, Kind.DOUBLE]


class PlainColumn:
    """The rules of the types, one value at a time."""

    def __init__(self) -> None:
        self.kind = Kind.UNDECIDED
        self.values: list[Any] = []
        self.misfits: list[object] = []
        self.integers_widened = 0

    def extend(self, values: list[object]) -> None:
        if self.kind is Kind.UNDECIDED:
            sorts = [type(value) for value in values if type(value) in (bool, int, float, str)]
            if sorts and sorts[0] is str:
                self.kind = Kind.STRING
        for value in values:
            self.values.append(self._text(value) if self.kind is Kind.STRING else self._number(value))

    def _text(self, value: object) -> str:
        if isinstance(value, str) and not any(0xD800 <= ord(c) < 0xE000 for c in value):
            return value
        if type(value) in (bool, int, float):
            return str(value)
        if value is not None:
            self.misfits.append(value)
        return value.encode(errors="replace").decode() if isinstance(value, str) else ""

    def _number(self, value: object) -> float | None:
        kind = WIDER.get(type(value))
        if kind is None:
            if value is not None:
                self.misfits.append(value)
            self.kind = Kind.DOUBLE if self.kind is not Kind.UNDECIDED else self.kind
            return None
        assert isinstance(value, (bool, int, float))
        if kind is Kind.INT and not -(2**63) <= value < 2**63:
            self.integers_widened += 1
            kind = Kind.DOUBLE
        if self.kind is Kind.UNDECIDED and self.values:
            kind = Kind.DOUBLE
        self.kind = max(self.kind, kind, key=ORDER.index)
        return value

    def take(self) -> list[Any]:
        if self.kind is Kind.UNDECIDED and self.values:
            self.kind = Kind.DOUBLE
        if self.kind is Kind.STRING:
            return ["" if value is None else value for value in self.values]
        sort = {Kind.BOOL: bool, Kind.INT: int, Kind.DOUBLE: float, Kind.UNDECIDED: float}[self.kind]
        return [NAN if value is None else sort(value) for value in self.values]


def taken(column: Column) -> list[Any]:
    found = column.take()
    return list(found) if isinstance(found, list) else found.tolist()


def filled(*messages: Sequence[object]) -> tuple[Column, list[Misfit]]:
    column = Column()
    misfits = [misfit for values in messages for misfit in column.extend(classify([*values]))]
    return column, misfits


CASES: list[tuple[str, list[list[object]], Kind, list[object], list[str]]] = [
    ("one type stays", [[True], [False]], Kind.BOOL, [True, False], []),
    ("bool widens to int", [[True], [2]], Kind.INT, [1, 2], []),
    ("int widens to double", [[1], [2.5], [3]], Kind.DOUBLE, [1.0, 2.5, 3.0], []),
    ("bool widens to double", [[True], [2.5]], Kind.DOUBLE, [1.0, 2.5], []),
    ("int and float in one message", [[1, 2.5]], Kind.DOUBLE, [1.0, 2.5], []),
    ("bool and int in one message", [[True, 2]], Kind.INT, [1, 2], []),
    ("None among ints", [[1], [None], [2]], Kind.DOUBLE, [1.0, NAN, 2.0], []),
    ("None before ints", [[None], [2]], Kind.DOUBLE, [NAN, 2.0], []),
    ("None before a bool in one message", [[None, True]], Kind.DOUBLE, [NAN, 1.0], []),
    ("None before strings", [[None], ["a"], [None]], Kind.STRING, ["", "a", ""], []),
    ("None alone", [[None, None]], Kind.DOUBLE, [NAN, NAN], []),
    ("inf and nan stay", [[math.inf, -math.inf, NAN]], Kind.DOUBLE, [math.inf, -math.inf, NAN], []),
    ("uint64", [[2**64 - 1]], Kind.DOUBLE, [float(2**64)], []),
    ("2**70 among ints", [[5], [2**70]], Kind.DOUBLE, [5.0, float(2**70)], []),
    ("2**70 as a string", [["a"], [2**70]], Kind.STRING, ["a", str(2**70)], []),
    ("10**400", [[1.5], [10**400]], Kind.DOUBLE, [1.5, NAN], ["beyond-double"]),
    ("a string among numbers", [[1], ["2"]], Kind.DOUBLE, [1.0, NAN], ["string-among-numbers"]),
    ("a string after a number in one message", [[1, "2"]], Kind.DOUBLE, [1.0, NAN], ["string-among-numbers"]),
    ("a number after a string in one message", [["2", 1, None]], Kind.STRING, ["2", "1", ""], []),
    ("numbers among strings", [["a"], [1, True], [2.5]], Kind.STRING, ["a", "1", "True", "2.5"], []),
    ("bytes among numbers", [[1.5], [b"2"]], Kind.DOUBLE, [1.5, NAN], ["not-a-value"]),
    ("bytes among strings", [["a"], [b"2"]], Kind.STRING, ["a", ""], ["not-a-value"]),
    ("a nested list first, then numbers", [[[1.0]], [2]], Kind.DOUBLE, [NAN, 2.0], ["not-a-value"]),
    ("a nested map first, then strings", [[{}], ["a"]], Kind.STRING, ["", "a"], ["not-a-value"]),
    ("nothing but bytes", [[b"a"]], Kind.DOUBLE, [NAN], ["not-a-value"]),
    ("a lone surrogate", [["a\ud800b", "ok"]], Kind.STRING, ["a?b", "ok"], ["not-unicode"]),
    ("no rows at all", [[]], Kind.UNDECIDED, [], []),
]


@pytest.mark.parametrize(
    ("messages", "kind", "expected", "reasons"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_column_follows_the_rules_of_types(
    messages: list[list[object]], kind: Kind, expected: list[object], reasons: list[str]
) -> None:
    column, misfits = filled(*messages)
    assert repr(taken(column)) == repr(expected)
    assert column.kind is kind
    assert [misfit.reason for misfit in misfits] == reasons


@given(st.lists(st.lists(COLUMN_VALUES, max_size=4), max_size=3))
def test_a_column_agrees_with_the_plain_rules_over_several_frames(frames: list[list[list[object]]]) -> None:
    column, model = Column(), PlainColumn()
    for messages in frames:
        for values in messages:
            misfits = column.extend(classify(values))
            model.misfits.clear()
            model.extend(values)
            assert [misfit.original for misfit in misfits] == model.misfits
            assert all(values[misfit.row] is misfit.original for misfit in misfits)
            assert len(column) == len(model.values)
        assert repr(taken(column)) == repr(model.take())
        assert column.kind is model.kind
        assert column.integers_widened == model.integers_widened
        column.clear()
        model.values.clear()


def test_a_column_never_narrows_again_in_the_next_frame() -> None:
    column, _ = filled([1.5])
    column.clear()
    column.extend(classify([1]))
    found = column.take()
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64


def test_a_restored_column_goes_on_with_its_kind() -> None:
    column = Column(Kind.STRING)
    assert column.extend(classify([5])) == []
    assert taken(column) == ["5"]


def test_a_column_uses_its_memory_again_for_the_next_frame() -> None:
    column, _ = filled([float(n) for n in range(1000)])
    first = column.take()
    column.clear()
    column.extend(classify([1.5]))
    second = column.take()
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert np.shares_memory(first, second)


def capacity(column: Column) -> int:
    found = column.take()
    assert isinstance(found, np.ndarray)
    assert isinstance(found.base, np.ndarray)
    return len(found.base)


def test_a_column_gives_back_the_memory_of_a_burst() -> None:
    column, _ = filled([float(n) for n in range(100_000)])
    column.clear()
    column.extend(classify([1.5]))
    assert capacity(column) == 100_000
    column.clear()
    column.extend(classify([2.5]))
    assert capacity(column) == MODEST_CAPACITY
    assert taken(column) == [2.5]


def test_a_column_grows_through_many_small_messages() -> None:
    column, _ = filled(*([float(n)] for n in range(1000)))
    assert taken(column) == [float(n) for n in range(1000)]


def test_the_size_of_a_column_is_that_of_its_rows_in_a_frame() -> None:
    columns: list[list[object]] = [[True] * 3, [1] * 3, [1.5] * 3, ["é", "ab"]]
    assert [filled(values)[0].nbytes for values in columns] == [3, 24, 24, 20]
