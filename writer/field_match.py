"""Finds the fields that a user means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from aggregator.errors import AmbiguousFieldError, NoSuchFieldError

MOST_NAMED = 5


def match_fields(asked: Sequence[str], fields: Sequence[str]) -> list[str]:
    """Find fields by their full or short names.

    Parameters
    ----------
    asked : Sequence[str]
        Full names, short ones whose words stand in the full name in the same order (as so3g's `short_match`), or
        patterns with ``*``, which stand for all fields that match.
    fields : Sequence[str]
        The full names that there are.

    Returns
    -------
    list[str]
        Full names, each once.

    Raises
    ------
    NoSuchFieldError
        When a name matches nothing.
    AmbiguousFieldError
        When a short name matches several fields.
    """
    return list(dict.fromkeys(field for name in asked for field in _match(name, fields)))


def _match(name: str, fields: Sequence[str]) -> list[str]:
    if name in fields:
        return [name]
    words = name.split(".")
    found = [field for field in fields if _is_in_order(words, field.split("."))]
    if not found:
        raise NoSuchFieldError(name, near(name, fields), len(fields))
    if len(found) > 1 and "*" not in name:
        raise AmbiguousFieldError(name, found[:MOST_NAMED], len(found))
    return found


def _is_in_order(words: list[str], full: list[str]) -> bool:
    rest = iter(full)
    return all(any(fnmatchcase(candidate, _literal(word)) for candidate in rest) for word in words)


def _literal(word: str) -> str:
    """Leave only the star its meaning."""
    return word.replace("[", "[[]").replace("?", "[?]")


def near(name: str, fields: Sequence[str]) -> list[str]:
    """Return full names like one that does not exist, the likeliest first."""
    last = name.rpartition(".")[2].lower()
    by_last: dict[str, list[str]] = {}
    for field in fields:
        by_last.setdefault(field.rpartition(".")[2].lower(), []).append(field)
    alike = difflib.get_close_matches(last, by_last, n=MOST_NAMED, cutoff=0.5)
    holding = [short for short in by_last if last and last in short]
    found = [field for short in dict.fromkeys([*alike, *holding]) for field in by_last[short]]
    return found[:MOST_NAMED] or difflib.get_close_matches(name, fields, n=MOST_NAMED, cutoff=0.4)
