"""Messages as OCS agents send them, and decoded rows in plain Python."""

from __future__ import annotations

from typing import Any

import msgpack

from writer.message import Batch, Rows
from writer.values import Numbers

FEED: dict[str, object] = {
    "agent_address": "observatory.faker",
    "agg_params": {},
    "feed_name": "temperatures",
    "address": "observatory.faker.feeds.temperatures",
    "record": True,
    "session_id": "1589308315.450184",
    "agent_class": "FakeDataAgent",
}


def feed(**changes: object) -> dict[str, object]:
    """Return a feed part with some keys changed."""
    return {**FEED, **changes}


def block(timestamps: object, **columns: object) -> dict[str, object]:
    """Return a block as OCS encodes it."""
    return {"block_name": "ignored", "data": columns, "influxdb_tags": None, "timestamps": timestamps}


def packed(data: object, feed_part: object = FEED) -> memoryview:
    """Return the payload of a MESSAGE record."""
    return memoryview(msgpack.packb([data, feed_part], unicode_errors="surrogateescape"))


def plain(batch: Batch) -> list[tuple[int, str, float, dict[str, Any]]]:
    """Return the rows of a batch as (sequence, block, timestamp, values by field), block by block."""
    return [row for rows in batch.blocks for row in plain_rows(rows)]


def plain_rows(rows: Rows) -> list[tuple[int, str, float, dict[str, Any]]]:
    """Return rows as (sequence, block, timestamp, values by field)."""
    columns = [v.array.tolist() if isinstance(v, Numbers) else v.items for v in rows.columns]
    return [
        (rows.sequence_of(index), rows.block, time, dict(zip(rows.fields, values, strict=True)))
        for index, (time, *values) in enumerate(zip(rows.times.tolist(), *columns, strict=True))
    ]
