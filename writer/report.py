"""The writer's status snapshot; its keys are documented in docs/reference/status.md."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.status import WRITER, Snapshot, write_snapshot
from writer.provider import SECOND_NS
from writer.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What does not change in a writer's snapshots.

    Parameters
    ----------
    pid : int
        Of the writer.
    started_ns : int
        When it began, Unix nanoseconds.
    """

    pid: int
    started_ns: int

    def publish(self, service: Service, now_ns: int, *, stopped: bool = False) -> None:
        """Write the snapshot; a full buffer directory only makes it late.

        Parameters
        ----------
        service : Service
            The writer.
        now_ns : int
            Unix nanoseconds.
        stopped : bool
            Whether this is the last one.
        """
        try:
            write_snapshot(service.directory, WRITER, self.snapshot(service, now_ns, stopped=stopped))
        except OSError:
            # There is nobody to tell but the snapshot itself; the next one is due in a second.
            return

    def snapshot(self, service: Service, now_ns: int, *, stopped: bool = False) -> Snapshot:
        """Return the snapshot."""
        recorder = service.recorder
        session = recorder.session
        archive = recorder.files.archive if recorder.files else None
        lag_ns = now_ns - recorder.log_time_ns if service.has_backlog or service.trouble.reason else 0
        return {
            "pid": self.pid,
            "now_ns": now_ns,
            "started_ns": self.started_ns,
            "state": "stopped" if stopped else _state(service),
            "session_id": session.session_id if session else None,
            "current_file": str(archive.path) if archive and archive.path else None,
            "file_bytes": archive.valid_length if archive else 0,
            "file_opened_ns": archive.opened_ns if archive else 0,
            "counters": service.counters.snapshot(),
            "pending_messages": service.pending_messages,
            "lag_s": max(0, lag_ns) / SECOND_NS,
            "sequence": service.drained,
            "providers": len(recorder.registry.active),
            "buffer_fill": service.fill,
            "disk_error": service.trouble.reason,
        }


def _state(service: Service) -> str:
    if service.trouble.reason:
        return "disk-trouble"
    return "recording" if service.recorder.session else "waiting"
