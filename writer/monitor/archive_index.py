"""Knows where in the newest files of an archive the rows of each feed are, and goes on as they grow.

A look reads only so many bytes: after the monitor's start the last day is known a little later, the newest file first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from writer.archive_tree import CTIME_DIGITS, SUFFIX
from writer.frames import DATA
from writer.framescan import FrameSpan, read_frames, scan_frames
from writer.g3 import HOUSEKEEPING, Frame, frame_from_bytes, times_g3

HORIZON_S = 86_400
LONGEST_FILE_S = 3600
FEWEST_FILES = 20
MOST_FILES = 400
FOLDERS_LISTED = 3
BYTES_PER_LOOK = 32 << 20


class FrameRef(NamedTuple):
    """Where a data frame of a feed is.

    Parameters
    ----------
    offset, length : int
        In its file, in bytes.
    first_g3, last_g3 : int
        Times of its rows, counts of 10 ns since 1970.
    """

    offset: int
    length: int
    first_g3: int
    last_g3: int


@dataclass(slots=True, kw_only=True)
class IndexedFile:
    """What is known of a file.

    Parameters
    ----------
    path : Path
        The file.
    ctime_s : int
        When it was begun: the second that names it.
    size_bytes : int
        Its length.
    known_bytes : int
        How far it has been read.
    rows, frames : int
        In what has been read.
    fault : str
        Why it cannot be read further; empty when it can.
    refs : dict of str to list of FrameRef
        Data frames by feed address.
    """

    path: Path
    ctime_s: int
    size_bytes: int = 0
    known_bytes: int = 0
    rows: int = 0
    frames: int = 0
    fault: str = ""
    refs: defaultdict[str, list[FrameRef]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_known(self) -> bool:
        """Whether all of it has been read, as far as it can be."""
        return bool(self.fault) or self.known_bytes >= self.size_bytes


@dataclass(slots=True, kw_only=True)
class ArchivedBlock:
    """A block as it was last seen in the archive.

    Parameters
    ----------
    fields : tuple of str
        Its fields.
    last_g3 : int
        Time of its newest row.
    """

    fields: tuple[str, ...]
    last_g3: int


class ArchiveIndex:
    """An index of the newest files of one archive.

    Attributes
    ----------
    files : list of IndexedFile
        Newest first.
    version : int
        Grows with every change.
    """

    def __init__(self) -> None:
        self._data_dir: Path | None = None
        self._by_path: dict[Path, IndexedFile] = {}
        self._news: dict[str, dict[str, ArchivedBlock]] = {}
        self.files: list[IndexedFile] = []
        self.version = 0

    def look(self, data_dir: Path, now_ns: int, budget_bytes: int = BYTES_PER_LOOK) -> None:
        """Take note of new files and of what was added to known ones, newest first.

        Parameters
        ----------
        data_dir : Path
            Root of the archive; when it is another than before, what was known is forgotten.
        now_ns : int
            Unix nanoseconds.
        budget_bytes : int
            About how much to read.
        """
        if data_dir != self._data_dir:
            self._data_dir, self._by_path = data_dir, {}
        self._list(now_ns)
        for file in self.files:
            if budget_bytes <= 0:
                return
            if not file.is_known:
                budget_bytes -= self._read_on(file, budget_bytes)

    def listing(self) -> list[dict[str, Any]]:
        """Return the newest files, newest first, as JSON can say them."""
        return [
            {
                "name": f"{file.path.parent.name}/{file.path.name}",
                "ctime_s": file.ctime_s,
                "bytes": file.size_bytes,
                "rows": file.rows,
                "frames": file.frames,
                "known": file.is_known,
                "fault": file.fault,
            }
            for file in self.files[:FEWEST_FILES]
        ]

    def take_news(self) -> dict[str, dict[str, ArchivedBlock]]:
        """Return what was read since the last call: by feed address, its blocks."""
        news, self._news = self._news, {}
        return news

    def _list(self, now_ns: int) -> None:
        since_s = now_ns // 1_000_000_000 - HORIZON_S - LONGEST_FILE_S
        newest = sorted(_files_of(self._data_dir) if self._data_dir else (), reverse=True)[:MOST_FILES]
        wanted = [found for at, found in enumerate(newest) if at < FEWEST_FILES or found[0] >= since_s]
        self._by_path = {path: self._by_path.get(path) or self._begin(path, ctime_s) for ctime_s, path in wanted}
        self.files = list(self._by_path.values())
        for file in self.files:
            self._measure(file)

    def _begin(self, path: Path, ctime_s: int) -> IndexedFile:
        self.version += 1
        return IndexedFile(path=path, ctime_s=ctime_s)

    def _measure(self, file: IndexedFile) -> None:
        try:
            size_bytes = file.path.stat().st_size
        except OSError:
            return
        if size_bytes == file.size_bytes:
            return
        if size_bytes < file.known_bytes:
            # The writer cuts a file back when its disk fails; what is behind the cut comes again.
            self._by_path[file.path] = file = IndexedFile(path=file.path, ctime_s=file.ctime_s)
            self.files = list(self._by_path.values())
        file.size_bytes, file.fault = size_bytes, ""
        self.version += 1

    def _read_on(self, file: IndexedFile, budget_bytes: int) -> int:
        begun_at = file.known_bytes
        try:
            for span, data in read_frames(file.path, _whole(scan_frames(file.path, begun_at))):
                self._add(file, span, data)
                file.known_bytes = span.end
                if span.end - begun_at >= budget_bytes:
                    break
            else:
                # The last frame is being written, or torn; if the file grows there is more to read.
                file.fault = "" if file.known_bytes >= file.size_bytes else "its end is not a whole frame (yet)"
        except OSError as error:
            file.fault = error.strerror or str(error)
        self.version += 1
        return file.known_bytes - begun_at

    def _add(self, file: IndexedFile, span: FrameSpan, data: bytes) -> None:
        file.frames += 1
        if span.type != HOUSEKEEPING:
            return
        try:
            frame = frame_from_bytes(data)
            if frame["hkagg_type"] == DATA:
                self._add_rows(file, span, frame)
        except (RuntimeError, KeyError, AttributeError, TypeError, ValueError):
            # Another program's frame: `hkagg verify` says what is wrong with it.
            return

    def _add_rows(self, file: IndexedFile, span: FrameSpan, frame: Frame) -> None:
        address = str(frame["address"])
        known = self._news.setdefault(address, {})
        firsts, lasts = [], []
        for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
            times = times_g3(samples)
            if len(times):
                file.rows += len(times)
                firsts.append(int(times.min()))
                lasts.append(int(times.max()))
                known[str(name)] = ArchivedBlock(fields=tuple(map(str, samples.keys())), last_g3=lasts[-1])
        if firsts:
            file.refs[address].append(FrameRef(span.offset, span.length, min(firsts), max(lasts)))


def _whole(spans: Iterable[FrameSpan]) -> Iterator[FrameSpan]:
    """Yield the frames up to the first that is not whole."""
    for span in spans:
        if not span.ok:
            return
        yield span


def _files_of(data_dir: Path) -> Iterator[tuple[int, Path]]:
    """Yield second and path of every file in the newest folders of an archive."""
    for folder in sorted(_numbered(data_dir, CTIME_DIGITS, ""), reverse=True)[:FOLDERS_LISTED]:
        for path in _numbered(folder, 0, SUFFIX):
            yield int(path.stem), path


def _numbered(folder: Path, digits: int, suffix: str) -> list[Path]:
    try:
        return [
            path
            for path in folder.iterdir()
            if path.suffix == suffix
            and path.stem.isascii()
            and path.stem.isdecimal()
            and digits in (0, len(path.stem))
            and not path.is_symlink()
        ]
    except OSError:
        return []
