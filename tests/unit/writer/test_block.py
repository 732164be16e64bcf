"""The rows of a block: in time order, by field name, with what was replaced."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.settings import Caps
from tests.unit.writer.messages import block, packed
from writer.block import BlockBuffer, BlockData, BlockMisfit
from writer.message import Rows
from writer.message_reading import MessageReader
from writer.values import Numbers, classify

T0 = 1_700_000_000.0


def rows_of(timestamps: list[float], sequence: int = 1, **columns: list[object]) -> Rows:
    payload = packed({"a": block(timestamps, **columns)})
    (rows,) = MessageReader(Caps()).read(payload, sequence).blocks
    return rows


def plain(data: BlockData) -> dict[str, list[object]]:
    columns = [list(c) if isinstance(c, list) else c.tolist() for c in data.columns]
    return {"times": data.times_g3.tolist(), **dict(zip(data.fields, columns, strict=True))}


def test_rows_come_out_as_columns_and_times_as_counts_of_10_ns() -> None:
    buffer = BlockBuffer("a", ("x", "s"))
    assert buffer.append(rows_of([T0, T0 + 0.5], x=[1, 2], s=["p", "q"])) == []
    data = buffer.snapshot()
    assert (data.name, data.fields, buffer.rows) == ("a", ("x", "s"), 2)
    assert plain(data) == {"times": [170_000_000_000_000_000, 170_000_000_050_000_000], "x": [1, 2], "s": ["p", "q"]}


@given(st.floats(0, 7_258_118_399))
def test_times_are_what_python_makes_of_the_seconds(timestamp: float) -> None:
    buffer = BlockBuffer("a", ("x",))
    buffer.append(rows_of([timestamp], x=[1]))
    assert buffer.snapshot().times_g3.tolist() == [int(timestamp * 1e8)]


def test_fields_are_matched_by_name() -> None:
    buffer = BlockBuffer("a", ("x", "y"))
    buffer.append(rows_of([T0], x=[1], y=[2]))
    buffer.append(rows_of([T0 + 1], y=[4], x=[3]))
    assert plain(buffer.snapshot())["x"] == [1, 3]
    assert plain(buffer.snapshot())["y"] == [2, 4]


@pytest.mark.parametrize("columns", [{"x": [1]}, {"x": [1], "y": [1], "z": [1]}, {"x": [1], "z": [1]}])
def test_rows_of_another_field_set_are_refused_whole(columns: dict[str, list[object]]) -> None:
    buffer = BlockBuffer("a", ("x", "y"))
    with pytest.raises(ValueError, match="other fields"):
        buffer.append(rows_of([T0], 1, **columns))
    assert buffer.rows == 0


def test_late_rows_are_put_in_order_and_rows_of_one_time_stay_as_they_came() -> None:
    buffer = BlockBuffer("a", ("x", "s"))
    buffer.append(rows_of([T0 + 2, T0 + 1], x=[1, 2], s=["p", "q"]))
    buffer.append(rows_of([T0 + 1, T0], x=[3, 4], s=["r", "s"]))
    data = plain(buffer.snapshot())
    assert (data["x"], data["s"]) == ([4, 2, 3, 1], ["s", "q", "r", "p"])


def test_rows_already_in_order_are_handed_on_without_a_copy() -> None:
    buffer = BlockBuffer("a", ("x",))
    buffer.append(rows_of([T0, T0, T0 + 1], x=[1.0, 2.0, 3.0]))
    first, second = buffer.snapshot().columns[0], buffer.snapshot().columns[0]
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert np.shares_memory(first, second)


def test_a_misfit_says_where_it_was() -> None:
    buffer = BlockBuffer("a", ("x", "y"))
    buffer.append(rows_of([T0], x=[1], y=[1]))
    misfits = buffer.append(rows_of([T0 + 1, T0 + 2], sequence=9, x=[2, "off"], y=[1, 2]))
    assert misfits == [
        BlockMisfit(sequence=9, block="a", field="x", timestamp=T0 + 2, original="off", reason="string-among-numbers")
    ]
    assert repr(plain(buffer.snapshot())["x"]) == repr([1.0, 2.0, math.nan])


def test_a_misfit_in_rows_of_several_messages_names_its_own_message() -> None:
    rows = Rows(
        block="a",
        fields=("x",),
        times=np.array([T0, T0, T0 + 1, T0 + 1]),
        columns=(classify([1, None, b"raw", 2]),),
        sequences=(5, 8),
    )
    assert [misfit.sequence for misfit in BlockBuffer("a", ("x",)).append(rows)] == [8]


def test_a_cleared_block_keeps_its_kinds_and_a_restored_one_goes_on_with_them() -> None:
    buffer = BlockBuffer("a", ("x", "s", "u"))
    buffer.append(rows_of([T0], x=[1.5], s=["p"], u=[None]))
    assert buffer.kinds == ("double", "string", "undecided")
    buffer.snapshot()
    buffer.clear()
    assert (buffer.rows, buffer.kinds, buffer.nbytes) == (0, ("double", "string", "double"), 0)
    restored = BlockBuffer("a", ("x", "s", "u"), buffer.kinds)
    restored.append(rows_of([T0], x=[1], s=[2], u=[True]))
    assert repr(plain(restored.snapshot())) == repr({"times": [int(T0 * 1e8)], "x": [1.0], "s": ["2"], "u": [1.0]})


def test_integers_beyond_64_bits_are_counted() -> None:
    buffer = BlockBuffer("a", ("x", "y"))
    buffer.append(rows_of([T0, T0], x=[1, 2**64 - 1], y=[2**63, 2**63 - 1]))
    assert buffer.integers_widened == 2


@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=5), min_size=1, max_size=5))
def test_a_snapshot_is_a_stable_sort_of_all_rows(messages: list[list[int]]) -> None:
    buffer = BlockBuffer("a", ("x",))
    expected: list[tuple[int, int]] = []
    for seconds in messages:
        numbers = np.arange(len(expected), len(expected) + len(seconds))
        expected += zip(seconds, numbers.tolist(), strict=True)
        times = np.array(seconds, np.float64)
        buffer.append(Rows(block="a", fields=("x",), times=times, columns=(Numbers(numbers),), sequences=(1,)))
    expected.sort(key=lambda row: row[0])
    data = plain(buffer.snapshot())
    assert data["x"] == [number for _, number in expected]
    assert data["times"] == [second * 10**8 for second, _ in expected]
