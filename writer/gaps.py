"""The gap journal: every gap that the log tells of, one JSON line each, for people and programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from aggregator.records import Gap

JOURNAL_NAME = "gaps.jsonl"
LARGEST_JOURNAL_BYTES = 16 << 20


class GapJournal:
    """The journal of a buffer directory; when it is full it is put aside once, as `gaps.jsonl.1`.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL_NAME
        self._last_sequence = max((gap["sequence"] for gap in read_gaps(directory)), default=0)
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            with self._path.open("ab") as file:
                file.write(b"\n")

    def put(self, sequence: int, gap: Gap) -> bool:
        """Write a gap down; False when it is there already, from before a restart.

        Raises
        ------
        OSError
            When the buffer directory has no room.
        """
        if sequence <= self._last_sequence:
            return False
        line = {
            "sequence": sequence,
            "from_ns": gap.from_ns,
            "to_ns": gap.to_ns,
            "reason": gap.reason,
            "counts": dict(gap.counts),
        }
        if self._path.exists() and self._path.stat().st_size > LARGEST_JOURNAL_BYTES:
            self._path.replace(self._path.with_suffix(".jsonl.1"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._last_sequence = sequence
        return True


def read_gaps(directory: Path) -> list[dict[str, Any]]:
    """Return the journal's gaps, oldest first; a line torn by a power loss is passed over."""
    try:
        lines = (directory / JOURNAL_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    gaps = []
    for line in lines:
        try:
            gaps.append(json.loads(line))
        except ValueError:
            continue
    return gaps
