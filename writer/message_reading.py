"""One message: from the payload of a MESSAGE record to a batch of one."""

from __future__ import annotations

from contextlib import suppress

from aggregator.errors import UndecodableMessage
from aggregator.settings import Caps
from writer.block_reading import read_block
from writer.feed_memory import FeedMemory, KnownFeed
from writer.feed_reading import feed_header
from writer.layout_finding import find_blocks
from writer.layouts import Messages, have_good_times, read_rows
from writer.message import Batch, FeedHeader, RejectedBlock, Rows
from writer.unpacking import unpacked

WALKED_BYTES = 8 << 10
"""From this size on it is cheaper to look for long arrays of equal types than to unpack value by value."""


class MessageReader:
    """Reads messages one by one and remembers their feed parts.

    Parameters
    ----------
    caps
        How much one message or block may bring.
    """

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._feeds = FeedMemory()

    def feed_of(self, payload: memoryview) -> KnownFeed | None:
        """Return the feed part that a payload ends with, if it has been seen before."""
        return self._feeds.find(payload)

    def read(self, payload: memoryview, sequence: int = 0, received_ns: int = 0) -> Batch:
        """Read one message.

        Parameters
        ----------
        payload
            The msgpack bytes of `[data, feed]`.
        sequence, received_ns
            Of its record.

        Raises
        ------
        UndecodableMessage
            When there is no message in the payload. Its reason is `too-large`, `not-msgpack`, `trailing-bytes`,
            `too-deep`, `not-a-pair`, `bad-feed`, `bad-address`, `bad-data` or `too-many-blocks`.
        """
        if len(payload) > self._caps.message_bytes:
            raise UndecodableMessage("too-large")
        if len(payload) >= WALKED_BYTES:
            batch = self._walked(payload, sequence, received_ns)
            if batch is not None:
                return batch
        data, header = self._unpacked(payload)
        if not isinstance(data, dict):
            raise UndecodableMessage("bad-data")
        if len(data) > self._caps.blocks_per_feed:
            raise UndecodableMessage("too-many-blocks")
        found = [read_block(name, block, sequence, self._caps) for name, block in data.items()]
        blocks = tuple([part for part in found if isinstance(part, Rows)])
        rejected = tuple([part for part in found if isinstance(part, RejectedBlock)])
        return _batch(header, blocks, sequence, received_ns, rejected)

    def _walked(self, payload: memoryview, sequence: int, received_ns: int) -> Batch | None:
        found = find_blocks(payload, self._caps)
        feed = self._feeds.at_end(payload, found.end) if found else None
        if found is None or feed is None:
            return None
        messages = Messages(joined=payload, nbytes=len(payload), sequences=(sequence,))
        if not have_good_times(found.blocks, messages).all():
            return None
        return _batch(feed.header, read_rows(found.blocks, messages, 0, 1), sequence, received_ns)

    def _unpacked(self, payload: memoryview) -> tuple[object, FeedHeader]:
        feed = self._feeds.find(payload)
        if feed is not None:
            with suppress(UndecodableMessage):
                return unpacked(payload[1 : -feed.nbytes]), feed.header
        pair = unpacked(payload)
        if not isinstance(pair, list) or len(pair) != 2:
            raise UndecodableMessage("not-a-pair")
        header = feed_header(pair[1])
        if feed is None:
            self._feeds.remember(payload, header)
        return pair[0], header


def _batch(
    header: FeedHeader,
    blocks: tuple[Rows, ...],
    sequence: int,
    received_ns: int,
    rejected: tuple[RejectedBlock, ...] = (),
) -> Batch:
    return Batch(feed=header, blocks=blocks, rejected=rejected, sequences=(sequence,), received_ns=(received_ns,))
