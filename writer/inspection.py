"""Tells what is in .g3 files and folders of them: ``hkagg inspect PATH... [--json]``.

With ``--json`` one object goes to stdout, whose keys are stable; times are Unix seconds, null when there are none:

``files`` : list
    ``path``, ``size_bytes``, ``frames`` (``session``, ``status``, ``data``, ``other``), ``session_ids``,
    ``hkagg_versions``, ``rows`` (of all blocks added up), ``first_s``, ``last_s``, ``remarks`` (list of str).
``blocks`` : list
    One per feed and block: ``address``, ``block``, ``providers`` (list of [session_id, prov_id]), ``fields`` (list
    of ``name`` and ``types``, of which a clean archive has one per field: bool, int, double or string), ``rows``,
    ``first_s``, ``last_s``, ``rate_hz`` (null with fewer than two rows), ``gaps`` (list of [from_s, to_s], the times
    of the rows before and behind a step of more than five usual ones).
``total`` : object
    ``files``, ``size_bytes``, ``frames``, ``rows``.
``errors`` : list of str
    What could not be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from aggregator.errors import NotAnArchiveFileError
from aggregator.manual import ManualFormatter
from writer.progress import bytes_progress
from writer.survey import G3_PER_S, BlockSurvey, FileSurvey, Span, Survey
from writer.survey_view import render
from writer.time_span import TIMES_HELP, TimeSpan, add_span_arguments, span_of

CLEAN, UNREADABLE = 0, 2
DESCRIPTION = """\
Tell what is in .g3 files of housekeeping data: feeds, blocks, fields, their types, rows, spans, rates and gaps, and the
files with their sizes and frames. It works on any HK archive, that of OCS's own aggregator included.

A gap is a step between two rows that is longer than five usual ones of the block."""

EPILOG = f"""\
{TIMES_HELP}

exit codes:
  0  done
  2  something could not be read; what could be is shown all the same

examples:
  hkagg inspect /data/hk/17000
  hkagg inspect /data/hk --start 2026-11-23T18:00 --end 2026-11-23T19:00
  hkagg inspect /data/hk/17000/1700012345.g3 --json"""

PIPED_WIDTH = 200
"""Columns when nobody watches: wide enough that no line of a table is folded as a rule."""


def main(argv: list[str]) -> int:
    """Run the command.

    Returns
    -------
    int
        0, or 2 when something could not be read; whatever else could be is shown all the same.
    """
    arguments = make_parser().parse_args(argv)
    span = span_of(arguments)
    survey = Survey(span.start_g3, span.end_g3)
    errors = _survey(survey, arguments.paths, span)
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(survey, errors), allow_nan=False, indent=1) + "\n")
    elif survey.files:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PIPED_WIDTH
        console.print(render(survey))
    elif not errors:
        sys.stdout.write("there are no rows in this span\n")
    for error in errors:
        sys.stderr.write(f"hkagg inspect: {error}\n")
    return UNREADABLE if errors else CLEAN


def as_json(survey: Survey, errors: list[str]) -> dict[str, Any]:
    """Reduce a survey to what ``--json`` prints; see the module's docstring for the keys."""
    return {
        "files": [_file_json(file) for file in survey.files],
        "blocks": [_block_json(survey.blocks[key]) for key in sorted(survey.blocks)],
        "total": {
            "files": len(survey.files),
            "size_bytes": sum(file.size_bytes for file in survey.files),
            "frames": sum(file.frames.total() for file in survey.files),
            "rows": sum(file.span.rows for file in survey.files),
        },
        "errors": errors,
    }


def _file_json(file: FileSurvey) -> dict[str, Any]:
    return {
        "path": str(file.path),
        "size_bytes": file.size_bytes,
        "frames": {kind: file.frames[kind] for kind in ("session", "status", "data", "other")},
        "session_ids": sorted(file.session_ids),
        "hkagg_versions": sorted(file.versions),
        **_span_json(file.span),
        "remarks": file.remarks,
    }


def _block_json(block: BlockSurvey) -> dict[str, Any]:
    return {
        "address": block.address,
        "block": block.block,
        "providers": sorted(map(list, block.providers)),
        "fields": [{"name": name, "types": sorted(types)} for name, types in block.fields.items()],
        **_span_json(block.span),
        "rate_hz": block.rate_hz,
        "gaps": [[begin / G3_PER_S, end / G3_PER_S] for begin, end in block.pauses.pauses],
    }


def _span_json(span: Span) -> dict[str, Any]:
    first, last = span.first_g3, span.last_g3
    return {
        "rows": span.rows,
        "first_s": None if first is None else first / G3_PER_S,
        "last_s": None if last is None else last / G3_PER_S,
    }


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg inspect", description=DESCRIPTION, epilog=EPILOG, formatter_class=ManualFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a .g3 file or a folder of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    add_span_arguments(parser)
    return parser


def _survey(survey: Survey, paths: list[Path], time_span: TimeSpan) -> list[str]:
    errors: list[str] = []
    found = dict.fromkeys(_files(paths, errors))
    files = [path for path in found if path in paths or time_span.may_be_in(path)]
    with bytes_progress("reading", files) as progress:
        errors += [error for path in files if (error := _add(survey, path, progress))]
    return errors


def _add(survey: Survey, path: Path, progress: Callable[[int], None]) -> str | None:
    try:
        survey.add(path, progress)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    except NotAnArchiveFileError as error:
        return str(error)
    return None


def _files(paths: list[Path], errors: list[str]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.rglob("*.g3"))
        if not found:
            errors.append(f"{path}: there is no .g3 file in this folder")
        yield from found
