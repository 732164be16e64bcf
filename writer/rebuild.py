"""Taking the log again without a trustworthy checkpoint: what the archive holds already is left out.

Without a checkpoint nobody knows which of the log's rows are in the archive; but the archive knows. The files of the
log's sessions are read, back to an hour before the log's oldest record, and each of their rows is left out once when it
comes again. A row is known by feed address, feed session, block, fields and time.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import DiskTroubleError
from aggregator.records import SessionStart
from aggregator.settings import LONGEST_FILE_S, FsyncPolicy
from writer.archive import Archive
from writer.block import G3_TICKS_PER_SECOND
from writer.files import FileOperations
from writer.frames import DATA
from writer.framescan import last_whole_frame_end, read_frames
from writer.g3 import frame_from_bytes, times_g3
from writer.message import Batch, Rows
from writer.provider import SECOND_NS
from writer.quarantine import Quarantine
from writer.recovery import close_at_last_frame
from writer.values import Mixed, Numbers, Strings, Values

LOG = logging.getLogger("hkagg.writer")

Place: TypeAlias = "tuple[str, str, str, frozenset[str]]"

SLACK_S = 60
"""Files are looked at that are this much older than they need be: clocks are corrected now and then."""


class Rebuild:
    """The rows of an archive, as far as they can come again from the log.

    Parameters
    ----------
    operations : FileOperations
        The seam to the archive's disk.
    quarantine : Quarantine
        Takes the torn end of the newest file.

    Attributes
    ----------
    messages_left_out : int
        Messages of which no row was new.
    """

    def __init__(self, operations: FileOperations, quarantine: Quarantine) -> None:
        self._operations = operations
        self._quarantine = quarantine
        self._scanned: set[int] = set()
        self._rows: dict[Place, _Times] = {}
        self._next_prov_ids: dict[int, int] = {}
        self.messages_left_out = 0

    def scan(self, session: SessionStart, oldest_ns: int, open_file: Path | None) -> None:
        """Read a session's files that can hold rows of records received since `oldest_ns`; once for a session.

        Parameters
        ----------
        session : SessionStart
            Names the data directory.
        oldest_ns : int
            Receive time of the oldest record that comes again, Unix nanoseconds.
        open_file : Path or None
            The file that is being written; the newest other one is ended behind its last whole frame.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; it may be tried again.
        """
        if session.session_id in self._scanned:
            return
        since_s = oldest_ns // SECOND_NS - max(LONGEST_FILE_S, session.time_per_file_s) - SLACK_S
        try:
            files = _files_since(Path(session.data_dir), since_s)
            if files and files[-1] != open_file and last_whole_frame_end(files[-1]) < files[-1].stat().st_size:
                self._end(files[-1], session)
            ours = [path for path in files if _session_of(path) == session.session_id]
            for path in ours:
                LOG.warning("no checkpoint says what of the log is in %s: it is read to find out", path)
                self._read(path)
        except OSError as error:
            raise DiskTroubleError("read", session.data_dir, error) from error
        self._scanned.add(session.session_id)
        for times in self._rows.values():
            times.settle()

    @property
    def found_rows(self) -> bool:
        """Whether there are rows that must not be archived again."""
        return bool(self._rows)

    def next_prov_id(self, session_id: int) -> int:
        """Return the first `prov_id` that no file of a session has used."""
        return self._next_prov_ids.get(session_id, 0)

    def leave_out(self, message: Batch) -> Batch:
        """Return a message without the rows that the archive holds, each of which is left out once."""
        feed = message.feed
        kept = []
        for rows in message.blocks:
            times = self._rows.get((feed.address, feed.session_id, rows.block, frozenset(rows.fields)))
            fresh = rows if times is None else _chosen(rows, times.strike(rows))
            if len(fresh.times) or fresh.bad_rows:
                kept.append(fresh)
        if message.blocks and not kept:
            self.messages_left_out += 1
        return Batch(
            feed=feed,
            blocks=tuple(kept),
            rejected=message.rejected,
            sequences=message.sequences,
            received_ns=message.received_ns,
        )

    def _end(self, path: Path, session: SessionStart) -> None:
        archive = Archive(self._operations, Path(session.data_dir), FsyncPolicy(session.fsync))
        close_at_last_frame(archive, path, self._quarantine)

    def _read(self, path: Path) -> None:
        for span, data in read_frames(path):
            if span.ok:
                self._note(frame_from_bytes(data))

    def _note(self, frame: Any) -> None:
        if frame["hkagg_type"] != DATA:
            return
        session_id = frame["session_id"]
        self._next_prov_ids[session_id] = max(self.next_prov_id(session_id), frame["prov_id"] + 1)
        for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
            fields = frozenset(samples.keys())
            place = (frame["address"], frame["provider_session_id"], name, fields)
            self._rows.setdefault(place, _Times()).add(times_g3(samples))


class _Times:
    """A bag of times, from which each is taken as often as it was put in."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._ticks: NDArray[np.int64] = np.empty(0, np.int64)
        self._left: NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, ticks: NDArray[np.int64]) -> None:
        self._parts.append(ticks)

    def settle(self) -> None:
        if self._parts:
            repeated = np.repeat(self._ticks, self._left)
            self._ticks, self._left = np.unique(np.concatenate([repeated, *self._parts]), return_counts=True)
            self._parts = []

    def strike(self, rows: Rows) -> NDArray[np.bool_]:
        """Tell which rows are not in the bag, and take the others out of it; shape (rows,)."""
        ticks = (rows.times * G3_TICKS_PER_SECOND).astype(np.int64)
        fresh = np.ones(len(ticks), np.bool_)
        places = np.searchsorted(self._ticks, ticks)
        for row, place in enumerate(places.tolist()):
            if place < len(self._ticks) and self._ticks[place] == ticks[row] and self._left[place]:
                self._left[place] -= 1
                fresh[row] = False
        return fresh


def _files_since(data_dir: Path, since_s: float) -> list[Path]:
    files = [path for path in data_dir.glob("*/*.g3") if path.stem.isdecimal() and int(path.stem) >= since_s]
    return sorted(files, key=lambda path: int(path.stem))


def _session_of(path: Path) -> int | None:
    """Return the session that a file belongs to; None where it has no whole first frame, or is gone."""
    with contextlib.suppress(FileNotFoundError):
        for span, data in read_frames(path):
            number = frame_from_bytes(data).get("session_id") if span.ok else None
            return None if number is None else int(number)
    return None


def _chosen(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    if chosen.all():
        return rows
    return Rows(
        block=rows.block,
        fields=rows.fields,
        times=rows.times[chosen],
        columns=tuple(_some(values, chosen) for values in rows.columns),
        sequences=rows.sequences,
        bad_rows=rows.bad_rows,
    )


def _some(values: Values, chosen: NDArray[np.bool_]) -> Values:
    if isinstance(values, Numbers):
        return Numbers(values.array[chosen])
    if isinstance(values, Strings):
        return Strings([item for item, keep in zip(values.items, chosen, strict=True) if keep])
    return Mixed([item for item, keep in zip(values.items, chosen, strict=True) if keep])
