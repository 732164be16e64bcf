"""Every counter of hkagg, declared once with its help text.

Always true of a recorder as a whole: `received = committed + rejected + dropped` and
`committed = archived + quarantined + pending`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

CounterSnapshot: TypeAlias = "dict[str, int | dict[str, int]]"

MOST_LABELS = 1000
OTHER_LABEL = "other"
"""Where counts go whose label comes after the first thousand: input must not grow memory without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSpec:
    """What a counter counts.

    Parameters
    ----------
    process : str
        `ingest` or `writer`.
    help_text : str
        One sentence for the operator.
    label : str
        Name of what it is broken down by, or empty.
    """

    process: str
    help_text: str
    label: str = ""


def _ingest(help_text: str, label: str = "") -> CounterSpec:
    return CounterSpec(process="ingest", help_text=help_text, label=label)


def _writer(help_text: str, label: str = "") -> CounterSpec:
    return CounterSpec(process="writer", help_text=help_text, label=label)


COUNTERS: dict[str, CounterSpec] = {
    "received": _ingest("Messages that were to be recorded."),
    "committed": _ingest("Messages put into the log."),
    "rejected": _ingest("Messages that cannot be put into the log.", "reason"),
    "dropped": _ingest("Messages dropped because the buffer was full.", "feed"),
    "ignored": _ingest("Messages of feeds that are not to be recorded, or that came while idle."),
    "duplicates": _ingest("Messages delivered a second time under the same WAMP publication id."),
    "gaps": _ingest("Gap records put into the log.", "reason"),
    "reconnects": _ingest("Times that the router was joined again."),
    "reactor_lag": _ingest("Timers of ingest's reactor by how late they came, twenty a second.", "delay"),
    "read": _writer("Messages read from the log."),
    "archived": _writer("Messages whose rows are all in the archive."),
    "quarantined": _writer("Messages that cannot be represented in the archive, kept whole in quarantine.", "reason"),
    "misfits": _writer(
        "Blocks, rows and values that went to quarantine while the rest of their message is archived.", "reason"
    ),
    "rows": _writer("Rows written to the archive."),
    "values": _writer("Values written to the archive."),
    "frames": _writer("Frames written to the archive."),
    "bytes_written": _writer("Bytes written to the archive."),
    "files": _writer("Files begun in the archive."),
    "gaps_read": _writer("Gap records read from the log.", "reason"),
    "log_faults": _writer("Damage and holes found in the log.", "reason"),
    "records_missing": _writer("Records that the log should hold and does not."),
    "disk_errors": _writer("Operations that the archive's disk refused."),
    "integers_widened": _writer("Integers beyond 64 bits stored as doubles."),
    "quarantine_discarded": _writer("Oldest quarantine entries discarded to keep the quarantine within its limit."),
}


class Counters:
    """The counters of one process, all zero at first."""

    __slots__ = ("_labelled", "_plain")

    def __init__(self, process: str) -> None:
        specs = {name: spec for name, spec in COUNTERS.items() if spec.process == process}
        self._plain = {name: 0 for name, spec in specs.items() if not spec.label}
        self._labelled: dict[str, dict[str, int]] = {name: {} for name, spec in specs.items() if spec.label}

    def add(self, name: str, n: int = 1, label: str | None = None) -> None:
        """Count `n` more; a counter with a label needs one and the others have none.

        Raises
        ------
        KeyError
            When no such counter is declared for this process.
        """
        if label is None:
            self._plain[name] += n
            return
        by_label = self._labelled[name]
        if label not in by_label and len(by_label) >= MOST_LABELS:
            label = OTHER_LABEL
        by_label[label] = by_label.get(label, 0) + n

    def total(self, name: str) -> int:
        """Return a counter's value, summed over its labels where it has any."""
        if name in self._plain:
            return self._plain[name]
        return sum(self._labelled[name].values())

    def snapshot(self) -> CounterSnapshot:
        """Return all values: a number, or a map from label to number."""
        return {**self._plain, **{name: dict(by_label) for name, by_label in self._labelled.items()}}

    def restore(self, snapshot: CounterSnapshot) -> None:
        """Take over the values of a snapshot; names that are not declared any more are passed over."""
        for name, value in snapshot.items():
            if isinstance(value, dict):
                if name in self._labelled:
                    self._labelled[name] = dict(value)
            elif name in self._plain:
                self._plain[name] = value
