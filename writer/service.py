"""The writer's loop body: log → recorder → checkpoint → released segments.

`Service.step(now_ns)` does everything that can be done now and never sleeps. There is one way to start: from the
newest checkpoint and the log, whether they are empty, a clean stop's or a crash's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from aggregator.errors import DiskTroubleError
from aggregator.log import LogReader, peek_log_id, used_bytes
from aggregator.records import SessionStart
from aggregator.settings import Caps, FsyncPolicy
from aggregator.status import WRITER
from writer.backoff import Backoff
from writer.checkpoint import Checkpoint, CheckpointStore
from writer.decode import Decoder
from writer.drain import Drain
from writer.files import FileOperations
from writer.gaps import GapJournal
from writer.misfits import MisfitKeeper
from writer.mounts import require_mounted
from writer.poison import Suspects
from writer.provider import SECOND_NS
from writer.quarantine import Quarantine
from writer.rebuild import Rebuild
from writer.recorder import Recorder
from writer.recovery import close_at_last_frame, reopen

LOG = logging.getLogger("hkagg.writer")

CHECKPOINT_EVERY_NS = SECOND_NS // 2
EARLY_CUT_FILL = 0.75
EARLY_CUT_EVERY_NS = SECOND_NS


class Service:
    """The writer, as a thing to be stepped.

    Parameters
    ----------
    directory : Path
        The buffer directory, whose writer lock the caller holds.
    operations : FileOperations
        The seam to the archive's disk.
    caps : Caps
        Limits on messages.

    Attributes
    ----------
    counters : Counters
        The writer's.
    recorder : Recorder
        The open session.
    trouble : Backoff
        What the archive's disk refuses, and when it is tried again.
    fill : float
        Used share of the buffer.
    """

    def __init__(self, *, directory: Path, operations: FileOperations, caps: Caps) -> None:
        self.directory = directory
        self.counters = Counters(WRITER)
        self.trouble = Backoff()
        self.fill = 0.0
        self._operations = operations
        self._store = CheckpointStore(directory)
        self._gaps = GapJournal(directory)
        self._quarantine = Quarantine(directory)
        self._suspects = Suspects(directory)
        self._reader: LogReader | None = None
        self._dirty = self._has_looked = False
        self._last_checkpoint_ns = self._last_early_cut_ns = 0
        self._former_replay_from = self._replay_from = 0
        self._reopen_file: Callable[[], None] | None = None
        misfits = MisfitKeeper(self._quarantine, self.counters)
        self.recorder = Recorder(
            operations=operations, caps=caps, counters=self.counters, misfits=misfits, commit=self._commit
        )
        self._drain = Drain(
            recorder=self.recorder,
            counters=self.counters,
            decoder=Decoder(caps),
            misfits=misfits,
            gaps=self._gaps,
            suspects=self._suspects,
        )
        self._checkpoint = self._load_checkpoint()

    @property
    def drained(self) -> int:
        """Sequence number of the last record taken from the log."""
        return self._drain.drained

    @property
    def has_backlog(self) -> bool:
        """Whether records are waiting that the last step did not come to."""
        return self._drain.has_backlog

    @property
    def is_complete(self) -> bool:
        """Whether all that was in the log at the last step is taken and no session is open."""
        is_idle = not self.has_backlog and self.recorder.session is None
        return self._has_looked and is_idle and not self.trouble.reason

    @property
    def pending_messages(self) -> int:
        """Messages taken from the log whose rows are not all in the archive yet."""
        counters = self.counters
        return counters.total("read") - counters.total("archived") - counters.total("quarantined")

    def step(self, now_ns: int) -> bool:
        """Do what can be done now.

        Returns
        -------
        bool
            Whether there may be more to do at once.

        Raises
        ------
        LogFormatError
            When the log is foreign or of another version.
        """
        if not self.trouble.may_try(now_ns):
            return False
        try:
            more = self._work(now_ns)
        except DiskTroubleError as error:
            self._note_trouble(error, now_ns)
            return False
        except OSError as error:
            self._note_trouble(DiskTroubleError("work in", str(self.directory), error), now_ns)
            return False
        if self.trouble.end():
            LOG.info("the archive's disk works again")
        return more

    def _note_trouble(self, error: DiskTroubleError, now_ns: int) -> None:
        self.counters.add("disk_errors")
        if self.trouble.note(str(error), now_ns):
            LOG.error("%s", error)

    def leave(self) -> None:
        """Checkpoint and let go, so that the next writer goes on in the same session and file.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; the log has what is missing then.
        """
        files, reader = self.recorder.files, self._reader
        if files is not None and reader is not None and reader.log_id is not None and self._reopen_file is None:
            self._save_checkpoint()
            files.archive.close()
        if reader is not None:
            reader.close()

    # Starting -----------------------------------------------------------------------------------------------------

    def _load_checkpoint(self) -> Checkpoint:
        """Take up the newest checkpoint, as far as it can be without the log and without the disk."""
        checkpoint = self._store.load()
        for fault in self._store.faults:
            LOG.warning("%s; the other checkpoint slot is used", fault)
        if self._store.faults or (checkpoint is not None and checkpoint.rebuilds):
            self._drain.rebuild = Rebuild(self._operations, self._quarantine)
        if checkpoint is None:
            return Checkpoint(log_id=0)
        self.counters.restore(checkpoint.counters)
        self._drain.drained = self._drain.counted = checkpoint.drained
        self._former_replay_from = self._replay_from = checkpoint.replay_from
        if checkpoint.session:
            self.recorder.set_session(SessionStart.from_bytes(checkpoint.session))
            self.recorder.registry.restore(checkpoint.registry)
            if self.recorder.files is not None:
                self.recorder.files.mount = checkpoint.mount
            if checkpoint.file:
                self._reopen_file = lambda: self._reopen(checkpoint)
        return checkpoint

    def _reopen(self, checkpoint: Checkpoint) -> None:
        files, session = self.recorder.files, self.recorder.session
        if files is not None and session is not None:
            data_dir, path = Path(session.data_dir), Path(checkpoint.file)
            if checkpoint.mount:
                require_mounted(checkpoint.mount)
            reopen(files.archive, data_dir, path, checkpoint.valid_length, self._quarantine)

    def _attach(self) -> LogReader | None:
        """Begin to read the log, once there is one; a log that the checkpoint does not know starts afresh."""
        if self._reader is not None:
            return self._reader
        log_id = peek_log_id(self.directory)
        if log_id is None:
            return None
        if self._checkpoint.log_id not in (0, log_id):
            self._give_up_former_log()
        elif not self._checkpoint.log_id and not self._has_looked:
            self._drain.rebuild = Rebuild(self._operations, self._quarantine)
        for keeper in (self._suspects, self._quarantine, self._gaps):
            keeper.begin_log(log_id)
        self._reader = LogReader(self.directory, after_sequence=max(0, self._checkpoint.replay_from - 1))
        return self._reader

    def _give_up_former_log(self) -> None:
        LOG.warning("the log that the checkpoint belongs to is gone; recording starts afresh with the new one")
        files = self.recorder.files
        if files is not None and self._checkpoint.file:
            close_at_last_frame(files.archive, Path(self._checkpoint.file), self._quarantine)
        self._reopen_file = None
        lost = self.pending_messages
        self.counters.add("records_missing", lost)
        self.counters.add("read", -lost)
        self.recorder.forget()
        self._drain.start_afresh()
        self._checkpoint = Checkpoint(log_id=0)
        self._former_replay_from = self._replay_from = 0

    # Working ------------------------------------------------------------------------------------------------------

    def _work(self, now_ns: int) -> bool:
        reader = self._attach()
        self._has_looked = True
        if reader is None:
            return False
        if self._reopen_file is not None:
            self._reopen_file()
            self._reopen_file = None
        was_open = self.recorder.session is not None
        took = self._drain.take(reader, now_ns)
        self._dirty |= took
        self._write_due(now_ns)
        has_closed = was_open and self.recorder.session is None
        if self._dirty and (has_closed or abs(now_ns - self._last_checkpoint_ns) >= CHECKPOINT_EVERY_NS):
            self._last_checkpoint_ns = now_ns
            self._checkpoint_and_release(reader)
        return took

    def _write_due(self, now_ns: int) -> None:
        recorder, files = self.recorder, self.recorder.files
        if recorder.session is None or files is None:
            return
        # Behind, nothing is late or stale by the clock: its messages may be waiting in the log.
        horizon_ns = now_ns if self._drain.is_caught_up else recorder.log_time_ns
        self._dirty |= files.rotate_if_due(now_ns)
        self._dirty |= recorder.cut_due(horizon_ns, high_water=self.drained, now_ns=now_ns)
        self._dirty |= files.name_providers()
        if self.fill >= EARLY_CUT_FILL and abs(now_ns - self._last_early_cut_ns) >= EARLY_CUT_EVERY_NS:
            self._last_early_cut_ns = now_ns
            recorder.cut(list(recorder.registry.pending()), high_water=self.drained, now_ns=now_ns)
            self._dirty = True

    def _checkpoint_and_release(self, reader: LogReader) -> None:
        replay_from = self._save_checkpoint()
        self._dirty = False
        # Should this checkpoint be damaged, the one before it is used, which needs more of the log.
        replay_from = min(replay_from, self._former_replay_from)
        reader.release(replay_from)
        crash_point("writer.segments-released")
        for keeper in (self._suspects, self._quarantine):
            keeper.forget_below(replay_from)
        self.recorder.registry.forget_retired(replay_from)
        session = self.recorder.session
        self.fill = used_bytes(self.directory) / session.buffer_bytes if session else 0.0

    def _commit(self) -> None:
        self._save_checkpoint()

    def _save_checkpoint(self) -> int:
        """Save a checkpoint and return the oldest sequence number that it still needs."""
        recorder, session = self.recorder, self.recorder.session
        pending = [p.pending_from for p in recorder.registry.pending()]
        replay_from = min(pending, default=self.drained + 1)
        file, valid_length = recorder.files.to_resume if session and recorder.files else ("", 0)
        checkpoint = Checkpoint(
            log_id=(self._reader.log_id if self._reader else None) or 0,
            drained=max(self.drained, self._drain.counted),
            replay_from=replay_from,
            session=session.to_bytes() if session else b"",
            file=file,
            valid_length=valid_length,
            mount=recorder.files.mount if session and recorder.files else "",
            rebuilds=self._drain.rebuild is not None,
            registry=recorder.registry.to_checkpoint(),
            counters=self.counters.snapshot(),
        )
        try:
            self._store.save(checkpoint, durable=session is not None and session.fsync != FsyncPolicy.NEVER)
        except OSError as error:
            raise DiskTroubleError("write the checkpoint in", str(self.directory), error) from error
        self._former_replay_from, self._replay_from = self._replay_from, replay_from
        return replay_from
