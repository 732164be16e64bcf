"""The gap journal: every gap that the log tells of, one JSON line each, for people and programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from aggregator.records import Gap
from writer.quarantine import write_whole

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
        self._log_id = 0
        self._last_sequences: dict[int, int] = {}
        for gap in read_gaps(directory):
            log_id = gap.get("log_id", 0)
            self._last_sequences[log_id] = max(gap["sequence"], self._last_sequences.get(log_id, 0))
        self._cut_torn_line()

    def begin_log(self, log_id: int) -> None:
        """Say which log the sequence numbers from now on belong to."""
        self._log_id = log_id

    def put(self, sequence: int, gap: Gap) -> bool:
        """Write a gap down; False when it is there already, from before a restart.

        Raises
        ------
        OSError
            When the buffer directory has no room; nothing is written down then.
        """
        if sequence <= self._last_sequences.get(self._log_id, 0):
            return False
        line = {
            "log_id": self._log_id,
            "sequence": sequence,
            "from_ns": gap.from_ns,
            "to_ns": gap.to_ns,
            "reason": gap.reason,
            "counts": dict(gap.counts),
        }
        if self._path.exists() and self._path.stat().st_size > LARGEST_JOURNAL_BYTES:
            self._path.replace(self._path.with_suffix(".jsonl.1"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            write_whole(descriptor, json.dumps(line).encode() + b"\n", os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        self._last_sequences[self._log_id] = sequence
        return True

    def _cut_torn_line(self) -> None:
        """Take away the line that a power loss tore, so that the next one stands by itself."""
        if self._path.exists():
            raw = self._path.read_bytes()
            if raw and not raw.endswith(b"\n"):
                os.truncate(self._path, raw.rfind(b"\n") + 1)


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
