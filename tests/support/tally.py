"""What the fault tests tried, for the figures that are printed at their end."""

from __future__ import annotations

from collections import Counter

TRIED: Counter[str] = Counter()
"""How often each kind of fault was tried in this run."""


def tried(what: str, n: int = 1) -> None:
    """Count faults that were tried and survived being looked at."""
    TRIED[what] += n
