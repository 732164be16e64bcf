"""Decides for each message whether it is recorded, and accounts for every one that should have been."""

from __future__ import annotations

from typing import Any, Protocol

from aggregator.counters import Counters
from aggregator.layout import MALFORMED, RecordKind
from aggregator.records import Gap, SessionStart, SessionStop
from aggregator.settings import Caps
from ingest.event import FeedEvent
from ingest.feed_table import FeedTable
from ingest.losses import Losses
from ingest.publications import RecentPublications

UNREADABLE = "unreadable"
"""Stands for the address of a message whose feed part cannot be read."""

BUFFER_FULL = "buffer-full"
OVERSIZE = "oversize"
LOG_ERROR = "log-error"
INTERNAL_ERROR = "internal-error"
MOST_OUTAGES = 1000
TRANSPORT_LOST = "transport-lost"


class Appender(Protocol):
    """The writing end of the log, as far as the intake needs it."""

    @property
    def max_payload_bytes(self) -> int:
        """Largest MESSAGE payload."""

    def append(self, kind: RecordKind, payload: bytes | memoryview, *, received_ns: int, flags: int = 0) -> int | None:
        """Commit a record; None when there is no room."""

    def set_preamble(self, payload: bytes | None) -> None:
        """Repeat this SESSION_START at the head of each further segment."""


class Intake:
    """Takes messages into the log while a session is open; only to be used in the reactor thread.

    Parameters
    ----------
    appender : Appender
        The log.
    counters : Counters
        Those of ingest.
    caps : Caps
        Largest message, most feeds listed.
    """

    def __init__(self, appender: Appender, counters: Counters, *, caps: Caps) -> None:
        self._appender = appender
        self._counters = counters
        self._largest_bytes = min(caps.message_bytes, appender.max_payload_bytes)
        self._recent = RecentPublications()
        self._losses = Losses()
        self._feeds = FeedTable(caps.providers)
        self._recording = False
        self._last_event_ns = 0
        self._lost_since_ns: int | None = None
        self._outages: list[Gap] = []

    @property
    def recording(self) -> bool:
        """Whether a session is open."""
        return self._recording

    @property
    def feed_count(self) -> int:
        """How many feeds were heard of in this session."""
        return len(self._feeds)

    @property
    def losing(self) -> bool:
        """Whether messages were lost a moment ago."""
        return bool(self._losses)

    def providers(self, now_ns: int) -> dict[str, dict[str, Any]]:
        """Return what `session.data` tells of the feeds."""
        return self._feeds.encoded(now_ns)

    def start(self, session: SessionStart, now_ns: int) -> bool:
        """Open a session; False when the log has no room to say so."""
        payload = session.to_bytes()
        if self._append_control(RecordKind.SESSION_START, payload, now_ns) is None:
            return False
        self._appender.set_preamble(payload)
        self._feeds.clear()
        self._recording = True
        return True

    def stop(self, now_ns: int) -> int | None:
        """Close the session.

        Returns
        -------
        int or None
            Sequence number of the SESSION_STOP record; None when there is no room for it, in which case the next
            SESSION_START ends this session, or when none was open.
        """
        if not self._recording:
            return None
        self._recording = False
        if self._lost_since_ns is not None:
            self._note_outage(self._lost_since_ns, now_ns)
            self._lost_since_ns = now_ns
        self._report(self._outages + self._losses.all(), now_ns)
        self._appender.set_preamble(None)
        return self._append_control(RecordKind.SESSION_STOP, SessionStop(stop_ns=now_ns).to_bytes(), now_ns)

    def take(self, event: FeedEvent, now_ns: int) -> bool:
        """Record a message if it is to be recorded.

        Returns
        -------
        bool
            Whether there is more in the log now.
        """
        feed = event.feed
        self._last_event_ns = now_ns
        if not self._recording or (feed is not None and not feed.recorded):
            self._counters.add("ignored")
            return False
        if self._recent.seen_before(event):
            self._counters.add("duplicates")
            return False
        if not self._commit(event, feed.address if feed else UNREADABLE, now_ns):
            return False
        if feed is not None:
            self._note_absence(self._feeds.refresh(feed, event, now_ns))
        if self._losses or self._outages:
            self.report_losses(now_ns)
        return True

    def refuse(self, event: FeedEvent, now_ns: int) -> None:
        """Account for a message that `take` failed on."""
        self._counters.add("received")
        self._reject(INTERNAL_ERROR, event.feed.address if event.feed else UNREADABLE, now_ns)

    def report_losses(self, now_ns: int) -> None:
        """Append the gap records that are due; called after a message and once a second."""
        if self._recording:
            self._report(self._outages + self._losses.over(now_ns), now_ns)

    def transport_lost(self, now_ns: int) -> None:
        """Note that events cannot come any more: the router is gone, or no longer subscribed to."""
        if self._lost_since_ns is None:
            # A dead router is only noticed some seconds later; until then every agent's heartbeat came each second.
            self._lost_since_ns = self._last_event_ns or now_ns

    def transport_joined(self, now_ns: int) -> None:
        """Note that events come from now on."""
        since_ns, self._lost_since_ns = self._lost_since_ns, None
        if since_ns is None:
            return
        self._counters.add("reconnects")
        if self._recording:
            self._note_outage(since_ns, now_ns)
            self.report_losses(now_ns)

    def _note_absence(self, gap: Gap | None) -> None:
        # Without bound, a log that has no room for gap records would let them grow in memory.
        if gap is not None and len(self._outages) < MOST_OUTAGES:
            self._outages.append(gap)

    def _note_outage(self, from_ns: int, to_ns: int) -> None:
        self._outages.append(Gap(from_ns=from_ns, to_ns=to_ns, reason=TRANSPORT_LOST))

    def _commit(self, event: FeedEvent, address: str, now_ns: int) -> bool:
        payload = memoryview(event.packed)[event.begin : event.end]
        flags = 0 if event.feed else MALFORMED
        self._counters.add("received")
        if len(payload) > self._largest_bytes:
            self._reject(OVERSIZE, address, now_ns)
            return False
        try:
            sequence = self._appender.append(RecordKind.MESSAGE, payload, received_ns=now_ns, flags=flags)
        except OSError:
            self._reject(LOG_ERROR, address, now_ns)
            return False
        if sequence is None:
            self._counters.add("dropped", label=address)
            self._losses.note(BUFFER_FULL, address, now_ns)
            return False
        self._counters.add("committed")
        return True

    def _reject(self, reason: str, address: str, now_ns: int) -> None:
        self._counters.add("rejected", label=reason)
        self._losses.note(reason, address, now_ns)

    def _append_control(self, kind: RecordKind, payload: bytes, now_ns: int) -> int | None:
        try:
            return self._appender.append(kind, payload, received_ns=now_ns)
        except OSError:
            # As good as no room: whoever needs the record keeps what it would say and tries again.
            return None

    def _report(self, gaps: list[Gap], now_ns: int) -> None:
        for gap in gaps:
            if self._append_control(RecordKind.GAP, gap.to_bytes(), now_ns) is None:
                return
            self._counters.add("gaps", label=gap.reason)
            if gap in self._outages:
                self._outages.remove(gap)
            else:
                self._losses.settle(gap)
