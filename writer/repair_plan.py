"""Decides what can be done for a file with damaged bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from writer.archive_tree import SUFFIX
from writer.framescan import FrameSpan
from writer.rescan import scan_past_damage


class Action(str, Enum):
    """What to do with a file."""

    NONE = "none"
    CUT = "cut"
    SET_ASIDE = "set-aside"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a file was when it was looked at, to see whether it still is.

    Parameters
    ----------
    device, inode, size_bytes, modified_ns : int
        As `os.stat` tells them.
    """

    device: int
    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Identity:
        """Take it from what `os.stat` says."""
        return cls(device=stat.st_dev, inode=stat.st_ino, size_bytes=stat.st_size, modified_ns=stat.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What can be done for a file.

    Parameters
    ----------
    path : Path
        The file.
    action : Action
        What to do.
    end : int
        Where its last whole frame ends, and where it is to be cut.
    identity : Identity
        The file as it was.
    text : str
        Why, in words.
    """

    path: Path
    action: Action
    end: int
    identity: Identity
    text: str

    @property
    def cut_bytes(self) -> int:
        """How many bytes go out of the archive."""
        return self.identity.size_bytes - self.end if self.action in (Action.CUT, Action.SET_ASIDE) else 0


def make_plan(path: Path, progress: Callable[[int], None]) -> Plan:
    """Look at a file and decide.

    Parameters
    ----------
    path : Path
        The file.
    progress : Callable[[int], None]
        Told how many bytes were gone through, again and again.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    identity = Identity.of(path.stat())
    scan = _Scan()
    for span in scan_past_damage(path):
        scan.add(span)
        progress(span.length)
    action, text = _decide(path, scan, identity.size_bytes)
    return Plan(path=path, action=action, end=scan.end, identity=identity, text=text)


class _Scan:
    """What matters of a file's frames: the first damage and what is whole before and behind it."""

    def __init__(self) -> None:
        self.end = self.whole = self.whole_behind = self.frames = 0
        self.damage: FrameSpan | None = None
        self.damage_frame = 0

    def add(self, span: FrameSpan) -> None:
        if span.ok:
            self.whole += 1
            self.whole_behind += self.damage is not None
            self.end = span.end
        elif self.damage is None:
            self.damage, self.damage_frame = span, self.frames
        self.frames += 1


def _decide(path: Path, scan: _Scan, size_bytes: int) -> tuple[Action, str]:
    if scan.damage is None or scan.damage.fault is None:
        return Action.NONE, "whole"
    where = f"frame {scan.damage_frame}, byte {scan.damage.offset}: {scan.damage.fault.value}"
    if scan.whole_behind:
        frames = "1 whole frame follows" if scan.whole_behind == 1 else f"{scan.whole_behind:,} whole frames follow"
        return Action.LEAVE, f"{where}; {frames}, which a cut would lose: bring the file back from a copy"
    if scan.whole:
        return Action.CUT, f"{where}; {size_bytes - scan.end:,} bytes behind the last whole frame"
    if path.suffix == SUFFIX and path.stem.isascii() and path.stem.isdecimal():
        return Action.SET_ASIDE, f"{where}; there is not one whole frame in {size_bytes:,} bytes"
    return Action.LEAVE, f"{where}; there is not one whole frame in it: this is no file of an archive"
