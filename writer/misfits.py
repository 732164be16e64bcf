"""What of a message goes to quarantine: the whole of it, a block, a row or a value; each counted by its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crc32c import crc32c

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from writer.block import BlockMisfit
from writer.message import Batch, RejectedRow, Rows, Undecodable
from writer.quarantine import Entry, Quarantine, pack_any
from writer.values import Numbers


class MisfitKeeper:
    """Turns misfits into quarantine entries.

    A part of a record is known by its place and content, whichever way the record came here; one that is in
    quarantine already, from before a restart, is neither kept nor counted again.

    Parameters
    ----------
    quarantine : Quarantine
        Where the entries go.
    counters : Counters
        The writer's.
    """

    def __init__(self, quarantine: Quarantine, counters: Counters) -> None:
        self._quarantine = quarantine
        self._counters = counters

    def keep_undecodable(self, record: Undecodable, *, counts: bool) -> None:
        """Keep a whole message; `counts` is false while a record is replayed that has been counted before."""
        self._put(record.sequence, record.received_ns, record.reason, content=bytes(record.payload))
        if counts:
            self._counters.add("quarantined", 1, record.reason)

    def keep_rejected(self, batch: Batch) -> None:
        """Keep the blocks of a message that the decoder rejected."""
        for rejected in batch.rejected:
            self._put_part(batch, rejected.sequence, rejected.reason, block=rejected.block, original=rejected.original)

    def keep_bad_rows(self, rows: Rows, batch: Batch) -> None:
        """Keep the rows whose timestamps cannot be archived."""
        for row in rows.bad_rows:
            self._put_part(batch, row.sequence, row.reason, block=rows.block, original=_row_content(row, rows.fields))

    def keep_rows(self, rows: Rows, batch: Batch, reason: str) -> None:
        """Keep rows that no provider may take."""
        columns = [c.array.tolist() if isinstance(c, Numbers) else list(c.items) for c in rows.columns]
        content = {"timestamps": rows.times.tolist(), "data": dict(zip(rows.fields, columns, strict=True))}
        self._put_part(batch, batch.first_sequence, reason, block=rows.block, original=content)

    def keep_values(self, misfits: Sequence[BlockMisfit], batch: Batch) -> None:
        """Keep values that their column cannot hold; NaN, an empty or a mended string stands in the archive."""
        for misfit in misfits:
            content = {"timestamp": misfit.timestamp, "value": misfit.original}
            self._put_part(
                batch, misfit.sequence, misfit.reason, block=misfit.block, field=misfit.field, original=content
            )

    def reason_of(self, batch: Batch) -> str | None:
        """Return why no row of a message can be archived, or None when it has none."""
        if batch.rejected:
            return batch.rejected[0].reason
        for rows in batch.blocks:
            if rows.bad_rows:
                return rows.bad_rows[0].reason
            if len(rows.times):
                return "too-many-providers"
        return None

    def _put_part(
        self, batch: Batch, sequence: int, reason: str, *, original: object, block: str = "", field: str = ""
    ) -> None:
        received_ns = batch.received_ns[batch.sequences.index(sequence)]
        kept = self._put(
            sequence,
            received_ns,
            reason,
            address=batch.feed.address,
            block=block,
            field=field,
            content=pack_any(original),
        )
        if kept:
            self._counters.add("misfits", 1, reason)

    def _put(self, sequence: int, received_ns: int, reason: str, **place: Any) -> bool:
        part = crc32c(pack_any([reason, *place.values()]))
        entry = Entry(sequence=sequence, part=part, received_ns=received_ns, reason=reason, **place)
        before = self._quarantine.discarded
        try:
            kept = self._quarantine.put(entry)
        except OSError:
            # The buffer has no room for the entry: it is lost, and counted as one that the limit discarded.
            self._counters.add("quarantine_discarded")
            return True
        self._counters.add("quarantine_discarded", self._quarantine.discarded - before)
        crash_point("writer.quarantined")
        return kept


def _row_content(row: RejectedRow, fields: tuple[str, ...]) -> dict[str, object]:
    return {"row": row.row, "timestamp": row.timestamp, "data": dict(zip(fields, row.values, strict=True))}
