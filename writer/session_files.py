"""The files of one session: begun with the frames that readers need first, committed, appended to, rotated."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from aggregator.counters import Counters
from aggregator.crash_points import crash_point
from aggregator.errors import DiskTroubleError
from aggregator.records import SessionStart
from aggregator.settings import FsyncPolicy
from writer.archive import Archive
from writer.files import FileOperations
from writer.frames import Session, data_frame, session_frame, status_frame
from writer.mounts import mount_point, require_mounted
from writer.provider import SECOND_NS, Provider
from writer.registry import Registry


class SessionFiles:
    """Writes the frames of a session, and the frames that name its providers where readers expect them.

    Parameters
    ----------
    start : SessionStart
        The session.
    operations : FileOperations
        The seam to the disk.
    registry : Registry
        The session's providers.
    counters : Counters
        The writer's.
    commit : callable
        Makes a checkpoint.

    Attributes
    ----------
    archive : Archive
        The open file, or the last one.
    mount : str
        Mount point that the data directory is under; empty before the session's first file.
    """

    def __init__(
        self,
        start: SessionStart,
        *,
        operations: FileOperations,
        registry: Registry,
        counters: Counters,
        commit: Callable[[], None],
    ) -> None:
        self._start = start
        self._registry = registry
        self._counters = counters
        self._commit = commit
        self._session = Session(
            session_id=start.session_id, start_time_s=start.start_ns / SECOND_NS, description=start.description
        )
        self._is_new = False
        self._is_torn = False
        self.mount = ""
        self.archive = Archive(operations, Path(start.data_dir), FsyncPolicy(start.fsync))

    @property
    def to_resume(self) -> tuple[str, int]:
        """The file that a later writer has to cut back to a length before it goes on; an empty name for none."""
        archive = self.archive
        if archive.path is None or not (archive.is_open or self._is_torn):
            return "", 0
        return str(archive.path), archive.valid_length

    def ensure_open(self, now_ns: int, log_time_ns: int) -> None:
        """Begin a file where none is open, and checkpoint it before any data frame is in it.

        Parameters
        ----------
        now_ns : int
            Names the file.
        log_time_ns : int
            Receive time of the newest message; none that follows is older.

        Raises
        ------
        DiskTroubleError
            When the disk refuses.
        """
        if not self.archive.is_open:
            self._begin(now_ns, log_time_ns)
        if self._is_new:
            self._commit()
            self._is_new = False

    def name_providers(self) -> bool:
        """Write a status frame when providers have come or gone since the last one; it needs an open file.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; the change is still to be named then.
        """
        changed_at_ns = self._registry.changed_at_ns
        if changed_at_ns is None or not self.archive.is_open:
            return False
        timestamp_s = changed_at_ns / SECOND_NS
        self.append([self._status(timestamp_s)])
        self._note_named(timestamp_s)
        return True

    def frame_of(self, provider: Provider) -> tuple[float, bytes]:
        """Return timestamp and bytes of a provider's growing frame."""
        timestamp_s = provider.frame_timestamp_s()
        frame = data_frame(
            self._session,
            prov_id=provider.prov_id,
            address=provider.feed.address,
            provider_session_id=provider.feed.session_id,
            timestamp_s=timestamp_s,
            blocks=provider.snapshot(),
        )
        return timestamp_s, frame

    def append(self, frames: list[bytes]) -> None:
        """Append frames to the open file: all of them, or none.

        Raises
        ------
        DiskTroubleError
            When the disk refuses.
        """
        try:
            self.archive.append(frames)
        except DiskTroubleError:
            self._is_torn = not self.archive.is_open
            raise
        crash_point("writer.frames-appended")
        self._count(frames)

    def rotate_if_due(self, now_ns: int) -> bool:
        """Close the file when it has had its time, size or folder; the next frame begins another.

        Raises
        ------
        DiskTroubleError
            When the disk refuses to close it in good order; it is closed all the same.
        """
        if not self.archive.must_rotate(now_ns, self._start.time_per_file_s, self._start.max_file_bytes):
            return False
        self._close()
        return True

    def finish(self) -> None:
        """Close the last file and leave nothing behind that no reader may see.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; it may be tried again.
        """
        self._close()
        self.archive.finish_cuts()

    def _begin(self, now_ns: int, log_time_ns: int) -> None:
        pending = [p.pending_since_ns for p in self._registry.active.values() if p.pending_since_ns is not None]
        timestamp_s = min([log_time_ns, *pending]) / SECOND_NS
        head = [session_frame(self._session), self._status(timestamp_s)]
        if self.mount:
            require_mounted(self.mount)
        self.archive.start_file(now_ns, head)
        self.mount = self.mount or mount_point(Path(self._start.data_dir))
        self._is_new, self._is_torn = True, False
        crash_point("writer.file-started")
        for provider in self._registry.active.values():
            provider.named_at_s = -math.inf
        self._note_named(timestamp_s)
        self._counters.add("files")
        self._count(head)

    def _close(self) -> None:
        """Close the open file, every byte of it covered by a checkpoint first."""
        if not self.archive.is_open:
            return
        self._commit()
        try:
            self.archive.close()
            crash_point("writer.file-closed")
        finally:
            self._commit()

    def _count(self, frames: list[bytes]) -> None:
        self._counters.add("frames", len(frames))
        self._counters.add("bytes_written", sum(map(len, frames)))

    def _status(self, timestamp_s: float) -> bytes:
        named = [(p.prov_id, p.feed.address) for p in self._registry.active.values()]
        return status_frame(self._session, timestamp_s, named)

    def _note_named(self, timestamp_s: float) -> None:
        self._registry.changed_at_ns = None
        for provider in self._registry.active.values():
            if math.isinf(provider.named_at_s):
                provider.named_at_s = timestamp_s
