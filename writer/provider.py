"""One provider: the blocks of one feed session that share a `prov_id`, and the frame that grows in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgpack

from writer.block import BlockBuffer, BlockData, BlockMisfit
from writer.message import FeedHeader, Rows

SECOND_NS = 1_000_000_000
LONGEST_FRESH_S = 1e9
"""About thirty years: however long a feed wants to stay fresh, it ends at a time that fits an integer."""
LONGEST_FRAME_S = 3600.0
"""so3g's load_range finds rows that are at most an hour older than their file, so no frame grows longer."""
LARGE_FRAME_VALUES = 2_000_000
"""A frame with this many values is cut before its time, so that memory stays bounded at any rate."""


class Provider:
    """An active provider.

    Parameters
    ----------
    prov_id : int
        The archive's `prov_id`, never used twice in a session.
    feed : FeedHeader
        Address, session and times of the feed.

    Attributes
    ----------
    high_water : int
        Every message up to this sequence number is durable as far as this provider is concerned.
    pending_since_ns : int or None
        Receive time of the first message of the growing frame.
    pending_from : int
        Sequence number of that message.
    pending_messages, pending_values : int
        What the growing frame holds.
    last_received_ns : int
        Receive time of the newest message.
    named_at_s : float
        Timestamp of the status frame that first names this provider in the current file.
    due_ns : int
        The earliest time at which the due queue will look at this provider.
    """

    def __init__(self, *, prov_id: int, feed: FeedHeader) -> None:
        self.prov_id = prov_id
        self.feed = feed
        self.blocks: dict[str, BlockBuffer] = {}
        self.high_water = 0
        self.pending_since_ns: int | None = None
        self.pending_from = 0
        self.pending_messages = 0
        self.pending_values = 0
        self.last_received_ns = 0
        self.named_at_s = -math.inf
        self.due_ns = 0
        self._field_names: set[str] = set()
        self._taken_from: dict[str, int] = {}
        self._last_timestamp_s = -math.inf
        self._schema: bytes | None = None
        self._packed = b""
        self._packed_marks: tuple[Any, ...] = ()

    def has_room_for(self, block: str, fields: Sequence[str], most_blocks: int) -> bool:
        """Whether a new block can live here: so3g allows a field name in one block of a provider only."""
        return block not in self.blocks and len(self.blocks) < most_blocks and self._field_names.isdisjoint(fields)

    def adopt(
        self, block: str, fields: tuple[str, ...], *, taken_from: int, kinds: tuple[str, ...] | None = None
    ) -> None:
        """Add a block.

        Parameters
        ----------
        block : str
            Its name.
        fields : tuple of str
            Its field set.
        taken_from : int
            Sequence number of the message that brings it here; rows of older ones were another provider's.
        kinds : tuple of str, optional
            The types that its columns have had, where they are known.
        """
        self.blocks[block] = BlockBuffer(block, fields, kinds)
        self._taken_from[block] = taken_from
        self._field_names.update(fields)
        self._schema = None

    def has(self, block: str, sequence: int) -> bool:
        """Whether the rows of a message for a block are in the archive already, by this provider or one before it."""
        return sequence <= self.high_water or sequence < self._taken_from[block]

    def append(self, rows: Rows, *, sequence: int, first_received_ns: int, last_received_ns: int) -> list[BlockMisfit]:
        """Add rows to the growing frame.

        Parameters
        ----------
        rows : Rows
            Of a block that this provider has adopted.
        sequence : int
            Of the first message that brought them.
        first_received_ns, last_received_ns : int
            Receive times of the first and last message that brought them.

        Returns
        -------
        list of BlockMisfit
            Values that their column cannot hold.
        """
        if self.pending_since_ns is None:
            self.pending_since_ns = first_received_ns
            self.pending_from = sequence
        self.last_received_ns = max(self.last_received_ns, last_received_ns)
        self.pending_values += len(rows.times) * (len(rows.fields) + 1)
        self._schema = None
        return self.blocks[rows.block].append(rows)

    @property
    def frame_due_ns(self) -> int | None:
        """When the growing frame is to be cut; None while there is none."""
        if self.pending_since_ns is None:
            return None
        return self.pending_since_ns + int(min(self.feed.frame_length_s, LONGEST_FRAME_S) * SECOND_NS)

    @property
    def stale_due_ns(self) -> int:
        """When this provider is stale unless another message comes."""
        return self.last_received_ns + int(min(self.feed.fresh_time_s, LONGEST_FRESH_S) * SECOND_NS)

    def frame_timestamp_s(self) -> float:
        """Return the growing frame's timestamp: the receive time of its first message.

        It is kept above the last frame's and not below the status frame that names the provider, whatever the
        clock did, because so3g's HKScanner warns of anything else.
        """
        received_s = (self.pending_since_ns or 0) / SECOND_NS
        return max(received_s, self.named_at_s, math.nextafter(self._last_timestamp_s, math.inf))

    def snapshot(self) -> list[BlockData]:
        """Return the growing frame's blocks that have rows."""
        return [buffer.snapshot() for buffer in self.blocks.values() if buffer.rows]

    def mark_written(self, high_water: int, timestamp_s: float) -> None:
        """Forget the growing frame: it is in the archive, with everything up to `high_water`."""
        for buffer in self.blocks.values():
            buffer.clear()
        self._schema = None
        self.high_water = high_water
        self.pending_since_ns = None
        self.pending_messages = 0
        self.pending_values = 0
        self._last_timestamp_s = timestamp_s

    def to_checkpoint(self) -> bytes:
        """Return what a later process needs to go on with this provider, msgpack; an idle one's is packed once."""
        marks = (self.feed, self.high_water, self.last_received_ns, self._last_timestamp_s, self.named_at_s)
        if self._schema is None or marks != self._packed_marks:
            self._packed, self._packed_marks = self._pack(), marks
        return self._packed

    def _pack(self) -> bytes:
        if self._schema is None:
            schema = {
                name: [buffer.fields, buffer.kinds, self._taken_from[name]] for name, buffer in self.blocks.items()
            }
            self._schema = msgpack.packb(schema)
        feed = self.feed
        state = [
            self.prov_id,
            [feed.address, feed.session_id, feed.frame_length_s, feed.fresh_time_s],
            self.high_water,
            self.last_received_ns,
            self._last_timestamp_s,
            self.named_at_s,
            self._schema,
        ]
        packed: bytes = msgpack.packb(state)
        return packed

    @classmethod
    def from_checkpoint(cls, packed: bytes) -> Provider:
        """Return a provider with nothing pending, as it was when it was checkpointed."""
        state = msgpack.unpackb(packed)
        prov_id, (address, session_id, frame_length_s, fresh_time_s), high_water, received, stamp, named, schema = state
        feed = FeedHeader(
            address=address, session_id=session_id, frame_length_s=frame_length_s, fresh_time_s=fresh_time_s
        )
        provider = cls(prov_id=prov_id, feed=feed)
        provider.high_water = high_water
        provider.last_received_ns = received
        provider.named_at_s = named
        provider._last_timestamp_s = stamp
        for name, (fields, kinds, taken_from) in msgpack.unpackb(schema, strict_map_key=False).items():
            provider.adopt(name, tuple(fields), taken_from=taken_from, kinds=tuple(kinds))
        return provider
