"""Builds the three kinds of HK frames, as bytes ready for a file.

Source of every key and type: the so3g HK schema, version 2.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from aggregator.records import DESCRIPTION
from writer.block import BlockData, ColumnData
from writer.encoding import with_blocks
from writer.g3 import Frame, core, frame_bytes

LOG = logging.getLogger("hkagg.writer")

HKAGG_VERSION = 2
SESSION, STATUS, DATA = 0, 1, 2

_VECTORS = {"b": core.G3VectorBool, "i": core.G3VectorInt, "f": core.G3VectorDouble}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What every frame says of the session that it belongs to.

    Parameters
    ----------
    session_id : int
        See `aggregator.records.session_id_for`.
    start_time_s : float
        Unix seconds.
    description : str
        What the archive calls itself.
    """

    session_id: int
    start_time_s: float
    description: str = DESCRIPTION


def session_frame(session: Session) -> bytes:
    """Build the frame that begins every file."""
    frame = _frame(SESSION, session)
    frame["start_time"] = core.G3Double(session.start_time_s)
    frame["description"] = core.G3String(_utf8(session.description))
    return frame_bytes(frame)


def status_frame(session: Session, timestamp_s: float, providers: Iterable[tuple[int, str]]) -> bytes:
    """Build the frame that names all active providers.

    Parameters
    ----------
    session : Session
        The open session.
    timestamp_s : float
        Unix seconds; no later than that of any data frame that follows, or so3g's HKScanner warns.
    providers : Iterable[tuple[int, str]]
        prov_id and full feed address of each, in any order.
    """
    frame = _frame(STATUS, session)
    frame["timestamp"] = core.G3Double(timestamp_s)
    entries = core.G3VectorFrameObject()
    for prov_id, address in sorted(providers):
        entry = core.G3MapFrameObject()
        entry["prov_id"] = core.G3Int(prov_id)
        entry["description"] = core.G3String(_utf8(address))
        entries.append(entry)
    frame["providers"] = entries
    return frame_bytes(frame)


def data_frame(
    session: Session,
    *,
    prov_id: int,
    address: str,
    provider_session_id: str,
    timestamp_s: float,
    blocks: Sequence[BlockData],
) -> bytes:
    """Build the frame that holds rows of one provider.

    Parameters
    ----------
    session : Session
        The open session.
    prov_id : int
        A number that an earlier status frame of the same file names.
    address : str
        The feed's full address.
    provider_session_id : str
        The session_id of the feed.
    timestamp_s : float
        Unix seconds; later than that of the provider's data frame before.
    blocks : Sequence[BlockData]
        Those without rows are left out, since readers fail on them.
    """
    filled = [block for block in blocks if len(block.times_g3)]
    frame = _frame(DATA, session)
    frame["prov_id"] = core.G3Int(prov_id)
    frame["timestamp"] = core.G3Double(timestamp_s)
    frame["address"] = core.G3String(_utf8(address))
    frame["provider_session_id"] = core.G3String(_utf8(provider_session_id))
    by_library = not encodes_as_library()
    frame["blocks"] = core.G3VectorFrameObject([_samples(block) for block in filled] if by_library else [])
    frame["block_names"] = core.G3VectorString([_utf8(block.name) for block in filled])
    return frame_bytes(frame) if by_library else with_blocks(frame_bytes(frame), filled)


@cache
def encodes_as_library() -> bool:
    """Whether our own encoding of blocks gives the bytes of the G3 library that is installed.

    It is several times faster; with a library that serialises otherwise the library's own is used.
    """
    times = np.arange(3, dtype=np.int64)
    columns: tuple[ColumnData, ...] = (times / 2, times, times << 40, times > 1, ["a", "", "ä"])
    fields = ("double", "int8", "int64", "bool", "string")
    blocks = [BlockData(name=name, times_g3=times, fields=fields, columns=columns) for name in ("one", "two")]
    frame = core.G3Frame(core.G3FrameType.Housekeeping)
    frame["blocks"] = core.G3VectorFrameObject([])
    empty = frame_bytes(frame)
    del frame["blocks"]
    frame["blocks"] = core.G3VectorFrameObject([_samples(block) for block in blocks])
    agrees = with_blocks(empty, blocks) == frame_bytes(frame)
    if not agrees:
        LOG.warning("the installed G3 library serialises blocks in a way of its own; frames are built by it, slower")
    return agrees


def _frame(kind: int, session: Session) -> Frame:
    frame = core.G3Frame(core.G3FrameType.Housekeeping)
    frame["hkagg_type"] = core.G3Int(kind)
    frame["hkagg_version"] = core.G3Int(HKAGG_VERSION)
    frame["session_id"] = core.G3Int(session.session_id)
    return frame


def _samples(block: BlockData) -> Frame:
    samples = core.G3TimesampleMap()
    samples.times = core.G3VectorTime(np.ascontiguousarray(block.times_g3, dtype=np.int64))
    for field, column in zip(block.fields, block.columns, strict=True):
        samples[field] = _vector(column)
    return samples


def _vector(column: ColumnData) -> Frame:
    if isinstance(column, np.ndarray):
        return _VECTORS[column.dtype.kind](np.ascontiguousarray(column))
    return core.G3VectorString(column)


def _utf8(text: str) -> str:
    # Names and addresses come from strangers, and the G3 library refuses lone surrogates.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
