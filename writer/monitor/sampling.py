"""Looks on at the log: counts every feed's messages, and decodes one of each feed now and then.

It never releases a segment and takes no lock: the pair does not know that it is there. When it cannot keep up it
passes over what it missed; nothing here is the truth about what was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from aggregator.errors import LogFormatError, RecordPayloadError, UndecodableMessage
from aggregator.layout import RecordKind
from aggregator.log import LogReader, Record
from aggregator.records import SessionStart
from aggregator.segment import list_segments
from aggregator.settings import Caps
from writer.message_reading import MessageReader
from writer.monitor.feeds import Feeds

RECORDS_PER_LOOK = 100_000
"""More than these in a second and the look at them is cut short: the monitor must stay cheap."""

DECODED_PER_LOOK = 250
DECODED_BYTES_PER_LOOK = 4 << 20


@dataclass(slots=True)
class _Newest:
    """The messages of one feed in one look at the log."""

    count: int = 0
    first_ns: int = 0
    last: Record | None = None

    def add(self, record: Record) -> None:
        self.first_ns = self.first_ns or record.received_ns
        self.count += 1
        self.last = record


@dataclass(slots=True, kw_only=True)
class Sampled:
    """What one look at the log brought.

    Parameters
    ----------
    messages, values : int
        How many were seen; values as if each message had as many as the last one of its feed that was decoded.
    described : set of int
        Numbers of the feeds that have new blocks or fields.
    heard : set of int
        Numbers of the feeds that had messages.
    """

    messages: int = 0
    values: int = 0
    described: set[int] = field(default_factory=set)
    heard: set[int] = field(default_factory=set)


class LogSampler:
    """A passive reader of the log.

    Parameters
    ----------
    directory : Path
        The buffer directory; it need not hold a log yet.
    feeds : Feeds
        What is told of the feeds' messages.
    """

    def __init__(self, directory: Path, feeds: Feeds) -> None:
        self._directory = directory
        self._feeds = feeds
        self._messages = MessageReader(Caps())
        self._reader: LogReader | None = None
        self._waiting: dict[str, Record] = {}
        self.data_dir: Path | None = None

    def look(self, now_ns: int) -> Sampled:
        """Take note of what has come into the log since the last look."""
        sampled = Sampled()
        self._decode(self._count(self._poll(now_ns), sampled), sampled)
        return sampled

    def close_reader(self) -> None:
        """Unmap the log. May be called twice."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _poll(self, now_ns: int) -> list[Record]:
        try:
            if self._reader is None:
                self._reader = LogReader(self._directory, after_sequence=_beginning(self._directory, 2))
            records = self._reader.poll(now_ns, limit=RECORDS_PER_LOOK)
            self._reader.take_faults()
        except (LogFormatError, OSError):
            # The buffer was emptied, or another log has begun in it; damage is the writer's to report.
            self.close_reader()
            return []
        if len(records) == RECORDS_PER_LOOK:
            self._skip_ahead(records[-1].sequence)
        return records

    def _skip_ahead(self, sequence: int) -> None:
        """Go on in the newest segment."""
        self.close_reader()
        self._reader = LogReader(self._directory, after_sequence=max(sequence, _beginning(self._directory, 1)))

    def _count(self, records: list[Record], sampled: Sampled) -> dict[str, _Newest]:
        by_address: dict[str, _Newest] = {}
        for record in records:
            if record.kind == RecordKind.MESSAGE:
                address = self._address_of(record)
                if address is not None:
                    by_address.setdefault(address, _Newest()).add(record)
            elif record.kind == RecordKind.SESSION_START:
                self._begin_session(record)
        sampled.messages = sum(newest.count for newest in by_address.values())
        return by_address

    def _address_of(self, record: Record) -> str | None:
        known = self._messages.feed_of(record.payload)
        if known is not None:
            return known.header.address
        try:
            return self._messages.read(record.payload).feed.address
        except UndecodableMessage:
            return None

    def _begin_session(self, record: Record) -> None:
        try:
            self.data_dir = Path(SessionStart.from_bytes(record.payload).data_dir)
        except RecordPayloadError:
            return

    def _decode(self, by_address: dict[str, _Newest], sampled: Sampled) -> None:
        """Count all and decode some; those whose turn it was not are first the next time."""
        for address, newest in by_address.items():
            feed = self._feeds.at(address)
            if feed is None or newest.last is None:
                continue
            feed.count(newest.count, newest.first_ns, newest.last.received_ns)
            sampled.heard.add(feed.number)
            self._waiting[address] = newest.last
        self._decode_waiting(sampled)
        for address, newest in by_address.items():
            feed = self._feeds.at(address)
            sampled.values += newest.count * feed.values_per_message if feed else 0

    def _decode_waiting(self, sampled: Sampled) -> None:
        left_bytes = DECODED_BYTES_PER_LOOK
        for address in list(self._waiting)[:DECODED_PER_LOOK]:
            record = self._waiting.pop(address)
            left_bytes -= len(record.payload)
            self._decode_one(address, record, sampled)
            if left_bytes <= 0:
                break
        for address, record in self._waiting.items():
            # A view would keep its whole segment in memory after the writer has released it.
            self._waiting[address] = record._replace(payload=memoryview(bytes(record.payload)))

    def _decode_one(self, address: str, record: Record, sampled: Sampled) -> None:
        feed = self._feeds.at(address)
        try:
            batch = self._messages.read(record.payload, record.sequence, record.received_ns)
        except UndecodableMessage:
            # The writer quarantines and counts it; here it only has no values to show.
            return
        if feed is not None and feed.show(batch):
            sampled.described.add(feed.number)


def _beginning(directory: Path, segments: int) -> int:
    """Return the sequence number after which the newest few segments begin."""
    listed = list_segments(directory)[-segments:]
    return max(0, listed[0][0] - 1) if listed else 0
