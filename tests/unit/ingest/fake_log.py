"""A log in memory that is full, or broken, when a test says so."""

from __future__ import annotations

from typing import NamedTuple

from aggregator.layout import RecordKind
from aggregator.records import Gap


class Appended(NamedTuple):
    kind: RecordKind
    payload: bytes
    received_ns: int
    flags: int


class FakeLog:
    """A log that is full for messages, or for everything, when told so."""

    max_payload_bytes = 10_000

    def __init__(self) -> None:
        self.records: list[Appended] = []
        self.preamble: bytes | None = None
        self.full = False
        self.full_for_control = False
        self.broken = False

    def append(self, kind: RecordKind, payload: bytes | memoryview, *, received_ns: int, flags: int = 0) -> int | None:
        if self.broken:
            raise OSError("the buffer directory is gone")
        if self.full_for_control or (self.full and kind is RecordKind.MESSAGE):
            return None
        self.records.append(Appended(kind, bytes(payload), received_ns, flags))
        return len(self.records)

    def set_preamble(self, payload: bytes | None) -> None:
        self.preamble = payload

    def of_kind(self, kind: RecordKind) -> list[Appended]:
        return [record for record in self.records if record.kind is kind]

    def gaps(self) -> list[Gap]:
        return [Gap.from_bytes(record.payload) for record in self.of_kind(RecordKind.GAP)]
