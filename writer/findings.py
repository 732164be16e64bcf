"""What a check of archive files finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from writer.rules import Rule

MOST_LISTED = 1000
"""Breaches of one rule in one file that are listed one by one; the last of them counts the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that is broken at one place.

    Parameters
    ----------
    rule : Rule
        Which.
    path : str
        The file or directory.
    frame : int or None
        Number of the frame in its file, from 0; None for the file as a whole.
    offset : int or None
        The byte at which that frame begins.
    text : str
        What is wrong, in words.
    count : int
        How often it is so in this file, from here on; 1 but for remarks and where there are very many.
    """

    rule: Rule
    path: str
    frame: int | None
    offset: int | None
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a frame is.

    Parameters
    ----------
    path : str
        Its file.
    frame : int or None
        Its number there, from 0; None for the file as a whole.
    offset : int or None
        The byte at which it begins.
    """

    path: str
    frame: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        return self.path if self.frame is None else f"{self.path} frame {self.frame}"


@dataclass(slots=True)
class Findings:
    """The findings of one file: each fault, but each kind of remark once, with its number.

    Parameters
    ----------
    items : list[Finding]
        In the order of their first places.
    """

    items: list[Finding] = field(default_factory=list)
    _counts: Counter[Rule] = field(default_factory=Counter)
    _latest: dict[Rule, int] = field(default_factory=dict)

    def add(self, rule: Rule, place: Place, text: str) -> None:
        """Add a breach of a rule."""
        self._counts[rule] += 1
        if self._counts[rule] > (1 if rule.is_remark else MOST_LISTED):
            index = self._latest[rule]
            self.items[index] = replace(self.items[index], count=self.items[index].count + 1)
            return
        self._latest[rule] = len(self.items)
        self.items.append(Finding(rule=rule, path=place.path, frame=place.frame, offset=place.offset, text=text))
