"""The span of time that a command is asked about: its arguments, and which files may have rows of it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from aggregator.errors import SettingsError

G3_PER_S = 100_000_000
REACH_S = 7200
"""Rows may be so far from the second that names their file."""

TIMES_HELP = """\
times:
  2026-11-23  2026-11-23T18:30  '2026-11-23 18:30:05.5'  2026-11-23T18:30+01:00
  1795372200  (Unix seconds; any other is UTC unless it says otherwise)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """A span of time, open where nothing is said.

    Parameters
    ----------
    start_s, end_s : float or None
        Unix seconds; the end is not part of it.
    """

    start_s: float | None
    end_s: float | None

    def __post_init__(self) -> None:
        if self.start_s is not None and self.end_s is not None and self.start_s >= self.end_s:
            raise SettingsError("--start is not before --end: there is nothing in between")

    @property
    def start_g3(self) -> int | None:
        """Its start, counts of 10 ns since 1970."""
        return None if self.start_s is None else round(self.start_s * G3_PER_S)

    @property
    def end_g3(self) -> int | None:
        """Its end, counts of 10 ns since 1970."""
        return None if self.end_s is None else round(self.end_s * G3_PER_S)

    def may_be_in(self, path: Path) -> bool:
        """Tell whether a file may have rows of it, by its name."""
        if not (path.stem.isascii() and path.stem.isdecimal()):
            return True
        ctime_s = int(path.stem)
        is_too_early = self.start_s is not None and ctime_s < self.start_s - REACH_S
        return not is_too_early and not (self.end_s is not None and ctime_s > self.end_s + REACH_S)


def add_span_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--start` and `--end`."""
    parser.add_argument("--start", type=unix_s, metavar="T", help="earliest time (default: all there is)")
    parser.add_argument("--end", type=unix_s, metavar="T", help="latest time, itself not included")


def span_of(arguments: argparse.Namespace) -> TimeSpan:
    """Return the span that parsed arguments mean.

    Raises
    ------
    SettingsError
        When it is empty.
    """
    return TimeSpan(start_s=arguments.start, end_s=arguments.end)


def unix_s(text: str) -> float:
    """Read a time as it is given on the command line.

    Returns
    -------
    float
        Unix seconds.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is no time.
    """
    for read in (float, _iso_s):
        try:
            time_s = read(text)
        except (ValueError, OverflowError):
            continue
        if abs(time_s) < 1e11:
            return time_s
    raise argparse.ArgumentTypeError(f"{text!r} is no time: write 2026-11-23T18:30 (UTC) or Unix seconds")


def _iso_s(text: str) -> float:
    # Python 3.10 does not know the Z.
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "Zz" else text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
