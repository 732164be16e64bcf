"""Finds out which fields files hold, and in which frames, without decoding more than one frame of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from writer.frame_batch import HEADER_BYTES
from writer.framescan import HEADER, LENGTH, FrameSpan, read_frames
from writer.g3 import HOUSEKEEPING, frame_from_bytes
from writer.rescan import scan_past_damage

_KIND_PARTS = ("address", "prov_id", "session_id", "block_names", "hkagg_version")
"""What data frames of one kind have in common, byte by byte: with these, field sets do not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRef:
    """A data frame in its file.

    Parameters
    ----------
    path : Path
        The file.
    offset, length : int
        Its place, in bytes.
    """

    path: Path
    offset: int
    length: int


class Catalogue:
    """The fields of some files.

    Attributes
    ----------
    damaged : int
        Frames that could not be read.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._kinds: dict[tuple[bytes, ...], Mapping[str, tuple[str, ...]]] = {}
        self._frames: dict[tuple[bytes, ...], list[FrameRef]] = {}

    @property
    def fields(self) -> list[str]:
        """The full names of all fields, sorted: ``address.field``, as so3g has them."""
        return sorted({name for kind in self._kinds.values() for name in kind})

    def add(self, path: Path, progress: Callable[[int], None]) -> None:
        """Add a file.

        Raises
        ------
        OSError
            When it cannot be read.
        """
        for span, data in read_frames(path, scan_past_damage(path)):
            progress(span.length)
            if not span.ok:
                self.damaged += 1
            elif span.type == HOUSEKEEPING:
                self._add_frame(path, span, data)

    def frames_of(self, fields: Iterable[str]) -> list[FrameRef]:
        """Return the frames that hold any of some fields, in the order in which they were added."""
        wanted = set(fields)
        chosen = [kind for kind, names in self._kinds.items() if not wanted.isdisjoint(names)]
        order = {path: number for number, path in enumerate(self._paths())}
        found = [frame for kind in chosen for frame in self._frames[kind]]
        return sorted(found, key=lambda frame: (order[frame.path], frame.offset))

    def _paths(self) -> dict[Path, None]:
        return dict.fromkeys(frame.path for frames in self._frames.values() for frame in frames)

    def _add_frame(self, path: Path, span: FrameSpan, data: bytes) -> None:
        parts = frame_parts(data)
        kind = tuple(parts.get(name, b"") for name in _KIND_PARTS)
        if not kind[0]:
            return
        if kind not in self._kinds:
            self._kinds[kind] = _fields_of(data)
            self._frames[kind] = []
        self._frames[kind].append(FrameRef(path=path, offset=span.offset, length=span.length))


def frame_parts(data: bytes) -> dict[str, bytes]:
    """Take a whole frame apart: the bytes of each object by its key."""
    _, _, keys, _ = HEADER.unpack_from(data)
    position = HEADER_BYTES
    parts = {}
    for _ in range(keys):
        name, position = _piece(data, position)
        blob, position = _piece(data, position)
        parts[name.decode("utf-8", "replace")] = blob
    return parts


def _piece(data: bytes, position: int) -> tuple[bytes, int]:
    (length,) = LENGTH.unpack_from(data, position)
    begin = position + LENGTH.size
    return data[begin : begin + length], begin + length


def _fields_of(data: bytes) -> Mapping[str, tuple[str, ...]]:
    """Return the blocks of each field of a frame; none when it is no data frame of this version."""
    fields: dict[str, tuple[str, ...]] = {}
    try:
        frame = frame_from_bytes(data)
        for name, block in zip(frame["block_names"], frame["blocks"], strict=True):
            for field in block.keys():  # noqa: SIM118 - a G3 map is no mapping
                full = f"{frame['address']}.{field}"
                fields[full] = (*fields.get(full, ()), name)
    except (RuntimeError, KeyError, AttributeError, TypeError, ValueError):
        return {}
    return fields
