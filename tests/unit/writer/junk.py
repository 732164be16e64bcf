"""Values of every sort that a message can bring, and a few that it cannot."""

from __future__ import annotations

import msgpack
from hypothesis import strategies as st

SCALARS = st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4)

NOT_VALUES = (
    st.binary(max_size=4)
    | st.lists(st.integers(0, 9), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.none(), max_size=2)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=2))
)

ANYTHING = SCALARS | st.none() | NOT_VALUES | st.sampled_from(["\ud800", "a\udcffb", "", "nan", 2**63, -(2**63)])

COLUMN_VALUES = (
    st.lists(st.booleans(), max_size=5)
    | st.lists(st.integers(-9, 9), max_size=5)
    | st.lists(st.floats(), max_size=5)
    | st.lists(st.text(max_size=3), max_size=5)
    | st.lists(st.none(), max_size=3)
    | st.lists(st.none() | st.floats(), max_size=5)
    | st.lists(ANYTHING, max_size=5)
)
"""What one message may bring for one field."""
