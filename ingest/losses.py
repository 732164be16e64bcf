"""Adds up messages that could not be kept, until a gap record can say so."""

from __future__ import annotations

from dataclasses import dataclass, field

from aggregator.records import Gap

QUIET_NS = 1_000_000_000
"""A loss is over when none has happened for this long; else a buffer on the brink would fill with gap records."""

MOST_ADDRESSES = 10_000
OTHERS = "other"


@dataclass(slots=True, kw_only=True)
class _Loss:
    from_ns: int
    to_ns: int
    counts: dict[str, int] = field(default_factory=dict)


class Losses:
    """Open losses by reason, none at first."""

    def __init__(self) -> None:
        self._open: dict[str, _Loss] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def note(self, reason: str, address: str, now_ns: int) -> None:
        """Count one lost message of a feed."""
        loss = self._open.get(reason)
        if loss is None:
            loss = self._open[reason] = _Loss(from_ns=now_ns, to_ns=now_ns)
        if address not in loss.counts and len(loss.counts) >= MOST_ADDRESSES:
            address = OTHERS
        loss.counts[address] = loss.counts.get(address, 0) + 1
        loss.to_ns = max(loss.to_ns, now_ns)

    def over(self, now_ns: int) -> list[Gap]:
        """Return the losses that have not grown for a second; they stay until `settle` is told."""
        return [gap for gap in self.all() if not 0 <= now_ns - gap.to_ns < QUIET_NS]

    def all(self) -> list[Gap]:
        """Return every open loss."""
        return [
            Gap(from_ns=loss.from_ns, to_ns=loss.to_ns, reason=reason, counts=dict(loss.counts))
            for reason, loss in self._open.items()
        ]

    def settle(self, gap: Gap) -> None:
        """Forget a loss whose gap record is in the log."""
        self._open.pop(gap.reason, None)
