"""Tells what is in .g3 files and folders of them: ``hkagg inspect PATH... [--json]``.

With ``--json`` one object goes to stdout, whose keys are stable; times are Unix seconds, null when there are none:

``files`` : list
    ``path``, ``size_bytes``, ``frames`` (``session``, ``status``, ``data``, ``other``), ``session_ids``,
    ``hkagg_versions``, ``rows`` (of all blocks added up), ``first_s``, ``last_s``, ``remarks`` (list of str).
``blocks`` : list
    One per feed and block: ``address``, ``block``, ``providers`` (list of [session_id, prov_id]), ``fields`` (list
    of ``name`` and ``types``, of which a clean archive has one per field: bool, int, double or string), ``rows``,
    ``first_s``, ``last_s``, ``rate_hz`` (null with fewer than two rows).
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
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from aggregator.errors import NotAnArchiveFileError
from writer.survey import G3_PER_S, BlockSurvey, FileSurvey, Span, Survey
from writer.survey_view import render

CLEAN, UNREADABLE = 0, 2
PIPED_WIDTH = 200
"""Columns when nobody watches: wide enough that no line of a table is folded as a rule."""


def main(argv: list[str]) -> int:
    """Run the command.

    Returns
    -------
    int
        0, or 2 when something could not be read; whatever else could be is shown all the same.
    """
    arguments = _parser().parse_args(argv)
    survey = Survey()
    errors = _survey(survey, arguments.paths)
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(survey, errors), allow_nan=False, indent=1) + "\n")
    elif survey.files:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PIPED_WIDTH
        console.print(render(survey))
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
    }


def _span_json(span: Span) -> dict[str, Any]:
    first, last = span.first_g3, span.last_g3
    return {
        "rows": span.rows,
        "first_s": None if first is None else first / G3_PER_S,
        "last_s": None if last is None else last / G3_PER_S,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hkagg inspect",
        description="Tell what is in .g3 files: feeds, blocks, fields, types, rows, spans and rates.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a .g3 file or a folder of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return parser


def _survey(survey: Survey, paths: list[Path]) -> list[str]:
    errors: list[str] = []
    files = list(dict.fromkeys(_files(paths, errors)))
    with _progress(files) as progress:
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


@contextmanager
def _progress(files: list[Path]) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    total = sum(path.stat().st_size for path in files if path.is_file())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=total)
        yield partial(progress.advance, task)
