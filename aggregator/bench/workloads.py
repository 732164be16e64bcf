"""The workloads: feeds of a few shapes, whose messages follow from a seed.

A workload goes in turns; in each turn every feed publishes one message. Rates and shapes are those of real sites.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from aggregator.errors import SettingsError

START_S = 1_700_000_000
"""Timestamps begin here, so that each run of a workload is the same, byte for byte."""

ROOT = "observatory"
FLOATS = "f"
SITE_MIX = "ffffffifbs"
"""Kinds of the fields of a block, repeated as often as needed.

f is a double, i an integer that counts up, q one of four small integers, b a boolean, s a string that stays the same
for a while, as the states of real devices do.
"""

_WORDS = ("OK", "WARN", "in motion", "off (interlock)")
_WORD_HOLDS_TURNS = 60
_FIRST_COUNT = 1 << 20
_SHAPE = re.compile(r"(\d{1,5})x(\d{1,5})x(\d{1,6})")
_MOST_VALUES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Feeds of one shape.

    Parameters
    ----------
    name : str
        Begins the instance-id of each of its feeds.
    feeds, fields, rows : int
        How many feeds, how many fields each, how many rows a message.
    kinds : str
        Kinds of its fields, see `SITE_MIX`.
    period_s : float
        Time from one message of a feed to its next.
    """

    name: str
    feeds: int
    fields: int
    rows: int
    kinds: str = FLOATS
    period_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is published in a run.

    Parameters
    ----------
    name : str
        On the command line and in results.
    parts : tuple of Part
        Its feeds.
    messages : int
        How many messages a run has unless it is told otherwise.
    summary : str
        What it stands for, in a few words.
    """

    name: str
    parts: tuple[Part, ...]
    messages: int
    summary: str

    @property
    def feeds(self) -> int:
        """How many feeds publish."""
        return sum(part.feeds for part in self.parts)


class Message(NamedTuple):
    """One event on a feed; `received_s` is how long after the workload's start it comes."""

    topic: str
    data: dict[str, Any]
    feed: dict[str, Any]
    received_s: float
    values: int


def _single(name: str, feeds: int, fields: int, rows: int, *, messages: int, summary: str) -> Workload:
    part = Part(name=name, feeds=feeds, fields=fields, rows=rows)
    return Workload(name=name, parts=(part,), messages=messages, summary=summary)


_OF_A_SITE = partial(Part, kinds=SITE_MIX)

WORKLOADS = {
    workload.name: workload
    for workload in (
        _single("hk", 100, 20, 1, messages=60_000, summary="a site's slow feeds"),
        _single("acu", 4, 8, 200, messages=6_000, summary="an antenna at 200 Hz"),
        _single("hwp", 2, 3, 4200, messages=600, summary="a half-wave plate's encoder"),
        _single("highrate", 8, 16, 100, messages=8_000, summary="fast readouts"),
        _single("wide", 4, 2000, 1, messages=2_000, summary="blocks of very many fields"),
        Workload(
            name="mixed",
            parts=(
                _OF_A_SITE(name="hk", feeds=100, fields=20, rows=1),
                _OF_A_SITE(name="acu", feeds=4, fields=8, rows=200),
                _OF_A_SITE(name="hwp", feeds=2, fields=3, rows=4200, kinds="iiq", period_s=1.826),
                _OF_A_SITE(name="highrate", feeds=8, fields=16, rows=100),
                _OF_A_SITE(name="wide", feeds=4, fields=2000, rows=1),
            ),
            messages=9_440,
            summary="a site: all of these, with strings, integers and booleans",
        ),
        _single("many", 1_000, 20, 1, messages=60_000, summary="ten sites in one"),
    )
}


def workload_named(name: str) -> Workload:
    """Return a workload by its name or by its shape, such as `8x16x100`: feeds x fields x rows.

    Raises
    ------
    SettingsError
        When there is none.
    """
    if name in WORKLOADS:
        return WORKLOADS[name]
    shape = _SHAPE.fullmatch(name)
    if shape is None or "0" in shape.groups():
        known = ", ".join(WORKLOADS)
        raise SettingsError(f"there is no workload '{name}': take {known}, or a shape FEEDSxFIELDSxROWS")
    feeds, fields, rows = map(int, shape.groups())
    messages = min(60_000, max(2 * feeds, _MOST_VALUES // (fields * rows)))
    return _single(name, feeds, fields, rows, messages=messages, summary="feeds x fields x rows")


def messages(workload: Workload, count: int, *, seed: int = 1) -> Iterator[Message]:
    """Give the messages of a workload in the order in which they are published.

    Parameters
    ----------
    workload : Workload
        Which one.
    count : int
        How many messages.
    seed : int
        Decides the values.

    Yields
    ------
    Message
        The same ones for the same arguments.
    """
    publishers = [_Publisher(part, number) for part in workload.parts for number in range(part.feeds)]
    chance = np.random.default_rng(seed)
    for i in range(count):
        turn, place = divmod(i, len(publishers))
        yield publishers[place].message(turn, place / len(publishers), chance)


class _Publisher:
    """One feed of a part."""

    def __init__(self, part: Part, number: int) -> None:
        self._part = part
        instance = f"{part.name}-{number}"
        self._topic = f"{ROOT}.{instance}.feeds.data"
        self._feed = {
            "agent_address": f"{ROOT}.{instance}",
            "agg_params": {},
            "feed_name": "data",
            "address": self._topic,
            "record": True,
            "session_id": str(START_S + 0.5),
            "agent_class": "BenchAgent",
        }
        self._fields = [f"field_{i:04d}" for i in range(part.fields)]

    def message(self, turn: int, share: float, chance: np.random.Generator) -> Message:
        part = self._part
        received_s = (turn + 1 + share) * part.period_s
        before_s = part.period_s * np.arange(part.rows, 0, -1) / part.rows
        columns = (_column(part.kinds[i % len(part.kinds)], turn, i, part.rows, chance) for i in range(part.fields))
        block = {
            "block_name": "samples",
            "data": dict(zip(self._fields, columns, strict=True)),
            "influxdb_tags": None,
            "timestamps": (START_S + received_s - before_s).tolist(),
        }
        return Message(self._topic, {"samples": block}, self._feed, received_s, part.fields * part.rows)


def _column(kind: str, turn: int, place: int, rows: int, chance: np.random.Generator) -> list[Any]:
    if kind == "f":
        return list(chance.standard_normal(rows).tolist())
    if kind == "i":
        first = _FIRST_COUNT + place + turn * rows
        return list(range(first, first + rows))
    if kind == "q":
        return list(chance.integers(0, 4, rows).tolist())
    if kind == "b":
        return list((chance.random(rows) < 0.5).tolist())
    return [_WORDS[(turn // _WORD_HOLDS_TURNS + place) % len(_WORDS)]] * rows
