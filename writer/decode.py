"""From the payloads of the log's MESSAGE records to batches of rows.

Messages are sorted by feed, each feed's kept in order. Those that have a learned layout are read together, many
messages with a few array operations; the others one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import UndecodableMessage
from aggregator.settings import Caps
from writer.feed_memory import KnownFeed
from writer.layout_memory import NO_LAYOUT, LayoutMemory, Shelf
from writer.layouts import Messages, Scratch
from writer.message import Batch, Undecodable
from writer.message_reading import MessageReader

MessageRecord: TypeAlias = tuple[int, int, memoryview]
"""Sequence number, receive time in Unix nanoseconds and payload of a MESSAGE record."""

SHORT_RUN_BYTES = 1024
"""Fewer bytes than these are unpacked about as fast as they are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Messages of one feed part and length that came one after the other, as far as their feed is concerned."""

    feed: KnownFeed
    message_bytes: int
    records: list[MessageRecord]

    def takes(self, feed: KnownFeed, payload: memoryview) -> bool:
        """Whether a message belongs to this run too."""
        return self.feed is feed and self.message_bytes == len(payload)


class Decoder:
    """Decodes messages and remembers what repeats from one to the next.

    Parameters
    ----------
    caps
        How much one message or block may bring.
    """

    def __init__(self, caps: Caps) -> None:
        self._reader = MessageReader(caps)
        self._layouts = LayoutMemory(caps)
        self._scratch = Scratch()

    def decode_batch(self, records: Iterable[MessageRecord]) -> list[Batch | Undecodable]:
        """Decode messages in any number.

        Parameters
        ----------
        records
            The messages in the log's order.

        Returns
        -------
        list of Batch or Undecodable
            Every message in exactly one of them. Batches of one feed are in the order in which their messages came;
            those of different feeds may not be.
        """
        results: list[Batch | Undecodable] = []
        lanes: defaultdict[str, list[Batch | _Run]] = defaultdict(list)
        for record in records:
            payload = record[2]
            feed = self._reader.feed_of(payload)
            if feed is None:
                decoded = self._read(record)
                if isinstance(decoded, Batch):
                    lanes[decoded.feed.address].append(decoded)
                else:
                    results.append(decoded)
                continue
            lane = lanes[feed.header.address]
            last = lane[-1] if lane else None
            if isinstance(last, _Run) and last.takes(feed, payload):
                last.records.append(record)
            else:
                lane.append(_Run(feed, len(payload), [record]))
        for lane in lanes.values():
            for part in lane:
                if isinstance(part, Batch):
                    results.append(part)
                else:
                    results.extend(self._read_run(part))
        return results

    def _read(self, record: MessageRecord) -> Batch | Undecodable:
        sequence, received_ns, payload = record
        try:
            return self._reader.read(payload, sequence, received_ns)
        except UndecodableMessage as error:
            return Undecodable(sequence=sequence, received_ns=received_ns, payload=payload, reason=error.reason)

    def _read_run(self, run: _Run) -> Iterator[Batch | Undecodable]:
        if len(run.records) * run.message_bytes < SHORT_RUN_BYTES:
            yield from map(self._read, run.records)
            return
        shelf = self._layouts.shelf(run.feed, run.message_bytes)
        done = 0
        while done < len(run.records) and not shelf.layouts:
            yield self._read_and_learn(run.records[done], run, shelf)
            done += 1
        if done < len(run.records):
            yield from self._read_by_layouts(run.records[done:], run, shelf)

    def _read_and_learn(self, record: MessageRecord, run: _Run, shelf: Shelf) -> Batch | Undecodable:
        decoded = self._read(record)
        if isinstance(decoded, Batch) and decoded.is_clean:
            self._layouts.note_unmatched(shelf, run.feed, record[2])
        return decoded

    def _read_by_layouts(self, records: list[MessageRecord], run: _Run, shelf: Shelf) -> Iterator[Batch | Undecodable]:
        sequences, received_ns, payloads = zip(*records, strict=True)
        messages = Messages(joined=b"".join(payloads), nbytes=run.message_bytes, sequences=sequences)
        layouts = shelf.layouts
        assigned = shelf.assign(messages, self._scratch)
        for start, stop in _stretches(assigned):
            if assigned[start] == NO_LAYOUT:
                for record in records[start:stop]:
                    yield self._read_and_learn(record, run, shelf)
            else:
                yield Batch(
                    feed=run.feed.header,
                    blocks=layouts[assigned[start]].read(messages, start, stop),
                    rejected=(),
                    sequences=sequences[start:stop],
                    received_ns=received_ns[start:stop],
                )


def _stretches(assigned: NDArray[np.int8]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each stretch of equal numbers."""
    edges = np.flatnonzero(assigned[1:] != assigned[:-1]) + 1
    return pairwise([0, *edges.tolist(), len(assigned)])
