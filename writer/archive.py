"""The archive's files: begun whole, appended to, cut back when the disk refuses, rotated.

At every instant, and whatever fails, each file of the archive is a head (session and status frame) followed by
whole frames, or will be cut back to that before anything else is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from aggregator.errors import ArchiveFileTooShortError, DiskTroubleError
from aggregator.settings import FsyncPolicy
from writer.creation import FileCreator
from writer.cuts import PendingCuts
from writer.files import FileOperations
from writer.salvage import cut_to_whole_frames

NS_PER_S = 1_000_000_000


class Archive:
    """Appends frames to the one open file of the archive.

    Parameters
    ----------
    operations : FileOperations
        The seam to the disk.
    data_dir : Path
        Root of the archive; made with its folders when the first file needs them.
    fsync : FsyncPolicy
        ``frame``: frames are durable when `append` returns; ``rotate``: a file is durable when `close`
        returns; ``never``: the operating system decides.
    """

    def __init__(self, operations: FileOperations, data_dir: Path, fsync: FsyncPolicy) -> None:
        self._operations = operations
        self._fsync = fsync
        self._cuts = PendingCuts(operations)
        self._creator = FileCreator(
            operations=operations,
            cuts=self._cuts,
            data_dir=data_dir,
            is_durable=fsync is not FsyncPolicy.NEVER,
        )
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._valid_length = 0
        self._opened_ns = 0
        self._age_from_ns = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a file to append to; if not, start one."""
        return self._descriptor is not None

    @property
    def path(self) -> Path | None:
        """The open file, or the last one."""
        return self._path

    @property
    def valid_length(self) -> int:
        """Length in bytes of what that file holds for good: its head and every frame appended."""
        return self._valid_length

    @property
    def opened_ns(self) -> int:
        """When that file was started, Unix nanoseconds."""
        return self._opened_ns

    def start_file(self, now_ns: int, head: Sequence[bytes]) -> Path:
        """Create a file that holds `head` from its first moment on.

        Parameters
        ----------
        now_ns : int
            Its second names the file, or the next one that is not taken.
        head : Sequence[bytes]
            The session frame and the status frame.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; then no file is open, and none without a head is there to be seen.
        """
        self._require_closed()
        data = b"".join(head)
        try:
            # Frames behind a file's valid length are written again to the next file: never both.
            self._cuts.finish()
            descriptor, path = self._creator.create(now_ns // NS_PER_S, data)
        except OSError as error:
            raise DiskTroubleError("start a file in", str(self._creator.data_dir), error) from error
        self._take(descriptor, path, len(data), now_ns)
        return path

    def append(self, frames: Sequence[bytes]) -> None:
        """Append whole frames: all of them, or none.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; the file then ends where it ended before. Append the same frames again later,
            to a new file when `is_open` has become false.
        """
        descriptor, path = self._require_open()
        self._find(descriptor, path)
        end = self._valid_length
        try:
            for frame in frames:
                self._operations.write(descriptor, frame, end)
                end += len(frame)
        except OSError as error:
            self._cut_back(descriptor, path)
            raise DiskTroubleError("write to", str(path), error) from error
        if self._fsync is FsyncPolicy.FRAME:
            self._sync(descriptor, path)
        self._valid_length = end

    def resume(self, path: Path, valid_length: int) -> bytes:
        """Open a file again to go on behind its first `valid_length` bytes.

        Returns
        -------
        bytes
            What stood behind them and has been cut off.

        Raises
        ------
        ArchiveFileTooShortError
            When the file ends before `valid_length`; it is left as it is.
        DiskTroubleError
            When the disk refuses; `errno` is ENOENT when the file is gone.
        """
        self._require_closed()
        try:
            descriptor = self._operations.open_existing(path)
        except OSError as error:
            raise DiskTroubleError("open", str(path), error) from error
        try:
            tail = self._cut_tail(descriptor, path, valid_length)
        except (OSError, ArchiveFileTooShortError) as error:
            self._close_quietly(descriptor)
            if isinstance(error, OSError):
                raise DiskTroubleError("cut back", str(path), error) from error
            raise
        self._take(descriptor, path, valid_length, int(path.stem) * NS_PER_S)
        return tail

    def salvage(self, path: Path) -> bytes:
        """End a file whose valid length is not known behind its last whole frame; one without a head is removed.

        Returns
        -------
        bytes
            What has been cut off.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; `errno` is ENOENT when the file is gone.
        """
        self._require_closed()
        try:
            return cut_to_whole_frames(self._operations, path)
        except OSError as error:
            raise DiskTroubleError("cut back", str(path), error) from error

    def finish_cuts(self) -> None:
        """Cut off what a refused append has left behind and could not cut off at once, if there is such a thing.

        Raises
        ------
        DiskTroubleError
            When the disk still refuses.
        """
        try:
            self._cuts.finish()
        except OSError as error:
            raise DiskTroubleError("cut back", str(self._path), error) from error

    def close(self) -> None:
        """Close the open file, durable unless the policy is ``never``; without one do nothing.

        Raises
        ------
        DiskTroubleError
            When the disk refuses; the file is closed all the same, but its newest bytes may be lost.
        """
        if self._descriptor is None:
            return
        descriptor, path = self._require_open()
        self._descriptor = None
        try:
            if self._fsync is not FsyncPolicy.NEVER:
                self._operations.sync(descriptor)
        except OSError as error:
            self._close_quietly(descriptor)
            raise DiskTroubleError("make durable", str(path), error) from error
        try:
            self._operations.close(descriptor)
        except OSError as error:
            raise DiskTroubleError("close", str(path), error) from error

    def must_rotate(self, now_ns: int, time_per_file_s: float, max_file_bytes: int) -> bool:
        """Tell whether the open file has reached its age, its size or the end of its ctime5 folder.

        A clock that steps back makes no file old: age counts from the earliest time that was seen.
        """
        if self._path is None or not self.is_open:
            return False
        self._age_from_ns = min(self._age_from_ns, now_ns)
        now_s = now_ns // NS_PER_S
        # A taken second names a file after the next one, which may be in a folder that has not begun.
        folder_is_over = now_s > int(self._path.stem) and str(now_s)[:5] != self._path.parent.name
        return (
            folder_is_over
            or self._valid_length >= max_file_bytes
            or now_ns - self._age_from_ns >= time_per_file_s * NS_PER_S
        )

    def _require_closed(self) -> None:
        if self._descriptor is not None:
            raise RuntimeError(f"{self._path} is still open")

    def _require_open(self) -> tuple[int, Path]:
        if self._descriptor is None or self._path is None:
            raise RuntimeError("no file of the archive is open")
        return self._descriptor, self._path

    def _take(self, descriptor: int, path: Path, valid_length: int, opened_ns: int) -> None:
        self._descriptor, self._path, self._valid_length = descriptor, path, valid_length
        self._opened_ns = self._age_from_ns = opened_ns

    def _find(self, descriptor: int, path: Path) -> None:
        # Writes to a file that somebody has removed succeed, and nobody will ever read them.
        try:
            self._operations.find(path)
        except OSError as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                self._abandon(descriptor)
            raise DiskTroubleError("find", str(path), error) from error

    def _cut_back(self, descriptor: int, path: Path) -> None:
        try:
            self._operations.truncate(descriptor, self._valid_length)
        except OSError:
            self._abandon(descriptor)
            self._cuts.add(path, self._valid_length)

    def _sync(self, descriptor: int, path: Path) -> None:
        try:
            self._operations.sync(descriptor)
        except OSError as error:
            # The kernel forgets what it could not write, so a second fsync that succeeds would mean nothing.
            self._abandon(descriptor)
            self._cuts.add(path, self._valid_length)
            raise DiskTroubleError("make durable", str(path), error) from error

    def _cut_tail(self, descriptor: int, path: Path, valid_length: int) -> bytes:
        length = self._operations.size(descriptor)
        if length < valid_length:
            raise ArchiveFileTooShortError(str(path), length, valid_length)
        tail = self._operations.read(descriptor, valid_length, length - valid_length)
        if tail:
            self._operations.truncate(descriptor, valid_length)
        return tail

    def _abandon(self, descriptor: int) -> None:
        self._descriptor = None
        self._close_quietly(descriptor)

    def _close_quietly(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            self._operations.close(descriptor)
