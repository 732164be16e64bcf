"""Taking records from the log, each to where it belongs: messages to the recorder, gaps to the journal."""

from __future__ import annotations

import logging
from collections import deque

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from aggregator.errors import RecordPayloadError
from aggregator.layout import CONTINUED, MALFORMED, RecordKind
from aggregator.log import LogFault, LogReader, Record
from aggregator.records import Gap, SessionStart
from aggregator.settings import LONGEST_FILE_S
from writer.decode import Decoder
from writer.gaps import GapJournal
from writer.message import Batch, Undecodable
from writer.misfits import MisfitKeeper
from writer.poison import Suspects
from writer.rebuild import Rebuild
from writer.recorder import Recorder

LOG = logging.getLogger("hkagg.writer")

LOT_RECORDS = 20_000
LOT_BYTES = 16 << 20


class Drain:
    """The way of records from the log into the writer.

    Parameters
    ----------
    recorder : Recorder
        Takes messages and sessions.
    counters : Counters
        The writer's.
    decoder : Decoder
        Makes batches of messages.
    misfits : MisfitKeeper
        Takes what cannot be represented.
    gaps : GapJournal
        Takes gaps.
    suspects : Suspects
        Knows at which records a writer died.

    Attributes
    ----------
    drained : int
        Sequence number of the last record taken.
    counted : int
        Records up to this one were counted by a former writer; they come again, as far as they are not durable.
    rebuild : Rebuild or None
        What the archive is known to hold, while no checkpoint can say.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        counters: Counters,
        decoder: Decoder,
        misfits: MisfitKeeper,
        gaps: GapJournal,
        suspects: Suspects,
    ) -> None:
        self._recorder = recorder
        self._counters = counters
        self._decoder = decoder
        self._misfits = misfits
        self._gaps = gaps
        self._suspects = suspects
        self._backlog: deque[Record] = deque()
        self._found_all = True
        self._replays = True
        self.drained = self.counted = 0
        self.rebuild: Rebuild | None = None

    @property
    def has_backlog(self) -> bool:
        """Whether records are waiting that have been read already."""
        return bool(self._backlog)

    @property
    def is_caught_up(self) -> bool:
        """Whether everything that was in the log at the last look is taken."""
        return self._found_all and not self._backlog

    def take(self, reader: LogReader, now_ns: int) -> bool:
        """Take a control record or a lot of messages; False when there was none.

        Raises
        ------
        DiskTroubleError
            When a session cannot be begun or ended; its record stays where it is.
        """
        if not self._backlog:
            self._backlog.extend(reader.poll(now_ns, LOT_RECORDS))
            self._found_all = len(self._backlog) < LOT_RECORDS
            self._note_faults(reader.take_faults())
        took = self._take_first(now_ns)
        if self._replays and self.is_caught_up and self.drained >= self.counted:
            self._end_replay()
        return took

    def start_afresh(self) -> None:
        """Count from nothing: the log is another one."""
        self.rebuild = None
        self.drained = self.counted = 0

    # Messages -----------------------------------------------------------------------------------------------------

    def _take_first(self, now_ns: int) -> bool:
        if not self._backlog:
            return False
        first = self._backlog[0]
        if first.kind != RecordKind.MESSAGE:
            self._take_control(first, now_ns)
            self._backlog.popleft()
            self.drained = first.sequence
            return True
        recorder = self._recorder
        if recorder.session is not None:
            self._look_into_archive(recorder.session, first)
        if recorder.clock_went_back(first.received_ns):
            recorder.start_over_at(first.received_ns, high_water=first.sequence - 1, now_ns=now_ns)
        self._take_lot(self._next_lot())
        return True

    def _next_lot(self) -> list[Record]:
        """Return the messages up to the next control record, clock step, suspect, or a few megabytes."""
        backlog, size, count = self._backlog, 0, 0
        for record in backlog:
            if record.kind != RecordKind.MESSAGE or size >= LOT_BYTES:
                break
            if self._recorder.clock_went_back(record.received_ns):
                break
            size += len(record.payload)
            count += 1
            if self._suspects.must_be_alone(record.sequence):
                break
        return [backlog.popleft() for _ in range(count)]

    def _take_lot(self, lot: list[Record]) -> None:
        self._suspects.enter(lot[0].sequence, lot[-1].sequence)
        good = []
        for record in lot:
            if reason := self._reason_to_refuse(record):
                self._refuse(_refused(record, reason))
            else:
                good.append((record.sequence, record.received_ns, record.payload))
        may_be_durable = self.rebuild is not None and self.rebuild.found_rows
        for batch in self._decoder.decode_batch(good):
            if isinstance(batch, Undecodable):
                self._refuse(batch)
            elif batch.first_sequence > self.counted and not may_be_durable:
                self._recorder.take(batch, counts=True)
            else:
                self._take_again(batch)
        self._suspects.leave()
        self.drained = lot[-1].sequence
        crash_point("writer.lot-taken")

    def _take_again(self, batch: Batch) -> None:
        """Replay messages one by one, since each provider has its own mark up to which it needs none."""
        for i in range(batch.messages):
            message = batch.part(i, i + 1)
            if self.rebuild is not None:
                message = self.rebuild.leave_out(message)
            self._recorder.take(message, counts=message.first_sequence > self.counted)

    def _reason_to_refuse(self, record: Record) -> str:
        if record.flags & MALFORMED:
            return "malformed"
        if self._suspects.is_poison(record.sequence):
            return "poison"
        return "" if self._recorder.session is not None else "no-session"

    def _refuse(self, record: Undecodable) -> None:
        counts = record.sequence > self.counted
        if counts:
            self._counters.add("read")
        self._misfits.keep_undecodable(record, counts=counts)

    # Control records ----------------------------------------------------------------------------------------------

    def _take_control(self, record: Record, now_ns: int) -> None:
        try:
            if record.kind == RecordKind.SESSION_START:
                self._start_session(record, now_ns)
            elif record.kind == RecordKind.SESSION_STOP:
                self._stop_session(record, now_ns)
            elif record.kind == RecordKind.GAP:
                self._take_gap(record.sequence, Gap.from_bytes(record.payload))
            else:
                self._counters.add("log_faults", 1, "unknown-kind")
        except RecordPayloadError as error:
            LOG.error("%s", error)
            self._counters.add("log_faults", 1, "unreadable-control-record")

    def _start_session(self, record: Record, now_ns: int) -> None:
        start = SessionStart.from_bytes(record.payload)
        recorder = self._recorder
        self._look_into_archive(start, record)
        is_open = recorder.session is not None and recorder.session.session_id == start.session_id
        if is_open and (record.flags & CONTINUED or record.sequence <= self.counted):
            return
        if recorder.session is not None and not is_open:
            recorder.close_session(high_water=record.sequence - 1, now_ns=now_ns)
        _warn_of(start, record)
        recorder.open_session(start, now_ns)
        self._look_into_archive(start, record)

    def _look_into_archive(self, session: SessionStart, record: Record) -> None:
        """While rebuilding, learn what the archive holds of a session, and which of its prov_ids are spoken for."""
        if self.rebuild is None:
            return
        recorder = self._recorder
        self.rebuild.scan(session, record.received_ns, recorder.open_file)
        if recorder.session is not None and recorder.session.session_id == session.session_id:
            registry = recorder.registry
            registry.next_prov_id = max(registry.next_prov_id, self.rebuild.next_prov_id(session.session_id))

    def _stop_session(self, record: Record, now_ns: int) -> None:
        if self._recorder.session is not None:
            self._recorder.close_session(high_water=record.sequence - 1, now_ns=now_ns)
            crash_point("writer.session-closed")

    def _take_gap(self, sequence: int, gap: Gap) -> None:
        if self._gaps.put(sequence, gap):
            self._counters.add("gaps_read", 1, gap.reason)
            crash_point("writer.gap-noted")

    # Losses -------------------------------------------------------------------------------------------------------

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
            if fault.first_sequence > self.counted:
                self._counters.add("log_faults", 1, fault.reason)
                self._counters.add("records_missing", fault.count)

    def _end_replay(self) -> None:
        """Account for messages that a former writer counted as read and that did not come again."""
        rebuild, self.rebuild, self._replays = self.rebuild, None, False
        counters = self._counters
        taken = counters.total("archived") + counters.total("quarantined")
        growing = sum(provider.pending_messages for provider in self._recorder.registry.active.values())
        gone = counters.total("read") - taken - growing
        # Below zero, rows of messages that were counted as archived have found other providers in a rebuild.
        archived = min(gone, rebuild.messages_left_out) if rebuild is not None else min(gone, 0)
        counters.add("archived", archived)
        counters.add("records_missing", gone - archived)
        counters.add("read", archived - gone)


def _refused(record: Record, reason: str) -> Undecodable:
    return Undecodable(sequence=record.sequence, received_ns=record.received_ns, payload=record.payload, reason=reason)


def _warn_of(start: SessionStart, record: Record) -> None:
    if record.flags & CONTINUED:
        LOG.warning("the session's first record is gone from the log; it goes on from a later copy")
    if start.time_per_file_s > LONGEST_FILE_S:
        LOG.warning(
            "files of %g s are longer than the %g s that so3g's load_range and HKTree look around a time span: they "
            "may not find all data",
            start.time_per_file_s,
            LONGEST_FILE_S,
        )
