"""Checks files and whole archives against everything that their readers rely on, so3g's own check included."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from pathlib import Path

from writer.file_check import FileCheck
from writer.findings import Finding, Place
from writer.g3 import Frame, HKScanner
from writer.rules import Rule

__all__ = ["Tolerance", "check_archive", "check_file"]


class Tolerance(Enum):
    """What a caller may know to be in the recorded data itself and no fault of the recorder."""

    WIDENING = "a column that widens from bool to int to double within a provider"
    EQUAL_TIMES = "rows of a block with the same timestamp"
    SCANNER_WARNINGS = "warnings of so3g's HKScanner, as when a feed's clock is off"


_TOLERATED = {
    Tolerance.WIDENING: {Rule.TYPE_WIDENING},
    Tolerance.EQUAL_TIMES: {Rule.ROW_REPEAT},
    Tolerance.SCANNER_WARNINGS: {
        Rule.SCANNER_WARNING,
        Rule.PROVIDER_RETURNS,
        Rule.FRAME_ORDER,
        Rule.FRAME_EARLY,
        Rule.FRAME_TIME,
    },
}

_FEEDS_OWN = frozenset({Rule.TYPE_DRIFT, Rule.ROWS_OVERLAP, Rule.FILE_REACH})
"""What no recorder can help: a feed's types in another session, and its clock."""


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
    check = FileCheck(path)
    report = check.run(on_frame=_So3gCheck(check).show)
    tolerated = _FEEDS_OWN.union(*(_TOLERATED[each] for each in tolerate))
    faults = [_sentence(finding) for finding in report.findings.items if finding.rule not in tolerated]
    if report.error is not None:
        faults.append(f"{path}: it cannot be read: {report.error.removeprefix(f'{path}: ')}")
    return faults


def _sentence(finding: Finding) -> str:
    place = "" if finding.offset is None else f"byte {finding.offset}: "
    return f"{finding.path}: {place}{finding.text}"


class _So3gCheck:
    def __init__(self, check: FileCheck) -> None:
        self._findings = check.report.findings
        self._scanner = HKScanner()

    def show(self, frame: Frame, place: Place) -> None:
        concerns = self._scanner.stats["concerns"]
        before = dict(concerns)
        try:
            self._scanner(frame)
        except Exception as error:  # noqa: BLE001 - whatever so3g stumbles over is the finding
            text = f"so3g's HKScanner fails with {type(error).__name__}: {error}"
            self._findings.add(Rule.SCANNER_ERROR, place, text)
        for kind, rule in (("error", Rule.SCANNER_ERROR), ("warning", Rule.SCANNER_WARNING)):
            if new := concerns[f"n_{kind}"] - before[f"n_{kind}"]:
                self._findings.add(rule, place, f"so3g's HKScanner has {new} {kind}(s) to tell")
