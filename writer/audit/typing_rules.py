"""What the archive's rules for types make of a published value, written down a second time.

The recorder has its own, fast way to the same end; an audit that used it would repeat its mistakes.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

Archived: TypeAlias = bool | int | float | str

_INT64 = range(-(2**63), 2**63)
_WIDTHS = {"bool": 0, "int": 1, "double": 2}


def as_archived(value: Any, column: str) -> Archived:
    """Give what a column should hold for a published value.

    Parameters
    ----------
    value : Any
        What the message said.
    column : str
        The column's type: bool, int, double or string.

    Returns
    -------
    Archived
        The value that a reader should get.
    """
    is_number = isinstance(value, (bool, int, float))
    if column == "string":
        text = str(value) if is_number or isinstance(value, str) else ""
        return text.encode(errors="replace").decode()
    number = value if is_number else math.nan
    return _as_double(number) if column == "double" else number


def same(one: Archived, other: Archived) -> bool:
    """Tell whether two values are equal, not-a-number being equal to itself."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - only NaN differs from itself


def kind_of(value: Any) -> str:
    """Name the narrowest column type that a value asks for.

    Parameters
    ----------
    value : Any
        What the message said.

    Returns
    -------
    str
        bool, int, double, string; "nothing" for None, which fits all of them.
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "bool"
        case int():
            return "int" if value in _INT64 else "double"
        case str():
            return "string"
    return "double"


def allowed_columns(kinds: set[str]) -> set[str]:
    """Give the types that a column may have after values of some kinds.

    Parameters
    ----------
    kinds : set[str]
        From `kind_of`, of every value of the column so far.

    Returns
    -------
    set[str]
        One type; two when strings and numbers came and it matters which came first.
    """
    numbers = kinds & _WIDTHS.keys()
    if kinds in ({"string"}, {"string", "nothing"}):
        return {"string"}
    if "string" in kinds:
        return {"string", "double"}
    if "nothing" in kinds or not numbers:
        return {"double"}
    return {max(numbers, key=_WIDTHS.__getitem__)}


def _as_double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)
