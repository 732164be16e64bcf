"""The writer's loop body: log → recorder → checkpoint → released segments → status.

`Service.step(now_ns)` does everything that can be done now and never sleeps. There is one way to start: from the
newest checkpoint and the log, whether they are empty, a clean stop's or a crash's.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from aggregator.errors import DiskTroubleError, RecordPayloadError
from aggregator.layout import CONTINUED, MALFORMED, RecordKind
from aggregator.log import LogFault, LogReader, Record, peek_log_id, used_bytes
from aggregator.records import Gap, SessionStart
from aggregator.settings import LONGEST_FILE_S, Caps, FsyncPolicy
from aggregator.status import WRITER
from writer.backoff import Backoff
from writer.checkpoint import Checkpoint, CheckpointStore
from writer.decode import Decoder
from writer.files import FileOperations
from writer.gaps import GapJournal
from writer.message import Batch, Undecodable
from writer.misfits import MisfitKeeper
from writer.poison import Suspects
from writer.provider import SECOND_NS
from writer.quarantine import Quarantine
from writer.rebuild import Rebuild
from writer.recorder import Recorder
from writer.recovery import close_at_last_frame, reopen

LOG = logging.getLogger("hkagg.writer")

LOT_RECORDS = 20_000
LOT_BYTES = 16 << 20
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
    drained : int
        Sequence number of the last record taken from the log.
    fill : float
        Used share of the buffer.
    """

    def __init__(self, *, directory: Path, operations: FileOperations, caps: Caps) -> None:
        self.directory = directory
        self.counters = Counters(WRITER)
        self.trouble = Backoff()
        self.drained = 0
        self.fill = 0.0
        self._store = CheckpointStore(directory)
        self._gaps = GapJournal(directory)
        self._quarantine = Quarantine(directory)
        self._misfits = MisfitKeeper(self._quarantine, self.counters)
        self._decoder = Decoder(caps)
        self._suspects = Suspects(directory)
        self._rebuild: Rebuild | None = None
        self._operations = operations
        self._backlog: deque[Record] = deque()
        self._reader: LogReader | None = None
        self._counted = 0
        self._dirty = self._has_looked = False
        self._caught_up = self._replays = True
        self._last_checkpoint_ns = self._last_early_cut_ns = 0
        self._former_replay_from = self._replay_from = 0
        self.recorder = Recorder(
            operations=operations,
            caps=caps,
            counters=self.counters,
            misfits=self._misfits,
            commit=self._commit,
        )
        self._reopen_file: Callable[[], None] | None = None
        self._checkpoint = self._load_checkpoint()

    @property
    def is_complete(self) -> bool:
        """Whether all that was in the log at the last step is taken and no session is open."""
        is_idle = not self._backlog and self.recorder.session is None
        return self._has_looked and is_idle and not self.trouble.reason

    @property
    def pending_messages(self) -> int:
        """Messages taken from the log whose rows are not all in the archive yet."""
        counters = self.counters
        return counters.total("read") - counters.total("archived") - counters.total("quarantined")

    @property
    def has_backlog(self) -> bool:
        """Whether records are waiting that the last step did not come to."""
        return bool(self._backlog)

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
        if self.recorder.files is not None and self._checkpoint_possible and self._reopen_file is None:
            self._save_checkpoint()
            self.recorder.files.archive.close()
        if self._reader is not None:
            self._reader.close()

    # Starting -----------------------------------------------------------------------------------------------------

    def _load_checkpoint(self) -> Checkpoint:
        """Take up the newest checkpoint, as far as it can be without the log and without the disk."""
        checkpoint = self._store.load()
        for fault in self._store.faults:
            LOG.warning("%s; the other checkpoint slot is used", fault)
        if self._store.faults:
            self._rebuild = Rebuild(self._operations, self._quarantine)
        if checkpoint is None:
            return Checkpoint(log_id=0)
        self.counters.restore(checkpoint.counters)
        self.drained = self._counted = checkpoint.drained
        self._former_replay_from = self._replay_from = checkpoint.replay_from
        if checkpoint.session:
            self.recorder.set_session(SessionStart.from_bytes(checkpoint.session))
            self.recorder.registry.restore(checkpoint.registry)
            if checkpoint.file:
                self._reopen_file = lambda: self._reopen(checkpoint)
        return checkpoint

    def _reopen(self, checkpoint: Checkpoint) -> None:
        files, session = self.recorder.files, self.recorder.session
        if files is not None and session is not None:
            data_dir, path = Path(session.data_dir), Path(checkpoint.file)
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
            self._rebuild = Rebuild(self._operations, self._quarantine)
        self._suspects.begin_log(log_id)
        self._quarantine.begin_log(log_id)
        self._gaps.begin_log(log_id)
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
        self._checkpoint = Checkpoint(log_id=0)
        self._rebuild = None
        self.drained = self._counted = self._former_replay_from = self._replay_from = 0

    # Working ------------------------------------------------------------------------------------------------------

    def _work(self, now_ns: int) -> bool:
        reader = self._attach()
        self._has_looked = True
        if reader is None:
            return False
        if self._reopen_file is not None:
            self._reopen_file()
            self._reopen_file = None
        if not self._backlog:
            self._backlog.extend(reader.poll(now_ns, LOT_RECORDS))
            self._caught_up = len(self._backlog) < LOT_RECORDS
            self._note_faults(reader.take_faults())
        took = self._take_some(now_ns)
        if self._replays and self._caught_up and not self._backlog and self.drained >= self._counted:
            self._end_replay()
        self._write_due(now_ns)
        self._checkpoint_if_due(now_ns, reader)
        return took

    def _take_some(self, now_ns: int) -> bool:
        """Take a control record or a lot of messages from the backlog."""
        if not self._backlog:
            return False
        first = self._backlog[0]
        if self.recorder.session is not None:
            self._look_into_archive(self.recorder.session, first.received_ns)
        if first.kind == RecordKind.MESSAGE:
            if self.recorder.clock_went_back(first.received_ns):
                self.recorder.start_over_at(first.received_ns, high_water=first.sequence - 1, now_ns=now_ns)
            self._take_messages(self._next_lot())
        else:
            self._take_control(first, now_ns)
            self._backlog.popleft()
            self.drained = first.sequence
        self._dirty = True
        return True

    def _next_lot(self) -> list[Record]:
        """Return the messages up to the next control record, clock step, or a few megabytes."""
        backlog, size, count = self._backlog, 0, 0
        for record in backlog:
            if record.kind != RecordKind.MESSAGE or size >= LOT_BYTES:
                break
            if self.recorder.clock_went_back(record.received_ns):
                break
            size += len(record.payload)
            count += 1
            if self._suspects.must_be_alone(record.sequence):
                break
        return [backlog.popleft() for _ in range(count)]

    def _take_messages(self, lot: list[Record]) -> None:
        self._suspects.enter(lot[0].sequence, lot[-1].sequence)
        good = []
        for record in lot:
            if reason := self._reason_to_refuse(record):
                self._refuse(_refused(record, reason))
            else:
                good.append((record.sequence, record.received_ns, record.payload))
        for batch in self._decoder.decode_batch(good):
            if isinstance(batch, Undecodable):
                self._refuse(batch)
            elif batch.first_sequence > self._counted and self._rebuild is None:
                self.recorder.take(batch, counts=True)
            else:
                self._take_again(batch)
        self._suspects.leave()
        self.drained = lot[-1].sequence
        crash_point("writer.lot-taken")

    def _take_again(self, batch: Batch) -> None:
        """Replay messages one by one, since each provider has its own mark up to which it needs none."""
        for i in range(batch.messages):
            message = batch.part(i, i + 1)
            if self._rebuild is not None:
                message = self._rebuild.leave_out(message)
            self.recorder.take(message, counts=message.first_sequence > self._counted)

    def _reason_to_refuse(self, record: Record) -> str:
        if record.flags & MALFORMED:
            return "malformed"
        if self._suspects.is_poison(record.sequence):
            return "poison"
        return "" if self.recorder.session is not None else "no-session"

    def _refuse(self, record: Undecodable) -> None:
        counts = record.sequence > self._counted
        if counts:
            self.counters.add("read")
        self._misfits.keep_undecodable(record, counts=counts)

    def _take_control(self, record: Record, now_ns: int) -> None:
        try:
            if record.kind == RecordKind.SESSION_START:
                self._start_session(record, now_ns)
            elif record.kind == RecordKind.SESSION_STOP:
                self._stop_session(record, now_ns)
            elif record.kind == RecordKind.GAP:
                self._take_gap(record.sequence, Gap.from_bytes(record.payload))
            else:
                self.counters.add("log_faults", 1, "unknown-kind")
        except RecordPayloadError as error:
            LOG.error("%s", error)
            self.counters.add("log_faults", 1, "unreadable-control-record")

    def _start_session(self, record: Record, now_ns: int) -> None:
        start = SessionStart.from_bytes(record.payload)
        recorder = self.recorder
        self._look_into_archive(start, record.received_ns)
        is_open = recorder.session is not None and recorder.session.session_id == start.session_id
        if is_open and (record.flags & CONTINUED or record.sequence <= self._counted):
            return
        if recorder.session is not None and recorder.session.session_id != start.session_id:
            recorder.close_session(high_water=record.sequence - 1, now_ns=now_ns)
        if recorder.session is None and record.flags & CONTINUED:
            LOG.warning("the session's first record is gone from the log; it goes on from a later copy")
        if start.time_per_file_s > LONGEST_FILE_S:
            LOG.warning(
                "files of %g s are longer than the %g s that so3g's load_range and HKTree look around a time span: "
                "they may not find all data",
                start.time_per_file_s,
                LONGEST_FILE_S,
            )
        recorder.open_session(start, now_ns)
        if self._rebuild is not None:
            registry = recorder.registry
            registry.next_prov_id = max(registry.next_prov_id, self._rebuild.next_prov_id(start.session_id))

    def _stop_session(self, record: Record, now_ns: int) -> None:
        if self.recorder.session is not None:
            self.recorder.close_session(high_water=record.sequence - 1, now_ns=now_ns)
            self._last_checkpoint_ns = 0
            crash_point("writer.session-closed")

    def _take_gap(self, sequence: int, gap: Gap) -> None:
        if self._gaps.put(sequence, gap):
            self.counters.add("gaps_read", 1, gap.reason)
            crash_point("writer.gap-noted")

    def _note_faults(self, faults: list[LogFault]) -> None:
        for fault in faults:
            LOG.error(
                "log segment %s is %s at offset %d: %d records from %d on cannot be read",
                fault.segment,
                fault.reason,
                fault.offset,
                fault.count,
                fault.first_sequence,
            )
            if fault.first_sequence > self._counted:
                self.counters.add("log_faults", 1, fault.reason)
                self.counters.add("records_missing", fault.count)

    def _look_into_archive(self, session: SessionStart, oldest_ns: int) -> None:
        if self._rebuild is not None:
            files = self.recorder.files
            open_file = files.archive.path if files is not None and files.archive.is_open else None
            self._rebuild.scan(session, oldest_ns, open_file)

    def _end_replay(self) -> None:
        """Account for messages that were counted as read before the last writer ended and did not come again."""
        rebuild, self._rebuild, self._replays = self._rebuild, None, False
        growing = sum(provider.pending_messages for provider in self.recorder.registry.active.values())
        gone = self.pending_messages - growing
        if gone <= 0:
            return
        archived = min(gone, rebuild.messages_left_out) if rebuild is not None else 0
        self.counters.add("archived", archived)
        self.counters.add("records_missing", gone - archived)
        self.counters.add("read", archived - gone)

    # Writing ------------------------------------------------------------------------------------------------------

    def _write_due(self, now_ns: int) -> None:
        recorder, files = self.recorder, self.recorder.files
        if recorder.session is None or files is None:
            return
        # Behind, nothing is late or stale by the clock: its messages may be waiting in the log.
        horizon_ns = now_ns if self._caught_up and not self._backlog else recorder.log_time_ns
        self._dirty |= files.rotate_if_due(now_ns)
        self._dirty |= recorder.cut_due(horizon_ns, high_water=self.drained, now_ns=now_ns)
        self._dirty |= files.name_providers()
        if self.fill >= EARLY_CUT_FILL and abs(now_ns - self._last_early_cut_ns) >= EARLY_CUT_EVERY_NS:
            self._last_early_cut_ns = now_ns
            recorder.cut(list(recorder.registry.pending()), high_water=self.drained, now_ns=now_ns)
            self._dirty = True

    def _checkpoint_if_due(self, now_ns: int, reader: LogReader) -> None:
        if not self._dirty or abs(now_ns - self._last_checkpoint_ns) < CHECKPOINT_EVERY_NS:
            return
        replay_from = self._save_checkpoint()
        self._last_checkpoint_ns = now_ns
        self._dirty = False
        # Should this checkpoint be damaged, the one before it is used, which needs more of the log.
        replay_from = min(replay_from, self._former_replay_from)
        reader.release(replay_from)
        crash_point("writer.segments-released")
        self._quarantine.forget_below(replay_from)
        self._suspects.forget_below(replay_from)
        self.recorder.registry.forget_retired(replay_from)
        session = self.recorder.session
        self.fill = used_bytes(self.directory) / session.buffer_bytes if session else 0.0

    @property
    def _checkpoint_possible(self) -> bool:
        return self._reader is not None and self._reader.log_id is not None

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
            drained=max(self.drained, self._counted),
            replay_from=replay_from,
            session=session.to_bytes() if session else b"",
            file=file,
            valid_length=valid_length,
            registry=recorder.registry.to_checkpoint(),
            counters=self.counters.snapshot(),
        )
        try:
            self._store.save(checkpoint, durable=session is not None and session.fsync != FsyncPolicy.NEVER)
        except OSError as error:
            raise DiskTroubleError("write the checkpoint in", str(self.directory), error) from error
        self._former_replay_from, self._replay_from = self._replay_from, replay_from
        return replay_from


def _refused(record: Record, reason: str) -> Undecodable:
    return Undecodable(sequence=record.sequence, received_ns=record.received_ns, payload=record.payload, reason=reason)
