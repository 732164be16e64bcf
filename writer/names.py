"""Field names that OCS and so3g accept, made from whatever names a message brings.

The rules are those of OCS's `Feed` (letters, digits and underscores; a letter first, after any underscores; at
most 255 characters), and a mended name is the one that OCS's own aggregator would have written.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from functools import lru_cache
from typing import TypeAlias

LONGEST_NAME = 255
REMEMBERED_CHARACTERS = 1 << 14
"""Only sets of names up to this size are remembered, so that hostile messages cannot fill the memory."""

_Attempt: TypeAlias = tuple[str, int]
"""A name to try, and the number of the suffix to append when it is taken."""

_INVALID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_]")
_BEFORE_FIRST_LETTER = re.compile(r"^[^a-zA-Z]+")


def mended(names: Sequence[object]) -> tuple[str, ...]:
    """Return valid and unique field names for the names of one block, in the same order.

    Valid names stay as they are unless an earlier one was mended to the same. A name that is not a string counts
    as its `str`.

    Parameters
    ----------
    names
        The names as they came in the message.

    Returns
    -------
    tuple of str
        As many names; the same object for the same names, as far as they are remembered.
    """
    try:
        characters = len("".join(names))  # type: ignore[arg-type]
    except TypeError:
        return _mended([str(name) for name in names])
    strings: tuple[str, ...] = tuple(names)  # type: ignore[arg-type]
    return _remembered(strings) if characters <= REMEMBERED_CHARACTERS else _mended(strings)


@lru_cache(maxsize=1024)
def _remembered(names: tuple[str, ...]) -> tuple[str, ...]:
    return _mended(names)


def _mended(names: Sequence[str]) -> tuple[str, ...]:
    unique: dict[str, None] = {}
    ends: dict[_Attempt, _Attempt] = {}
    for name in names:
        attempt = _first_free((_valid(name) or _valid("invalid_field_" + name), 1), unique, ends)
        unique[attempt[0]] = None
    return tuple(unique)


def _first_free(attempt: _Attempt, taken: Container[str], ends: dict[_Attempt, _Attempt]) -> _Attempt:
    passed = []
    while attempt[0] in taken:
        passed.append(attempt)
        name, number = attempt
        attempt = ends.get(attempt) or (_numbered(name, number), number + 1)
    # Taken names never become free, so the next search may start at this end: linear, not quadratic.
    ends.update((earlier, attempt) for earlier in passed)
    return attempt


def _numbered(name: str, number: int) -> str:
    suffix = f"_{number:02}"
    return name[: LONGEST_NAME - len(suffix)] + suffix


def _valid(name: str) -> str:
    kept = _INVALID_CHARACTERS.sub("", (name or "invalid_field").replace(" ", "_"))
    underscores = len(kept) - len(kept.lstrip("_"))
    rest = _BEFORE_FIRST_LETTER.sub("", kept[underscores:], count=1)
    return (kept[:underscores] + rest)[:LONGEST_NAME]
