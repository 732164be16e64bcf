"""Checks one file of an archive against everything that its readers rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from writer.block_rules import BlockRules
from writer.findings import Findings, Place
from writer.frame_rules import FrameRules
from writer.framescan import FrameFault, FrameSpan, read_frames
from writer.g3 import HOUSEKEEPING, Frame, frame_from_bytes
from writer.rescan import scan_past_damage
from writer.rules import Rule
from writer.streams import FileStreams, Streams

FAULT_RULES = {
    FrameFault.ZEROS: Rule.ZERO_BYTES,
    FrameFault.NOT_A_FRAME: Rule.NOT_A_FRAME,
    FrameFault.CUT_SHORT: Rule.FRAME_TORN,
    FrameFault.CHECKSUM: Rule.CHECKSUM,
}
SUFFIX = ".g3"
PROGRESS_BYTES = 1 << 22


@dataclass(slots=True, kw_only=True)
class FileReport:
    """What a check of one file found.

    Parameters
    ----------
    path : Path
        The file.
    size_bytes : int
        Its length, as far as it was read.
    frames : int
        Its frames, whole or not.
    rows : int
        The rows of all its blocks; 0 when only its structure was checked.
    findings : Findings
        What is wrong.
    streams : Streams
        Where rows and types begin and end, to be compared with those of other files.
    error : str or None
        Why the file could not be read.
    """

    path: Path
    size_bytes: int = 0
    frames: int = 0
    rows: int = 0
    findings: Findings = field(default_factory=Findings)
    streams: Streams = field(default_factory=Streams)
    error: str | None = None


OnFrame = Callable[[Frame, Place], None]


class FileCheck:
    """The check of one file.

    Parameters
    ----------
    path : Path
        The file.
    is_placed : bool
        Whether it is in an archive, so that its name and folder matter.
    """

    def __init__(self, path: Path, *, is_placed: bool = True) -> None:
        self.report = FileReport(path=path)
        self._frame: int | None = None
        self._offset: int | None = None
        self._is_placed = is_placed
        self._streams = FileStreams(self.report.findings)

    def run(
        self,
        *,
        structure_only: bool = False,
        progress: Callable[[int], None] | None = None,
        on_frame: OnFrame | None = None,
    ) -> FileReport:
        """Check the file.

        Parameters
        ----------
        structure_only : bool
            Whether to leave out what is in the frames.
        progress : Callable[[int], None], optional
            Told how many bytes were gone through, again and again.
        on_frame : Callable, optional
            Shown each frame that is sound.
        """
        folder = self._check_place() if self._is_placed else ""
        spans = self._spans(progress or (lambda _: None))
        try:
            if structure_only:
                for _ in spans:
                    pass
            else:
                self._check_contents(spans, folder, on_frame)
        except OSError as error:
            self.report.error = f"{self.report.path}: {error.strerror or error}"
        self.report.streams = self._streams.streams
        return self.report

    @property
    def _place(self) -> Place:
        return Place(path=str(self.report.path), frame=self._frame, offset=self._offset)

    def _add(self, rule: Rule, text: str) -> None:
        self.report.findings.add(rule, self._place, text)

    def _check_place(self) -> str:
        path = self.report.path
        stem, folder = path.stem, path.absolute().parent.name
        if path.suffix != SUFFIX or not (stem.isascii() and stem.isdecimal()):
            self._add(Rule.FILE_NAME, "its name is not a whole number of seconds and .g3")
        elif stem[:5] != folder:
            self._add(Rule.FOLDER, f"it belongs into folder {stem[:5]}")
        return folder if stem[:5] == folder else ""

    def _spans(self, progress: Callable[[int], None]) -> Iterator[FrameSpan]:
        told = 0
        for number, span in enumerate(scan_past_damage(self.report.path)):
            self._frame, self._offset = number, span.offset
            if span.fault is not None:
                self._add(FAULT_RULES[span.fault], f"{span.fault.value}, {span.length} bytes")
            elif span.type != HOUSEKEEPING:
                self._add(Rule.FRAME_TYPE, f"a frame of type {span.type!r} instead of {HOUSEKEEPING!r}")
            yield span
            if span.offset - told >= PROGRESS_BYTES:
                progress(span.offset - told)
                told = span.offset
        if self._frame is not None:
            self.report.frames, self.report.size_bytes = self._frame + 1, span.end
        progress(self.report.size_bytes - told)
        self._frame = self._offset = None

    def _check_contents(self, spans: Iterator[FrameSpan], folder: str, on_frame: OnFrame | None) -> None:
        stem = self.report.path.stem
        ctime_s = int(stem) if self._is_placed and stem.isascii() and stem.isdecimal() else None
        rules = FrameRules(self._add, BlockRules(self._add, self._follow, ctime_s), folder)
        for span, data in read_frames(self.report.path, spans):
            frame = self._load(data) if span.ok and span.type == HOUSEKEEPING else None
            if frame is not None and self._check_frame(rules, frame) and on_frame is not None:
                on_frame(frame, self._place)
        rules.finish()

    def _check_frame(self, rules: FrameRules, frame: Frame) -> bool:
        try:
            return rules.check(frame)
        except (RuntimeError, KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
            # The G3 library's objects may hold anything, nested as anybody likes.
            self._add(Rule.FRAME_KEYS, f"its content is not that of its kind: {type(error).__name__} {error}")
            return False

    def _load(self, data: bytes) -> Frame | None:
        try:
            return frame_from_bytes(data)
        except RuntimeError as error:
            self._add(Rule.UNREADABLE, f"the G3 library cannot read the frame: {error}")
            return None

    def _follow(
        self, prov_id: int, address: str, block: str, times: NDArray[np.int64], columns: dict[str, str]
    ) -> None:
        self.report.rows += len(times)
        self._streams.add(self._place, prov_id=prov_id, address=address, block=block, times_g3=times, columns=columns)
