"""Makes the record that begins a session."""

from __future__ import annotations

from aggregator.records import DESCRIPTION, SessionStart, session_id_for
from aggregator.settings import RecorderSettings


class SessionStarts:
    """Gives each session of a process an id of its own.

    Parameters
    ----------
    pid : int
        The recorder's process id.
    buffer_bytes : int
        Limit of the buffer, which the writer learns this way.
    """

    def __init__(self, *, pid: int, buffer_bytes: int) -> None:
        self._pid = pid
        self._buffer_bytes = buffer_bytes
        self._last_second = 0

    def next(self, settings: RecorderSettings, now_ns: int) -> SessionStart:
        """Return the record of a session that begins now."""
        # The id counts seconds, and two sessions of one second must not look like one.
        self._last_second = max(now_ns // 1_000_000_000, self._last_second + 1)
        return SessionStart(
            session_id=session_id_for(self._last_second, self._pid, DESCRIPTION),
            start_ns=now_ns,
            description=DESCRIPTION,
            data_dir=str(settings.data_dir),
            time_per_file_s=settings.time_per_file_s,
            max_file_bytes=settings.max_file_bytes,
            fsync=settings.fsync.value,
            buffer_bytes=self._buffer_bytes,
        )
