from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from writer.block import BlockData, ColumnData
from writer.encoding import with_blocks
from writer.frames import encodes_as_library
from writer.g3 import core, frame_bytes

MAKERS = {"f": core.G3VectorDouble, "i": core.G3VectorInt, "b": core.G3VectorBool}


def by_library(blocks: list[BlockData], *, empty: bool) -> bytes:
    frame = core.G3Frame(core.G3FrameType.Housekeeping)
    frame["hkagg_type"] = core.G3Int(2)
    frame["timestamp"] = core.G3Double(1.7e9)
    frame["address"] = core.G3String("observatory.lab.feeds.temps")
    samples = []
    for block in blocks:
        one = core.G3TimesampleMap()
        one.times = core.G3VectorTime(block.times_g3)
        for field, column in zip(block.fields, block.columns, strict=True):
            one[field] = core.G3VectorString(column) if isinstance(column, list) else MAKERS[column.dtype.kind](column)
        samples.append(one)
    frame["blocks"] = core.G3VectorFrameObject([] if empty else samples)
    frame["block_names"] = core.G3VectorString([block.name for block in blocks])
    return frame_bytes(frame)


def columns(rows: int) -> st.SearchStrategy[ColumnData]:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    narrow = st.sampled_from([8, 16, 32, 64]).flatmap(
        lambda bits: hnp.arrays(np.int64, rows, elements=st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    )
    return st.one_of(
        hnp.arrays(np.float64, rows),
        hnp.arrays(np.bool_, rows),
        narrow,
        st.lists(text, min_size=rows, max_size=rows),
    )


@st.composite
def blocks(draw: st.DrawFn) -> BlockData:
    rows = draw(st.integers(1, 5))
    fields = draw(st.lists(st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True), unique=True, max_size=6))
    return BlockData(
        name=draw(st.text("abc", max_size=3)),
        times_g3=draw(hnp.arrays(np.int64, rows)),
        fields=tuple(fields),
        columns=tuple(draw(columns(rows)) for _ in fields),
    )


@settings(deadline=None, max_examples=300)
@given(st.lists(blocks(), max_size=4))
def test_the_bytes_are_the_librarys(data: list[BlockData]) -> None:
    assert with_blocks(by_library(data, empty=True), data) == by_library(data, empty=False)


@pytest.mark.parametrize("edge", [2**7, 2**15, 2**31])
@pytest.mark.parametrize("value", [lambda e: e - 1, lambda e: e, lambda e: -e, lambda e: -e - 1])
def test_integers_are_as_narrow_as_the_librarys(edge: int, value: object) -> None:
    assert callable(value)
    column = np.array([0, value(edge)])
    block = BlockData(name="b", times_g3=np.arange(2), fields=("x",), columns=(column,))
    assert with_blocks(by_library([block], empty=True), [block]) == by_library([block], empty=False)


def test_the_installed_library_is_the_one_that_we_know() -> None:
    assert encodes_as_library()
