"""What decoding gives: the rows of one or more messages of a feed, and what could not be decoded.

Messages of one feed that have the same layout come together in one `Batch`; a batch of one message is the plain
case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from writer.values import Values

DEFAULT_FRAME_LENGTH_S = 300.0
DEFAULT_FRESH_TIME_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHeader:
    """What a message says of its feed.

    Parameters
    ----------
    address
        The feed's full address: four tokens joined by dots.
    session_id
        Of the agent that publishes; a new one is a new provider.
    frame_length_s
        How long a frame may grow, in seconds.
    fresh_time_s
        After how many seconds without a message the provider is stale.
    """

    address: str
    session_id: str
    frame_length_s: float = DEFAULT_FRAME_LENGTH_S
    fresh_time_s: float = DEFAULT_FRESH_TIME_S


class RejectedRow(NamedTuple):
    """A row whose timestamp cannot be archived.

    Parameters
    ----------
    sequence
        Of the message that brought it.
    row
        Its index in the block as it came.
    timestamp
        As it came.
    values
        One per field, as they came.
    reason
        Short and machine-readable: `timestamp-not-a-number`, `timestamp-not-finite` or `timestamp-out-of-range`.
    """

    sequence: int
    row: int
    timestamp: object
    values: tuple[object, ...]
    reason: str


class RejectedBlock(NamedTuple):
    """A block that cannot be archived; the other blocks of its message can.

    Parameters
    ----------
    sequence
        Of the message that brought it.
    block
        Its name, made printable.
    reason
        Short and machine-readable, see `writer.block_reading`.
    original
        The block as it came.
    """

    sequence: int
    block: str
    reason: str
    original: object


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of one block from one or more messages, in the order in which they came.

    Parameters
    ----------
    block
        The block's name.
    fields
        Valid and unique names of the fields.
    times
        Shape (rows,), Unix seconds, all finite and between 1970 and 2200.
    columns
        One per field, each of `rows` values.
    sequences
        Of the messages; when there are several, each brought equally many rows and none was rejected.
    bad_rows
        Rows that came too, but with timestamps that cannot be archived.
    """

    block: str
    fields: tuple[str, ...]
    times: NDArray[np.float64]
    columns: tuple[Values, ...]
    sequences: tuple[int, ...]
    bad_rows: tuple[RejectedRow, ...] = ()

    def sequence_of(self, row: int) -> int:
        """Return the sequence number of the message that brought a row."""
        return self.sequences[row * len(self.sequences) // len(self.times)]

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows of some of several messages, by the messages' indices."""
        per_message = len(self.times) // len(self.sequences)
        rows = slice(start * per_message, stop * per_message)
        return Rows(
            block=self.block,
            fields=self.fields,
            times=self.times[rows],
            columns=tuple(values.part(rows) for values in self.columns),
            sequences=self.sequences[start:stop],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One message, or several of one feed and one layout in the order in which they came.

    Parameters
    ----------
    feed
        The feed's header.
    blocks
        Rows of each block.
    rejected
        Blocks that cannot be archived.
    sequences, received_ns
        One per message, ascending sequence numbers and receive times in Unix nanoseconds.
    """

    feed: FeedHeader
    blocks: tuple[Rows, ...]
    rejected: tuple[RejectedBlock, ...]
    sequences: tuple[int, ...]
    received_ns: tuple[int, ...]

    @property
    def messages(self) -> int:
        """How many messages these are."""
        return len(self.sequences)

    @property
    def is_clean(self) -> bool:
        """Whether everything in the messages was decoded to rows."""
        return not self.rejected and not any(rows.bad_rows for rows in self.blocks)

    @property
    def first_sequence(self) -> int:
        """Sequence number of the first message."""
        return self.sequences[0]

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last message."""
        return self.sequences[-1]

    @property
    def first_received_ns(self) -> int:
        """Receive time of the first message, Unix nanoseconds."""
        return self.received_ns[0]

    @property
    def last_received_ns(self) -> int:
        """Receive time of the last message, Unix nanoseconds."""
        return self.received_ns[-1]

    def part(self, start: int, stop: int) -> Batch:
        """Return a batch of some of the messages, by their indices; at least one of them.

        Parameters
        ----------
        start, stop
            As of a slice: `stop` is not included.
        """
        if start == 0 and stop >= self.messages:
            return self
        return Batch(
            feed=self.feed,
            blocks=tuple(rows.part(start, stop) for rows in self.blocks),
            rejected=(),
            sequences=self.sequences[start:stop],
            received_ns=self.received_ns[start:stop],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecodable:
    """A record that holds no message that can be read; it goes to quarantine whole.

    Parameters
    ----------
    sequence, received_ns
        Of the record.
    payload
        Its bytes, still in the log.
    reason
        Short and machine-readable.
    """

    sequence: int
    received_ns: int
    payload: memoryview
    reason: str
