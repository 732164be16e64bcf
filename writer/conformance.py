"""Checks files and whole archives against everything that their readers rely on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from writer.frame_rules import FrameRules, Tolerance
from writer.framescan import FrameSpan, read_frames
from writer.g3 import HOUSEKEEPING, Frame, HKScanner, frame_from_bytes

__all__ = ["Tolerance", "check_archive", "check_file"]


def check_archive(data_dir: Path, *, tolerate: Collection[Tolerance] = ()) -> list[str]:
    """Check every file under a data directory, and that nothing else is there.

    Returns
    -------
    list[str]
        One sentence per fault, with file and byte offset; empty for a clean archive.
    """
    faults = []
    for folder in sorted(data_dir.iterdir()):
        if not (folder.is_dir() and folder.name.isdecimal()):
            faults.append(f"{folder}: readers expect only folders named by 5 digits here")
            continue
        for path in sorted(folder.iterdir()):
            faults += check_file(path, tolerate=tolerate)
    return faults


def check_file(path: Path, *, tolerate: Collection[Tolerance] = ()) -> list[str]:
    """Check one file: its place, its bytes, its frames, and what so3g's HKScanner says of them.

    Parameters
    ----------
    path : Path
        A file of an archive, in its ctime5 folder.
    tolerate : Collection[Tolerance]
        What is not to be reported.

    Returns
    -------
    list[str]
        One sentence per fault, with file and byte offset; empty for a clean file.
    """
    check = _FileCheck(path, tolerate)
    try:
        check.run()
    except OSError as error:
        check.report(f"it cannot be read: {error.strerror or error}")
    return check.faults


class _FileCheck:
    def __init__(self, path: Path, tolerate: Collection[Tolerance]) -> None:
        self.faults: list[str] = []
        self._path = path
        self._tolerate = tolerate
        self._scanner = HKScanner()

    def report(self, fault: str, offset: int | None = None) -> None:
        place = "" if offset is None else f"byte {offset}: "
        self.faults.append(f"{self._path}: {place}{fault}")

    def run(self) -> None:
        offset = 0
        rules = FrameRules(lambda fault: self.report(fault, offset), self._check_place(), self._tolerate)
        for span, data in read_frames(self._path):
            offset = span.offset
            frame = self._load(span, data)
            if frame is not None and rules.check(frame):
                self._show_to_so3g(frame, offset)
        rules.finish()

    def _check_place(self) -> str:
        stem, folder = self._path.stem, self._path.absolute().parent.name
        if self._path.suffix != ".g3" or not stem.isdecimal():
            self.report("its name is not a whole number of seconds and .g3")
        elif stem[:5] != folder:
            self.report(f"it belongs into folder {stem[:5]}")
        return folder if stem[:5] == folder else ""

    def _load(self, span: FrameSpan, data: bytes) -> Frame | None:
        if span.fault is not None:
            self.report(f"{span.fault.value}, {span.length} bytes", span.offset)
            return None
        if span.type != HOUSEKEEPING:
            self.report(f"a frame of type {span.type!r} instead of {HOUSEKEEPING!r}", span.offset)
            return None
        try:
            return frame_from_bytes(data)
        except RuntimeError as error:
            self.report(f"the G3 library cannot read the frame: {error}", span.offset)
            return None

    def _show_to_so3g(self, frame: Frame, offset: int) -> None:
        concerns = self._scanner.stats["concerns"]
        before = dict(concerns)
        try:
            self._scanner(frame)
        except Exception as error:  # noqa: BLE001 - whatever so3g stumbles over is the finding
            self.report(f"so3g's HKScanner fails with {type(error).__name__}: {error}", offset)
        for kind in ("n_error", "n_warning"):
            is_tolerated = kind == "n_warning" and Tolerance.SCANNER_WARNINGS in self._tolerate
            if (new := concerns[kind] - before[kind]) and not is_tolerated:
                self.report(f"so3g's HKScanner has {new} {kind.removeprefix('n_')}(s) to tell", offset)
