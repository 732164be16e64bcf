"""From the payloads of the log's MESSAGE records to batches of rows by block."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from aggregator.errors import UndecodableMessage
from aggregator.settings import Caps
from writer.block_reading import read_block
from writer.feed_memory import FeedMemory
from writer.feed_reading import feed_header
from writer.message import Batch, FeedHeader, RejectedBlock, Rows, Undecodable
from writer.unpacking import unpacked

__all__ = ["Batch", "Decoder", "FeedHeader", "MessageRecord", "RejectedBlock", "Rows", "Undecodable"]


class MessageRecord(NamedTuple):
    """What decoding needs of a MESSAGE record of the log.

    Parameters
    ----------
    sequence
        Its sequence number.
    received_ns
        When ingest received it, Unix nanoseconds.
    payload
        The msgpack bytes of `[data, feed]` as they came off the wire.
    """

    sequence: int
    received_ns: int
    payload: memoryview


class Decoder:
    """Decodes messages and remembers what repeats from one to the next.

    Parameters
    ----------
    caps
        How much one message or block may bring.
    """

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._feeds = FeedMemory()

    def decode_batch(self, records: Sequence[tuple[int, int, memoryview]]) -> list[Batch | Undecodable]:
        """Decode messages in any number.

        Parameters
        ----------
        records
            Sequence number, receive time in Unix nanoseconds and payload of each message, in the log's order; see
            `MessageRecord`.

        Returns
        -------
        list of Batch or Undecodable
            Every message in exactly one of them. Batches of one feed are in the order in which their messages came;
            those of different feeds may not be.
        """
        return [self._decoded(*record) for record in records]

    def decode_message(self, payload: memoryview, sequence: int = 0, received_ns: int = 0) -> Batch:
        """Decode one message.

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
        data, feed = self._open(payload)
        if not isinstance(data, dict):
            raise UndecodableMessage("bad-data")
        if len(data) > self._caps.blocks_per_feed:
            raise UndecodableMessage("too-many-blocks")
        blocks: list[Rows] = []
        rejected: list[RejectedBlock] = []
        for name, block in data.items():
            found = read_block(name, block, sequence, self._caps)
            if isinstance(found, Rows):
                blocks.append(found)
            elif found is not None:
                rejected.append(found)
        return Batch(
            feed=feed,
            blocks=tuple(blocks),
            rejected=tuple(rejected),
            sequences=(sequence,),
            received_ns=(received_ns,),
        )

    def _decoded(self, sequence: int, received_ns: int, payload: memoryview) -> Batch | Undecodable:
        try:
            return self.decode_message(payload, sequence, received_ns)
        except UndecodableMessage as error:
            return Undecodable(sequence=sequence, received_ns=received_ns, payload=payload, reason=error.reason)

    def _open(self, payload: memoryview) -> tuple[object, FeedHeader]:
        known = self._feeds.find(payload)
        if known is not None:
            with suppress(UndecodableMessage):
                return unpacked(payload[1 : -known.nbytes]), known.header
        pair = unpacked(payload)
        if not isinstance(pair, list) or len(pair) != 2:
            raise UndecodableMessage("not-a-pair")
        header = feed_header(pair[1])
        if known is None:
            self._feeds.remember(payload, header)
        return pair[0], header
