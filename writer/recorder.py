"""A session being recorded: batches go to providers, providers become frames, frames go to the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from aggregator.records import SessionStart
from aggregator.settings import Caps
from writer.files import FileOperations
from writer.message import Batch, Rows
from writer.misfits import MisfitKeeper
from writer.provider import LARGE_FRAME_VALUES, SECOND_NS, Provider
from writer.registry import Registry
from writer.session_files import SessionFiles

CLOCK_STEP_NS = 30 * SECOND_NS
"""Receive times that go back by more than this mean that the clock was set back."""

APPEND_BYTES = 4 << 20
"""Frames are handed to the disk in lots of about this size."""

MOST_PENDING_VALUES = 12_000_000
"""From here on (about 100 MB) all frames are cut, whatever their time, so that memory stays bounded."""


class _Place(NamedTuple):
    """Where the rows of a block are, and whether they came there just now; the first one counts the message."""

    provider: Provider
    is_new: bool


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
    files : SessionFiles or None
        Its files, or those of the session before.
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
        self._pending_values = 0
        self._large: set[Provider] = set()
        self.session: SessionStart | None = None
        self.registry = Registry(caps)
        self.files: SessionFiles | None = None
        self.log_time_ns = 0

    @property
    def open_file(self) -> Path | None:
        """The file that is being written, if there is one."""
        return self.files.archive.path if self.files is not None and self.files.archive.is_open else None

    # Sessions -----------------------------------------------------------------------------------------------------

    def set_session(self, start: SessionStart) -> None:
        """Make a session the open one, without touching the disk."""
        self.session = start
        self.files = SessionFiles(
            start,
            operations=self._operations,
            registry=self.registry,
            counters=self._counters,
            commit=self._commit,
        )
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
        if self.files is not None:
            self.files.ensure_open(now_ns, self.log_time_ns)

    def close_session(self, *, high_water: int, now_ns: int) -> None:
        """Write out every provider, close the file and forget the session; may be tried again after trouble.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; nothing is forgotten that is not in the archive.
        """
        self.cut(list(self.registry.pending()), high_water=high_water, now_ns=now_ns)
        if self.files is not None:
            self.files.finish()
        self.forget()

    def forget(self) -> None:
        """Forget the session and all that is pending; what was not archived must be in the log, or be gone."""
        self.registry.clear()
        self._large.clear()
        self._pending_values = 0
        self.session = None

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
        first = next((place for place in placed if place is not None), None)
        if first is None:
            self._count_without_rows(batch, counts)
        elif first.is_new:
            first.provider.pending_messages += batch.messages

    def _give(self, rows: Rows, batch: Batch) -> _Place | None:
        """Give one block's rows to its provider; None where it has none to take them."""
        self._misfits.keep_bad_rows(rows, batch)
        if not len(rows.times):
            return None
        provider = self._taker(rows, batch)
        if provider is None:
            self._misfits.keep_rows(rows, batch, "too-many-providers")
            return None
        if provider.has(rows.block, batch.last_sequence):
            return _Place(provider, is_new=False)
        misfits = provider.append(
            rows,
            sequence=batch.first_sequence,
            first_received_ns=batch.first_received_ns,
            last_received_ns=batch.last_received_ns,
        )
        if misfits:
            self._misfits.keep_values(misfits, batch)
        self.registry.schedule(provider)
        self._pending_values += len(rows.times) * (len(rows.fields) + 1)
        if provider.pending_values > LARGE_FRAME_VALUES:
            self._large.add(provider)
        return _Place(provider, is_new=True)

    def _taker(self, rows: Rows, batch: Batch) -> Provider | None:
        """Return the provider that has these rows or is to have them; None where a cap forbids one more."""
        registry, sequence, received_ns = self.registry, batch.first_sequence, batch.first_received_ns
        provider = registry.provider_for(
            batch.feed, rows.block, rows.fields, sequence=sequence, received_ns=received_ns
        )
        if provider is None or not registry.is_retired(provider) or provider.has(rows.block, batch.last_sequence):
            return provider
        return registry.revive(provider, rows.block, rows.fields, sequence=sequence, received_ns=received_ns)

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
        files = self.files
        if files is None:
            return
        lot: list[tuple[Provider, float, bytes]] = []
        size = 0
        for provider in providers:
            if not lot:
                files.ensure_open(now_ns, self.log_time_ns)
                files.name_providers()
            timestamp_s, frame = files.frame_of(provider)
            lot.append((provider, timestamp_s, frame))
            size += len(frame)
            if size >= APPEND_BYTES:
                self._append(files, lot, high_water)
                lot, size = [], 0
                files.rotate_if_due(now_ns)
        if lot:
            self._append(files, lot, high_water)

    def _append(self, files: SessionFiles, lot: list[tuple[Provider, float, bytes]], high_water: int) -> None:
        files.append([frame for _, _, frame in lot])
        for provider, timestamp_s, _ in lot:
            self._pending_values -= provider.pending_values
            self._large.discard(provider)
            for buffer in provider.blocks.values():
                self._counters.add("rows", buffer.rows)
                self._counters.add("values", buffer.rows * len(buffer.fields))
            self._counters.add("archived", provider.pending_messages)
            provider.mark_written(high_water, timestamp_s)
        crash_point("writer.frames-marked")
