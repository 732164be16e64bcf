"""Plots fields against time: ``hkagg plot PATH FIELD...``."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from aggregator.errors import NoDisplayError, NothingToPlotError, SettingsError, UnreadableArchiveError
from aggregator.manual import ManualFormatter
from writer.archive_tree import find_files
from writer.catalogue import Catalogue
from writer.field_match import match_fields
from writer.progress import bytes_progress
from writer.series import Series, read_series
from writer.survey_view import printable
from writer.time_span import TIMES_HELP, add_span_arguments, span_of

DESCRIPTION = """\
Plot fields of an HK archive against time, to a file or in a window. Fields that differ by digits only share a panel,
others get their own, one below the other; strings and booleans are drawn as steps. Of very many points, the least and
the greatest of each pixel's span are drawn, so that no peak is lost. Where rows are missing, the line is broken.

A field is named in full, as so3g has it (observatory.lab.feeds.temps.channel_01), or by some of its words in their
order (lab.channel_01), as far as only one field has them. A * stands for anything, and takes all fields that match."""

EPILOG = f"""\
{TIMES_HELP}

exit codes:
  0  done
  2  something was not found or cannot be read or written

examples:
  hkagg plot /data/hk --list
  hkagg plot /data/hk lab.channel_01 -o temperature.png
  hkagg plot /data/hk 'lab.channel_*' acu.az --start 2026-11-23T18:00 --end 2026-11-23T19:00 -o night.png
  hkagg plot /data/hk/17953/1795372200.g3 moving"""


def main(argv: list[str]) -> int:
    """Run the command.

    Returns
    -------
    int
        0.

    Raises
    ------
    HkaggError
        When a field, a row, a file or a screen is not there.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if not arguments.fields and not arguments.list:
        parser.error("name a field, or see them with --list")
    paths = _files(arguments)
    catalogue = _catalogue(paths)
    if arguments.list:
        sys.stdout.write("".join(f"{printable(field)}\n" for field in catalogue.fields))
        return 0
    if not catalogue.fields:
        raise NothingToPlotError("any field", _span(arguments))
    series = _series(catalogue, match_fields(arguments.fields, catalogue.fields), arguments)
    if catalogue.damaged:
        sys.stderr.write(f"hkagg plot: {catalogue.damaged} damaged frames are left out: see 'hkagg verify'\n")
    if arguments.output is None:
        _show(series)
    else:
        _save(series, arguments.output)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg plot", description=DESCRIPTION, epilog=EPILOG, formatter_class=ManualFormatter
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="a .g3 file, or a folder of any depth")
    parser.add_argument("fields", nargs="*", metavar="FIELD", help="a full or short name, or one with *")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write a .png, .pdf or .svg file (default: a window)"
    )
    add_span_arguments(parser)
    parser.add_argument("--list", action="store_true", help="list the full names of all fields instead")
    return parser


def _files(arguments: argparse.Namespace) -> list[Path]:
    tree = find_files([arguments.path])
    if tree.errors:
        raise UnreadableArchiveError(tree.errors[0])
    span = span_of(arguments)
    return [path for path in tree.files if span.may_be_in(path)]


def _catalogue(paths: list[Path]) -> Catalogue:
    catalogue = Catalogue()
    with bytes_progress("looking", paths) as progress:
        for path in paths:
            try:
                catalogue.add(path, progress)
            except OSError as error:
                raise UnreadableArchiveError(f"{path}: {error.strerror or error}") from error
    return catalogue


def _series(catalogue: Catalogue, fields: list[str], arguments: argparse.Namespace) -> list[Series]:
    span = span_of(arguments)
    frames = catalogue.frames_of(fields)
    try:
        series = read_series(frames, fields, start_g3=span.start_g3, end_g3=span.end_g3)
    except OSError as error:
        raise UnreadableArchiveError(f"{error.filename or arguments.path}: {error.strerror or error}") from error
    if not any(len(each.times_g3) for each in series):
        raise NothingToPlotError(", ".join(fields), _span(arguments))
    return series


def _span(arguments: argparse.Namespace) -> str:
    if arguments.start is None and arguments.end is None:
        return "at all"
    words = [("from", arguments.start), ("to", arguments.end)]
    return " ".join(f"{word} {_utc(time_s)}" for word, time_s in words if time_s is not None)


def _utc(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat(" ", "seconds").removesuffix("+00:00") + " UTC"


def _save(series: list[Series], path: Path) -> None:
    from writer.plotting import save  # noqa: PLC0415 - matplotlib takes a second to load, which errors need not wait for

    try:
        save(series, path)
    except ValueError as error:
        raise SettingsError(f"cannot write {path}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror or error}") from error
    sys.stderr.write(f"{path}\n")


def _show(series: list[Series]) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    from writer.plotting import draw  # noqa: PLC0415

    if plt.get_backend().lower() == "agg":
        raise NoDisplayError
    draw(plt.figure(), series)
    plt.show()
