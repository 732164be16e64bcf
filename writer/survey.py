"""Goes through files of an archive and adds up what is in them, feed by feed and block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import NotAnArchiveFileError
from writer.frames import DATA, HKAGG_VERSION, SESSION, STATUS
from writer.framescan import FrameSpan, read_frames
from writer.g3 import HOUSEKEEPING, Frame, column_type, frame_from_bytes, times_g3
from writer.pauses import PauseFinder

G3_PER_S = 100_000_000
FRAME_KINDS = {SESSION: "session", STATUS: "status", DATA: "data"}


@dataclass(slots=True)
class Span:
    """When the rows of something were sampled.

    Parameters
    ----------
    rows : int
        How many.
    first_g3, last_g3 : int or None
        Earliest and latest timestamp, counts of 10 ns since 1970; None without rows.
    """

    rows: int = 0
    first_g3: int | None = None
    last_g3: int | None = None

    def add(self, times: NDArray[np.int64]) -> None:
        """Add rows in any order."""
        if len(times):
            self.include(Span(len(times), int(times.min()), int(times.max())))

    def include(self, other: Span) -> None:
        """Add the rows of another span."""
        if other.first_g3 is None or other.last_g3 is None:
            return
        self.rows += other.rows
        self.first_g3 = other.first_g3 if self.first_g3 is None else min(self.first_g3, other.first_g3)
        self.last_g3 = other.last_g3 if self.last_g3 is None else max(self.last_g3, other.last_g3)


@dataclass(slots=True, kw_only=True)
class BlockSurvey:
    """One block of one feed, in all files together.

    Parameters
    ----------
    address : str
        The feed's full address.
    block : str
        The block's name.
    providers : set[tuple[int, int]]
        session_id and prov_id of each provider that had it.
    fields : dict[str, set[str]]
        Each field's types, as `writer.g3.COLUMN_TYPES` calls them.
    span : Span
        Its rows.
    pauses : PauseFinder
        Where they stay away.
    """

    address: str
    block: str
    providers: set[tuple[int, int]] = field(default_factory=set)
    fields: dict[str, set[str]] = field(default_factory=dict)
    span: Span = field(default_factory=Span)
    pauses: PauseFinder = field(default_factory=PauseFinder)
    _intervals: int = field(default=0, init=False)
    _covered_g3: int = field(default=0, init=False)

    def add(self, provider: tuple[int, int], samples: Frame, times: NDArray[np.int64]) -> None:
        """Add rows of one frame, whose times are given."""
        self.providers.add(provider)
        for name in samples.keys():  # noqa: SIM118 - a G3 map is no mapping
            self.fields.setdefault(name, set()).add(column_type(samples[name]))
        self.span.add(times)
        self.pauses.add(times)
        if len(times):
            self._intervals += len(times) - 1
            self._covered_g3 += int(times.max()) - int(times.min())

    @property
    def rate_hz(self) -> float | None:
        """Rows per second while there were any: pauses between frames do not count, unless each has one row."""
        if self._covered_g3:
            return self._intervals / self._covered_g3 * G3_PER_S
        first, last = self.span.first_g3, self.span.last_g3
        if first is None or last is None or first == last:
            return None
        return (self.span.rows - 1) / (last - first) * G3_PER_S


@dataclass(slots=True, kw_only=True)
class FileSurvey:
    """One file.

    Parameters
    ----------
    path : Path
        Its name.
    size_bytes : int
        Its length.
    frames : Counter[str]
        How many of each kind: session, status, data, other.
    session_ids : set[int]
        Sessions whose frames it holds.
    versions : set[int]
        Their hkagg_version.
    span : Span
        Its rows, those of all blocks added up.
    remarks : list[str]
        What is wrong with it, in words.
    """

    path: Path
    size_bytes: int = 0
    frames: Counter[str] = field(default_factory=Counter)
    session_ids: set[int] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)
    span: Span = field(default_factory=Span)
    remarks: list[str] = field(default_factory=list)


class Survey:
    """What is in some files.

    Parameters
    ----------
    start_g3, end_g3 : int or None
        The span of which rows count, counts of 10 ns since 1970; the end is not part of it.

    Attributes
    ----------
    files : list[FileSurvey]
        In the order in which they were added; with a span only those that have rows in it or are damaged.
    blocks : dict[tuple[str, str], BlockSurvey]
        By feed address and block name.
    """

    def __init__(self, start_g3: int | None = None, end_g3: int | None = None) -> None:
        self._start_g3, self._end_g3 = start_g3, end_g3
        self.files: list[FileSurvey] = []
        self.blocks: dict[tuple[str, str], BlockSurvey] = {}

    def add(self, path: Path, progress: Callable[[int], None] | None = None) -> FileSurvey:
        """Add a file, up to where it can be read.

        Parameters
        ----------
        path : Path
            Any file.
        progress : Callable[[int], None], optional
            Told how many bytes were gone through, again and again.

        Raises
        ------
        NotAnArchiveFileError
            When there is not one whole frame in it.
        OSError
            When it cannot be opened or read.
        """
        survey = FileSurvey(path=path, size_bytes=path.stat().st_size)
        for span, data in read_frames(path):
            self._add_frame(survey, span, data)
            if progress:
                progress(span.length)
        if not survey.frames:
            raise NotAnArchiveFileError(str(path), survey.remarks[0] if survey.remarks else "it is empty")
        has_span = self._start_g3 is not None or self._end_g3 is not None
        if survey.span.rows or survey.remarks or not has_span:
            self.files.append(survey)
        return survey

    def _add_frame(self, survey: FileSurvey, span: FrameSpan, data: bytes) -> None:
        if span.fault is not None:
            survey.remarks.append(f"{span.fault.value}, at byte {span.offset}: {span.length} bytes are not listed")
        elif span.type != HOUSEKEEPING:
            survey.frames["other"] += 1
        else:
            try:
                self._add_housekeeping(survey, frame_from_bytes(data))
            except (RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
                survey.remarks.append(f"the frame at byte {span.offset} is no HK frame: {type(error).__name__} {error}")

    def _add_housekeeping(self, survey: FileSurvey, frame: Frame) -> None:
        version = frame.get("hkagg_version", 0)
        session_id = int(frame["session_id"])
        kind = FRAME_KINDS.get(frame["hkagg_type"], "other")
        if version != HKAGG_VERSION and version not in survey.versions:
            survey.remarks.append(
                f"its frames have hkagg_version {version}: blocks are listed of version {HKAGG_VERSION} only"
            )
        survey.versions.add(version)
        survey.session_ids.add(session_id)
        if kind == "data" and version == HKAGG_VERSION:
            self._add_rows(survey, session_id, frame)
        survey.frames[kind] += 1

    def _add_rows(self, survey: FileSurvey, session_id: int, frame: Frame) -> None:
        address, provider = frame["address"], (session_id, int(frame["prov_id"]))
        for name, samples in zip(frame["block_names"], frame["blocks"], strict=True):
            every = times_g3(samples)
            times = self._in_span(every)
            if len(every) and not len(times):
                continue
            block = self.blocks.setdefault((address, name), BlockSurvey(address=address, block=name))
            block.add(provider, samples, times)
            survey.span.add(times)

    def _in_span(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._start_g3 is not None:
            times = times[times >= self._start_g3]
        return times if self._end_g3 is None else times[times < self._end_g3]
