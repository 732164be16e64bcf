"""A session being recorded: batches go to providers, providers become frames, frames go to the archive."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from aggregator.errors import DiskTroubleError
from aggregator.records import SessionStart
from aggregator.settings import Caps, FsyncPolicy
from writer.archive import Archive
from writer.files import FileOperations
from writer.frames import Session, data_frame, session_frame, status_frame
from writer.message import Batch, Rows
from writer.misfits import MisfitKeeper
from writer.provider import LARGE_FRAME_VALUES, SECOND_NS, Provider
from writer.registry import Registry

CLOCK_STEP_NS = 30 * SECOND_NS
"""Receive times that go back by more than this mean that the clock was set back."""

APPEND_BYTES = 4 << 20
"""Frames are handed to the disk in lots of about this size."""

MOST_PENDING_VALUES = 12_000_000
"""From here on (about 100 MB) all frames are cut, whatever their time, so that memory stays bounded."""


class Recorder:
    """The open session's providers and file; without a session it does nothing.

    Parameters
    ----------
    operations : FileOperations
        The seam to the disk.
    caps : Caps
        Limits on providers and blocks.
    counters : Counters
        The writer's.
    misfits : MisfitKeeper
        Takes what cannot be represented.
    commit : callable
        Makes a checkpoint; called wherever the order of writing needs one.

    Attributes
    ----------
    session : SessionStart or None
        The open session.
    registry : Registry
        Its providers.
    archive : Archive or None
        Its files.
    log_time_ns : int
        Receive time of the newest message taken.
    """

    def __init__(
        self,
        *,
        operations: FileOperations,
        caps: Caps,
        counters: Counters,
        misfits: MisfitKeeper,
        commit: Callable[[], None],
    ) -> None:
        self._operations = operations
        self._counters = counters
        self._misfits = misfits
        self._commit = commit
        self._frame_session: Session | None = None
        self._file_is_new = False
        self._file_is_torn = False
        self._pending_values = 0
        self._large: set[Provider] = set()
        self.session: SessionStart | None = None
        self.registry = Registry(caps)
        self.archive: Archive | None = None
        self.log_time_ns = 0

    # Sessions -----------------------------------------------------------------------------------------------------

    def set_session(self, start: SessionStart) -> None:
        """Make a session the open one, without touching the disk."""
        self.session = start
        self._frame_session = Session(
            session_id=start.session_id, start_time_s=start.start_ns / SECOND_NS, description=start.description
        )
        self.archive = Archive(self._operations, Path(start.data_dir), FsyncPolicy(start.fsync))
        self._file_is_torn = False
        self.log_time_ns = start.start_ns

    def open_session(self, start: SessionStart, now_ns: int) -> None:
        """Begin a session with its first file.

        Raises
        ------
        DiskTroubleError
            When the file cannot be started; the session is open all the same.
        """
        if self.session is None or self.session.session_id != start.session_id:
            self.set_session(start)
        self._ensure_file(now_ns)

    def close_session(self, *, high_water: int, now_ns: int) -> None:
        """Write out every provider, close the file and forget the session; may be tried again after trouble.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; nothing is forgotten that is not in the archive.
        """
        self.cut(list(self.registry.pending()), high_water=high_water, now_ns=now_ns)
        self.close_file()
        if self.archive is not None:
            self.archive.finish_cuts()
        self.forget()

    def forget(self) -> None:
        """Forget the session and all that is pending; what was not archived must be in the log, or be gone."""
        self.registry.clear()
        self._large.clear()
        self._pending_values = 0
        self.session = self._frame_session = None

    def clock_went_back(self, received_ns: int) -> bool:
        """Whether a message's receive time shows that the clock was set back."""
        return received_ns < self.log_time_ns - CLOCK_STEP_NS

    def start_over_at(self, received_ns: int, *, high_water: int, now_ns: int) -> None:
        """Write out and remove every provider, since times begin again: new ones keep each provider's in order.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; it may be tried again.
        """
        self.retire(list(self.registry.active.values()), high_water=high_water, now_ns=now_ns)
        self.log_time_ns = received_ns

    # Messages -----------------------------------------------------------------------------------------------------

    def take(self, batch: Batch, *, counts: bool) -> None:
        """Give the rows of a batch to their providers.

        Parameters
        ----------
        batch : Batch
            Messages of one feed; a single one while records are replayed.
        counts : bool
            False while records are replayed that have been counted before.
        """
        self.log_time_ns = max(self.log_time_ns, batch.last_received_ns)
        self._misfits.keep_rejected(batch)
        placed = [self._give(rows, batch) for rows in batch.blocks]
        if counts:
            self._counters.add("read", batch.messages)
        first = next((taker for taker in placed if taker is not None), None)
        if first is None:
            self._count_without_rows(batch, counts)
        elif batch.last_sequence > first.high_water:
            first.pending_messages += batch.messages

    def _give(self, rows: Rows, batch: Batch) -> Provider | None:
        """Give one block's rows to its provider; None where it has none to take them."""
        self._misfits.keep_bad_rows(rows, batch)
        if not len(rows.times):
            return None
        feed, registry = batch.feed, self.registry
        provider = registry.provider_for(feed, rows.block, rows.fields, batch.first_received_ns)
        if provider is not None and batch.last_sequence <= provider.high_water:
            return provider
        if provider is not None and registry.is_retired(provider):
            provider = registry.revive(provider, rows.block, rows.fields, batch.first_received_ns)
        if provider is None:
            self._misfits.keep_rows(rows, batch, "too-many-providers")
            return None
        misfits = provider.append(
            rows,
            sequence=batch.first_sequence,
            first_received_ns=batch.first_received_ns,
            last_received_ns=batch.last_received_ns,
        )
        if misfits:
            self._misfits.keep_values(misfits, batch)
        registry.schedule(provider)
        self._pending_values += len(rows.times) * (len(rows.fields) + 1)
        if provider.pending_values > LARGE_FRAME_VALUES:
            self._large.add(provider)
        return provider

    def _count_without_rows(self, batch: Batch, counts: bool) -> None:
        self.registry.refresh(batch.feed, batch.last_received_ns)
        if not counts:
            return
        reason = self._misfits.reason_of(batch)
        if reason is None:
            self._counters.add("archived", batch.messages)
        else:
            self._counters.add("quarantined", batch.messages, reason)

    # Frames -------------------------------------------------------------------------------------------------------

    def cut_due(self, horizon_ns: int, *, high_water: int, now_ns: int) -> bool:
        """Cut the frames that are due, those that have grown too large, and remove stale providers.

        Returns
        -------
        bool
            Whether anything was written.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; what is not written stays due.
        """
        frames, stale = self.registry.take_due(horizon_ns)
        if self._pending_values > MOST_PENDING_VALUES:
            frames = list(self.registry.pending())
        elif self._large:
            frames = list({p.prov_id: p for p in [*frames, *self._large]}.values())
        try:
            self.cut(frames, high_water=high_water, now_ns=now_ns)
            self.retire(stale, high_water=high_water, now_ns=now_ns)
        finally:
            for provider in frames + stale:
                if provider.prov_id in self.registry.active:
                    self.registry.schedule(provider)
        return bool(frames or stale)

    def retire(self, providers: Sequence[Provider], *, high_water: int, now_ns: int) -> None:
        """Write out providers and remove them.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; those not written stay active.
        """
        self.cut([p for p in providers if p.pending_since_ns is not None], high_water=high_water, now_ns=now_ns)
        for provider in providers:
            provider.high_water = max(provider.high_water, high_water)
            self.registry.retire(provider, max(provider.last_received_ns, self.log_time_ns))

    def cut(self, providers: Iterable[Provider], *, high_water: int, now_ns: int) -> None:
        """Write the growing frames of these providers.

        Parameters
        ----------
        providers : iterable of Provider
            Each with a growing frame.
        high_water : int
            Sequence number up to which every message has been given to them.
        now_ns : int
            Unix nanoseconds.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; the frames not written grow on.
        """
        lot: list[tuple[Provider, float, bytes]] = []
        size = 0
        for provider in providers:
            if not lot:
                self._ensure_file(now_ns)
                self._name_providers()
            timestamp_s = provider.frame_timestamp_s()
            frame = self._data_frame(provider, timestamp_s)
            lot.append((provider, timestamp_s, frame))
            size += len(frame)
            if size >= APPEND_BYTES:
                self._append(lot, high_water)
                lot, size = [], 0
                self._rotate_if_large(now_ns)
        if lot:
            self._append(lot, high_water)

    def _data_frame(self, provider: Provider, timestamp_s: float) -> bytes:
        assert self._frame_session is not None  # noqa: S101 - only an open session has providers
        return data_frame(
            self._frame_session,
            prov_id=provider.prov_id,
            address=provider.feed.address,
            provider_session_id=provider.feed.session_id,
            timestamp_s=timestamp_s,
            blocks=provider.snapshot(),
        )

    def _append(self, lot: list[tuple[Provider, float, bytes]], high_water: int) -> None:
        self._write([frame for _, _, frame in lot])
        for provider, timestamp_s, _ in lot:
            self._pending_values -= provider.pending_values
            self._large.discard(provider)
            for buffer in provider.blocks.values():
                self._counters.add("rows", buffer.rows)
                self._counters.add("values", buffer.rows * len(buffer.fields))
            self._counters.add("archived", provider.pending_messages)
            provider.mark_written(high_water, timestamp_s)
        crash_point("writer.frames-marked")

    def _write(self, frames: list[bytes]) -> None:
        assert self.archive is not None  # noqa: S101 - frames are of an open session
        try:
            self.archive.append(frames)
        except DiskTroubleError:
            self._file_is_torn = not self.archive.is_open
            raise
        crash_point("writer.frames-appended")
        self._counters.add("frames", len(frames))
        self._counters.add("bytes_written", sum(map(len, frames)))

    @property
    def file_to_resume(self) -> tuple[str, int]:
        """The file that a later writer has to cut back to a length before it goes on; an empty name for none."""
        archive = self.archive
        if archive is None or archive.path is None or not (archive.is_open or self._file_is_torn):
            return "", 0
        return str(archive.path), archive.valid_length

    # Files --------------------------------------------------------------------------------------------------------

    def rotate_if_due(self, now_ns: int) -> bool:
        """Close the file when it has had its time, size or folder; the next frame begins another.

        Raises
        ------
        DiskTroubleError
            When the disk refuses to close it in good order; it is closed all the same.
        """
        archive, session = self.archive, self.session
        if archive is None or session is None:
            return False
        if not archive.must_rotate(now_ns, session.time_per_file_s, session.max_file_bytes):
            return False
        self.close_file()
        return True

    def close_file(self) -> None:
        """Close the open file, every byte of it covered by a checkpoint first."""
        if self.archive is not None and self.archive.is_open:
            self._commit()
            try:
                self.archive.close()
                crash_point("writer.file-closed")
            finally:
                self._commit()

    def _rotate_if_large(self, now_ns: int) -> None:
        if self.rotate_if_due(now_ns):
            self._ensure_file(now_ns)

    def _ensure_file(self, now_ns: int) -> None:
        """Begin a file where none is open, and checkpoint it before any data frame is in it."""
        assert self.archive is not None  # noqa: S101 - the session is open
        assert self._frame_session is not None  # noqa: S101 - the session is open
        if self.archive.is_open:
            if self._file_is_new:
                self._commit_new_file()
            return
        active = self.registry.active.values()
        timestamp_s = min([self.log_time_ns, *(p.pending_since_ns for p in active if p.pending_since_ns)]) / SECOND_NS
        named = [(p.prov_id, p.feed.address) for p in active]
        head = [session_frame(self._frame_session), status_frame(self._frame_session, timestamp_s, named)]
        self.archive.start_file(now_ns, head)
        self._file_is_torn = False
        crash_point("writer.file-started")
        for provider in active:
            provider.named_at_s = timestamp_s
        self.registry.changed_at_ns = None
        self._counters.add("files")
        self._counters.add("frames", len(head))
        self._counters.add("bytes_written", sum(map(len, head)))
        self._file_is_new = True
        self._commit_new_file()

    def _commit_new_file(self) -> None:
        self._commit()
        self._file_is_new = False

    def _name_providers(self) -> None:
        """Write a status frame when providers have come or gone since the last one."""
        changed_at_ns = self.registry.changed_at_ns
        if changed_at_ns is None:
            return
        assert self._frame_session is not None  # noqa: S101 - the session is open
        timestamp_s = changed_at_ns / SECOND_NS
        active = self.registry.active.values()
        named = [(p.prov_id, p.feed.address) for p in active]
        self._write([status_frame(self._frame_session, timestamp_s, named)])
        self.registry.changed_at_ns = None
        for provider in active:
            if math.isinf(provider.named_at_s):
                provider.named_at_s = timestamp_s

    def publish_changes(self) -> bool:
        """Write the status frame that a change of providers asks for, where a file is open.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; it is tried again with the next frame.
        """
        if self.registry.changed_at_ns is None or self.archive is None or not self.archive.is_open:
            return False
        self._name_providers()
        return True
