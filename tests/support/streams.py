"""Streams of messages on which two recorders are compared: each a named case, made from a seed.

A case publishes in phases. Between the first two, every frame of a second's length is cut and every feed that is
fresh for a second only goes stale; between the last two, `record` is stopped and started again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

SEED = 20261123
SHORT_S = 0.9
"""Frames of this length, and feeds fresh for as long, do not outlive a phase."""
LONG_S = 60.0
"""Frames of this length outlive a session of the comparison."""

ROWS_PER_S = 200


class Published(NamedTuple):
    """A message as an OCS agent would publish it."""

    data: Any
    feed: Any


Phases = Sequence[Sequence[Published]]


@dataclass(slots=True, kw_only=True)
class Source:
    """A feed that publishes rows at `ROWS_PER_S` by their timestamps, whatever the clock does.

    Attributes
    ----------
    name : str
        The feed's last token.
    start_s : float
        Time of the first row, Unix seconds.
    random : Random
        Where values come from.
    """

    name: str
    start_s: float
    random: Random
    session: str = "1700000000.5"
    rows: int = 0

    @property
    def address(self) -> str:
        """The feed's address."""
        return f"observatory.side.feeds.{self.name}"

    def feed(self, **agg_params: Any) -> dict[str, Any]:
        """Return the feed part of a message."""
        return {
            "agent_address": "observatory.side",
            "agg_params": {"frame_length": LONG_S, **agg_params},
            "feed_name": self.name,
            "address": self.address,
            "record": True,
            "session_id": self.session,
            "agent_class": "SideAgent",
        }

    def block(self, name: str, /, **columns: list[Any]) -> dict[str, Any]:
        """Return the next rows of a block."""
        count = len(next(iter(columns.values())))
        times = [self.start_s + (self.rows + row) / ROWS_PER_S for row in range(count)]
        self.rows += count
        return {name: {"block_name": name, "timestamps": times, "data": columns}}

    def message(self, /, agg_params: dict[str, Any] | None = None, **columns: list[Any]) -> Published:
        """Return a message with the next rows of one block."""
        return Published(self.block("b", **columns), self.feed(**(agg_params or {})))

    def floats(self, count: int = 1) -> list[float]:
        """Return numbers that are no whole ones."""
        return [self.random.randrange(-1000, 1000) + 0.5 for _ in range(count)]

    def ints(self, count: int = 1) -> list[int]:
        """Return whole numbers."""
        return [self.random.randrange(-(2**40), 2**40) for _ in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One stream.

    Attributes
    ----------
    title : str
        What is published, in a table's cell.
    phases : callable
        Makes the messages of a source.
    exception : str
        What the stock recorder does to them, where it does not keep them; empty where both archives are equal.
    remark : str
        What is to be said although both are equal.
    """

    title: str
    phases: Callable[[Source], Phases]
    exception: str = ""
    remark: str = ""

    @property
    def answer(self) -> str:
        """Return what a table says of it."""
        return self.exception or (f"equal: {self.remark}" if self.remark else "equal")


def _each(count: int, message: Callable[[int], Published]) -> list[Published]:
    return [message(i) for i in range(count)]


def _numbers_of_every_type(s: Source) -> Phases:
    def message(i: int) -> Published:
        return s.message(double=s.floats(), int=s.ints(), bool=[i % 2 == 0], text=[f"no. {i} µ"])

    return [_each(5, message), _each(5, message), _each(5, message)]


def _many_rows(s: Source) -> Phases:
    def message(_: int) -> Published:
        return s.message(az=s.floats(200), counts=s.ints(200))

    return [_each(3, message), _each(3, message), _each(2, message)]


def _short_frames(s: Source) -> Phases:
    def message(_: int) -> Published:
        return s.message({"frame_length": SHORT_S}, kelvin=s.floats(3), state=["on", "", "off"])

    return [_each(4, message), _each(4, message), _each(4, message)]


def _extremes(s: Source) -> Phases:
    def message(_: int) -> Published:
        return s.message(
            double=[math.nan, math.inf, -math.inf, 5e-324, 1.7e308],
            int=[2**63 - 1, -(2**63), 0, 1, -1],
            text=["", " ", "αβγ", "x" * 5000, "\t"],
        )

    return [_each(2, message), [], _each(2, message)]


def _sparse_blocks(s: Source) -> Phases:
    def message(i: int) -> Published:
        often = s.block("often", kelvin=s.floats())
        rarely = s.block("rarely", pressure=s.floats(), valve=[True]) if i % 4 == 3 else {}
        return Published(often | rarely, s.feed(frame_length=SHORT_S))

    return [_each(9, message), _each(9, message), _each(2, message)]


def _invalid_names(s: Source) -> Phases:
    def message(_: int) -> Published:
        block = s.block("b", plain=s.floats())
        names = ["a space", "a_space", "1st", "Ω drift", "__9x", "a-space", "percent %"]
        block["b"]["data"] |= {name: s.floats() for name in names}
        return Published(block, s.feed())

    return [_each(4, message), [], _each(4, message)]


def _agent_restarts(s: Source) -> Phases:
    def session(name: str) -> list[Published]:
        s.session = name
        return _each(4, lambda _: s.message(kelvin=s.floats()))

    return [session("1700000000.5"), session("1700000100.25"), session("1700000200.125")]


def _goes_stale(s: Source) -> Phases:
    def message(_: int) -> Published:
        return s.message({"fresh_time": SHORT_S}, kelvin=s.floats(), state=["on"])

    return [_each(4, message), _each(4, message), []]


def _other_order(s: Source) -> Phases:
    def message(i: int) -> Published:
        columns: dict[str, Any] = {"x": s.floats(), "y": s.floats(), "z": s.ints()}
        return s.message(**dict(reversed(columns.items())) if i % 2 else columns)

    return [_each(6, message)]


def _tags(s: Source) -> Phases:
    def message(_: int) -> Published:
        published = s.message(kelvin=s.floats())
        published.data["b"]["influxdb_tags"] = {"kelvin": {"channel": 1, "_field": "value"}}
        return published

    return [_each(4, message)]


def _plain_agg_params(s: Source) -> Phases:
    def message(_: int) -> Published:
        published = s.message(kelvin=s.floats())
        published.feed["agg_params"] = {"exclude_influx": True, "anything": [1, 2]}
        return published

    return [_each(4, message)]


def _empty_messages(s: Source) -> Phases:
    no_rows = Published({"b": {"block_name": "b", "timestamps": [], "data": {"kelvin": []}}}, s.feed())
    return [[s.message(kelvin=s.floats()), no_rows, Published({}, s.feed()), s.message(kelvin=s.floats())]]


def _excluded(s: Source) -> Phases:
    def message(_: int) -> Published:
        return s.message({"exclude_aggregator": True}, kelvin=s.floats())

    return [_each(3, message)]


def _none(s: Source) -> Phases:
    return [
        [*_each(9, lambda _: s.message(kelvin=s.floats(), volts=s.floats())), s.message(kelvin=[None], volts=[1.5])]
    ]


def _mixed_numbers(s: Source) -> Phases:
    return [_each(10, lambda i: s.message(kelvin=[4] if i == 5 else s.floats(), volts=s.floats()))]


def _text_among_numbers(s: Source) -> Phases:
    return [_each(10, lambda i: s.message(kelvin=["n/a"] if i == 9 else s.floats(), volts=s.floats()))]


def _numbers_among_text(s: Source) -> Phases:
    return [_each(10, lambda i: s.message(state=[i] if i == 9 else ["on"]))]


def _lists_as_values(s: Source) -> Phases:
    return [_each(10, lambda i: s.message(kelvin=[[1.5, 2.5]] if i == 9 else s.floats(), volts=s.floats()))]


def _unequal_lengths(s: Source) -> Phases:
    def message(i: int) -> Published:
        published = s.message(kelvin=s.floats(2), volts=s.floats(2))
        if i == 4:
            published.data["b"]["data"]["volts"].pop()
        return published

    return [_each(10, message)]


def _widening_between_frames(s: Source) -> Phases:
    agg_params = {"frame_length": SHORT_S}
    return [
        _each(4, lambda _: s.message(agg_params, kelvin=s.floats())),
        _each(4, lambda _: s.message(agg_params, kelvin=s.ints())),
        [],
    ]


def _narrow_first(s: Source) -> Phases:
    agg_params = {"frame_length": SHORT_S}
    return [
        _each(4, lambda _: s.message(agg_params, kelvin=s.ints())),
        _each(4, lambda _: s.message(agg_params, kelvin=s.floats())),
        [],
    ]


def _out_of_order(s: Source) -> Phases:
    messages = _each(10, lambda _: s.message(kelvin=s.floats()))
    return [[*messages[5:], *messages[:5]]]


def _one_name_in_two_blocks(s: Source) -> Phases:
    def message(_: int) -> Published:
        return Published(s.block("left", kelvin=s.floats()) | s.block("right", kelvin=s.floats()), s.feed())

    return [_each(4, message)]


def _bad_times(s: Source) -> Phases:
    def message(i: int) -> Published:
        published = s.message(kelvin=s.floats())
        if i == 5:
            published.data["b"]["timestamps"] = [math.nan]
        return published

    return [_each(10, message)]


PEACEFUL = (
    Case(title="bool, int, double and string fields, one row a message", phases=_numbers_of_every_type),
    Case(title="200 rows a message", phases=_many_rows),
    Case(title="frames of less than a second", phases=_short_frames),
    Case(title="NaN, ±inf, the largest and smallest numbers, empty and long strings", phases=_extremes),
    Case(title="two blocks, one of them in every fourth message only", phases=_sparse_blocks),
    Case(title="invalid field names, two of them the same when mended", phases=_invalid_names),
    Case(title="the agent restarts twice", phases=_agent_restarts),
    Case(title="the feed goes stale and comes back", phases=_goes_stale),
    Case(title="the fields of a block in changing order", phases=_other_order),
    Case(title="`influxdb_tags` beside the data", phases=_tags),
    Case(title="no `frame_length` and unknown keys in `agg_params`", phases=_plain_agg_params),
    Case(title="messages without rows or without blocks among others", phases=_empty_messages),
    Case(title="`exclude_aggregator`", phases=_excluded),
    Case(title="whole numbers after fractions, in another frame", phases=_widening_between_frames),
    Case(
        title="fractions after whole numbers, in another frame",
        phases=_narrow_first,
        remark="so3g gives a field the type of its first frame, and cuts the fractions off",
    ),
    Case(title="one field name in two blocks", phases=_one_name_in_two_blocks),
    Case(
        title="one `None` among numbers",
        phases=_none,
        exception="drops the block's whole frame, with a warning in its log; here it is NaN",
    ),
    Case(
        title="one whole number among fractions",
        phases=_mixed_numbers,
        exception="drops the block's whole frame; here the column is a double",
    ),
    Case(
        title="one text among numbers",
        phases=_text_among_numbers,
        exception="drops the block's whole frame; here it is NaN, and the text is in quarantine",
    ),
    Case(
        title="one number among texts",
        phases=_numbers_among_text,
        exception="drops the block's whole frame; here it is text too",
    ),
    Case(
        title="one list in the place of a number",
        phases=_lists_as_values,
        exception="drops the block's whole frame; here it is NaN, and the list is in quarantine",
    ),
    Case(
        title="one message whose columns differ in length",
        phases=_unequal_lengths,
        exception="drops the block's whole frame; here that message is in quarantine",
    ),
    Case(
        title="one row without a finite time",
        phases=_bad_times,
        exception="writes it with whatever time that turns into; here that row is in quarantine",
    ),
    Case(
        title="rows that come out of order",
        phases=_out_of_order,
        exception="leaves them out of order, which readers such as bookbinder refuse; here a frame's rows are in order",
    ),
)
"""What both recorders live through."""


def _other_fields(s: Source) -> Phases:
    return [[*_each(5, lambda _: s.message(kelvin=s.floats())), s.message(kelvin=s.floats(), volts=s.floats())]]


def _no_timestamps(s: Source) -> Phases:
    broken = s.message(kelvin=s.floats())
    del broken.data["b"]["timestamps"]
    s.rows = 0
    return [[*_each(5, lambda _: s.message(kelvin=s.floats())), broken]]


def _no_dict(s: Source) -> Phases:
    return [[*_each(5, lambda _: s.message(kelvin=s.floats())), Published("ready", s.feed())]]


def _no_agg_params(s: Source) -> Phases:
    bare = Published(s.block("b", kelvin=s.floats()), {**s.feed(), "agg_params": None})
    return [[*_each(5, lambda _: s.message(kelvin=s.floats())), bare]]


_DIES = "`record` fails, and what every feed had in memory is lost"

FATAL = (
    Case(
        title="a block comes with other fields",
        phases=_other_fields,
        exception=f"{_DIES}; here it gets a new `prov_id`",
    ),
    Case(title="a block without `timestamps`", phases=_no_timestamps, exception=f"{_DIES}; here it is in quarantine"),
    Case(title="a message that is no dictionary", phases=_no_dict, exception=f"{_DIES}; here it is in quarantine"),
    Case(title="`agg_params` is `None`", phases=_no_agg_params, exception=f"{_DIES}; here OCS's defaults count"),
)
"""What ends the stock recorder's session; each runs in one of its own, beside a well-behaved neighbour."""


def neighbour(s: Source) -> Phases:
    """Return what a well-behaved feed publishes beside."""
    return [_each(5, lambda _: s.message(kelvin=s.floats()))]


def _large(s: Source) -> Phases:
    before = _each(5, lambda _: s.message(text=["small"]))
    return [[*before, s.message(text=["x" * (3 << 19)])], _each(5, lambda _: s.message(text=["small"]))]


LARGE = Case(
    title="one message of 1.5 MiB",
    phases=_large,
    exception="refuses it and loses its connection, and every feed's messages until it is back",
)


def _killed(s: Source) -> Phases:
    def message(_: int) -> Published:
        return s.message(kelvin=s.floats(), text=["on"])

    return [_each(10, message), _each(2, message)]


KILLED = Case(
    title="the agent is killed (SIGKILL) and started again",
    phases=_killed,
    exception="loses what was not written yet: up to `frame_length` seconds of every feed",
)
