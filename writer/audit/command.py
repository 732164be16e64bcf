"""The audit's command line and its report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aggregator.errors import ArchiveMissingError, HkaggError
from aggregator.ledger import LedgerEntry, read_ledger
from writer.audit.comparison import Comparison
from writer.audit.published import Published
from writer.audit.tally import FeedTally, Verdict
from writer.audit.users_view import UsersView
from writer.conformance import Tolerance, check_archive
from writer.frames import DATA
from writer.framescan import scan_frames
from writer.g3 import Frame, frame_from_bytes

_IN_THE_DATA = (Tolerance.WIDENING, Tolerance.EQUAL_TIMES)
_MOST_FAULTS_SHOWN = 10
_PIPED_WIDTH = 160
_COLUMNS = ("published", "archived", "missing", "doubled", "invented", "changed", "mistyped", "doubtful", "unfit")


def audit(data_dir: Path, entries: Iterable[LedgerEntry]) -> Verdict:
    """Hold an archive against what was published.

    Parameters
    ----------
    data_dir : Path
        The archive: every file under it counts.
    entries : Iterable[LedgerEntry]
        The messages.

    Returns
    -------
    Verdict
        What was found.

    Raises
    ------
    LedgerError
        When a ledger cannot be read.
    ArchiveMissingError
        When there is no archive.
    """
    if not data_dir.is_dir():
        raise ArchiveMissingError(str(data_dir))
    published = Published(entries)
    comparison, users_view = Comparison(published), UsersView()
    files = sorted(data_dir.rglob("*.g3"))
    for frame in chain.from_iterable(map(_data_frames, files)):
        comparison.take(frame)
        users_view.take(frame)
    published.count_missing()
    faults = check_archive(data_dir, tolerate=_IN_THE_DATA)
    # so3g stops at the first torn frame, which is a fault of its own and named already.
    if not faults:
        faults = users_view.faults(data_dir)
    return Verdict(feeds=dict(sorted(published.feeds.items())), faults=faults, files=len(files))


def _data_frames(path: Path) -> Iterator[Frame]:
    content = memoryview(path.read_bytes())
    for span in scan_frames(path):
        if span.ok:
            frame = frame_from_bytes(bytes(content[span.offset : span.end]))
            if frame["hkagg_type"] == DATA:
                yield frame


def verdict_line(verdict: Verdict) -> str:
    """Say in one line whether the archive is right.

    Parameters
    ----------
    verdict : Verdict
        What was found.

    Returns
    -------
    str
        For a person.
    """
    total = verdict.total
    if verdict.holds:
        return (
            f"Every one of {total.values:,} published values ({total.published:,} rows of "
            f"{len(verdict.feeds)} feeds) is in the archive exactly once, and nothing else is."
        )
    if not total.published:
        return "There is nothing in the ledgers, so there is nothing to say about the archive."
    wrong = [f"{getattr(total, name):,} rows {name}" for name in ("missing", "doubled", "invented", "changed")]
    wrong += [f"{total.mistyped:,} columns mistyped", f"{len(verdict.faults):,} faults of files"]
    found = ", ".join(each for each in wrong if not each.startswith("0 "))
    return f"The archive is NOT what was published: {found}."


def _table(verdict: Verdict, *, brief: bool) -> Table:
    table = Table(title=f"{verdict.files} files against the ledgers, in rows", title_justify="left")
    table.add_column("feed", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for address, tally in verdict.feeds.items():
        if brief and not tally.faults:
            continue
        table.add_row(address, *_cells(tally), style="red" if tally.faults else None)
    table.add_section()
    table.add_row("all feeds", *_cells(verdict.total), style="bold")
    return table


def _cells(tally: FeedTally) -> list[str]:
    return [f"{getattr(tally, name):,}" for name in _COLUMNS]


def _show(verdict: Verdict, console: Console, *, brief: bool) -> None:
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    console.print(_table(verdict, brief=brief))
    for fault in verdict.faults[:_MOST_FAULTS_SHOWN]:
        console.print(fault, style="red", markup=False)
    if len(verdict.faults) > _MOST_FAULTS_SHOWN:
        console.print(f"and {len(verdict.faults) - _MOST_FAULTS_SHOWN} more", style="red")
    console.print(verdict_line(verdict), style="bold green" if verdict.holds else "bold red")


def _as_json(verdict: Verdict) -> str:
    return json.dumps(
        {
            "holds": verdict.holds,
            "verdict": verdict_line(verdict),
            "files": verdict.files,
            "total": asdict(verdict.total),
            "feeds": {address: asdict(tally) for address, tally in verdict.feeds.items()},
            "faults": list(verdict.faults),
        }
    )


def main(argv: Sequence[str]) -> int:
    """Run the audit.

    Parameters
    ----------
    argv : Sequence[str]
        Its arguments.

    Returns
    -------
    int
        0 when the archive is what was published, 1 when it is not, 2 when something cannot be read.
    """
    parser = argparse.ArgumentParser(
        prog="python -m writer.audit", description="Check that an archive holds what was published, each value once."
    )
    parser.add_argument("data_dir", type=Path, metavar="DATA_DIR", help="the recorder's --data-dir")
    parser.add_argument(
        "--ledger", type=Path, action="append", required=True, help="of a publisher or witness; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--brief", action="store_true", help="leave out of the table what is right")
    arguments = parser.parse_args(argv)
    try:
        verdict = audit(arguments.data_dir, chain.from_iterable(map(read_ledger, arguments.ledger)))
    except HkaggError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 2
    if arguments.json:
        Console().print(_as_json(verdict), markup=False, highlight=False, soft_wrap=True)
    else:
        _show(verdict, Console(highlight=False), brief=arguments.brief)
    return 0 if verdict.holds else 1
