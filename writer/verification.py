"""Checks files against every rule that readers of an archive rely on: ``hkagg verify PATH...``.

With ``--json`` one object goes to stdout, whose keys are stable:

``faults``, ``remarks`` : list
    ``rule`` (its name), ``path``, ``frame`` (number in the file, from 0) and ``offset`` (of its first byte), both null
    for a file or folder as a whole, ``text``, and ``count``, which is above 1 where a remark, or the last fault of
    very many, stands for several places from there on.
``files`` : list
    ``path``, ``size_bytes``, ``frames``, ``rows`` (0 with ``--structure-only``), ``faults``, ``remarks``.
``total`` : object
    ``files``, ``size_bytes``, ``frames``, ``rows``, ``faults``, ``remarks``.
``errors`` : list of str
    What could not be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from aggregator.errors import CheckingProcessError
from aggregator.manual import ManualFormatter
from writer.archive_tree import Tree, find_files
from writer.file_check import FileReport
from writer.findings import Finding
from writer.progress import bytes_progress
from writer.rules import BY_NAME, Rule
from writer.streams import Streams
from writer.verify_jobs import Job, default_jobs, run_jobs
from writer.verify_view import show

CLEAN, FAULTY, UNREADABLE = 0, 1, 2

DESCRIPTION = """\
Check .g3 files of housekeeping data against every rule that so3g and sotodlib rely on: the bytes and checksum of
each frame, what is in it, how it goes together with the frames before it, and names, times and types from file to
file. It works on any HK archive, that of OCS's own aggregator included, and changes nothing.

Each fault is one line: file, number of the frame (from 0) and the byte at which it begins, rule, and what is wrong.
A remark is something that no reader minds; it does not count as a fault."""

EPILOG = """\
exit codes:
  0  clean
  1  faults were found
  2  something could not be read

examples:
  hkagg verify /data/hk                     the whole archive
  hkagg verify /data/hk/17000 --json        one folder, for a script
  hkagg verify --structure-only /data/hk    bytes and checksums only, as fast as the disk
  hkagg verify --ignore type-widening /data/hk

The rules are explained in the reference. 'hkagg repair' cuts torn ends off."""


def main(argv: list[str]) -> int:
    """Run the command.

    Returns
    -------
    int
        0 when all is clean, 1 when there are faults, 2 when something could not be read.

    Raises
    ------
    CheckingProcessError
        When a process that did the work was killed.
    """
    arguments = make_parser().parse_args(argv)
    tree = find_files(arguments.paths)
    reports = _check(tree, arguments)
    errors = tree.errors + [report.error for report in reports if report.error is not None]
    findings = _wanted(tree, reports, set(arguments.ignore))
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(reports, findings, errors), allow_nan=False, indent=1) + "\n")
    else:
        show(reports, findings)
    for error in errors:
        sys.stderr.write(f"hkagg verify: {error}\n")
    is_faulty = any(arguments.strict or not finding.rule.is_remark for finding in findings)
    return UNREADABLE if errors else FAULTY if is_faulty else CLEAN


def as_json(reports: list[FileReport], findings: list[Finding], errors: list[str]) -> dict[str, Any]:
    """Reduce a check to what ``--json`` prints; see the module's docstring for the keys."""
    faults = [_finding_json(finding) for finding in findings if not finding.rule.is_remark]
    remarks = [_finding_json(finding) for finding in findings if finding.rule.is_remark]
    readable = [report for report in reports if report.error is None]
    per_file = _per_file(faults), _per_file(remarks)
    return {
        "faults": faults,
        "remarks": remarks,
        "files": [_file_json(report, *per_file) for report in readable],
        "total": {
            "files": len(readable),
            "size_bytes": sum(report.size_bytes for report in readable),
            "frames": sum(report.frames for report in readable),
            "rows": sum(report.rows for report in readable),
            "faults": per_file[0].total(),
            "remarks": per_file[1].total(),
        },
        "errors": errors,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule.value,
        "path": finding.path,
        "frame": finding.frame,
        "offset": finding.offset,
        "text": finding.text,
        "count": finding.count,
    }


def _file_json(report: FileReport, faults: Counter[str], remarks: Counter[str]) -> dict[str, Any]:
    path = str(report.path)
    return {
        "path": path,
        "size_bytes": report.size_bytes,
        "frames": report.frames,
        "rows": report.rows,
        "faults": faults[path],
        "remarks": remarks[path],
    }


def _per_file(findings: list[dict[str, Any]]) -> Counter[str]:
    places: Counter[str] = Counter()
    for finding in findings:
        places[finding["path"]] += finding["count"]
    return places


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg verify",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=ManualFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a .g3 file, or a folder of any depth")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help=f"processes at once (default: as pays off, {default_jobs()} at most)",
    )
    parser.add_argument(
        "--structure-only", action="store_true", help="check places, bytes and checksums, not what is in the frames"
    )
    parser.add_argument("--strict", action="store_true", help="take remarks as faults too")
    parser.add_argument(
        "--ignore", action="append", default=[], type=_rule, metavar="RULE", help="leave out a rule, by its name"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number of processes")
    return number


def _rule(text: str) -> Rule:
    if text not in BY_NAME:
        raise argparse.ArgumentTypeError(f"there is no rule {text!r}; the rules are {', '.join(BY_NAME)}")
    return BY_NAME[text]


def _check(tree: Tree, arguments: argparse.Namespace) -> list[FileReport]:
    jobs = [
        Job(path=path, is_placed=is_placed, structure_only=arguments.structure_only)
        for path, is_placed in tree.files.items()
    ]
    streams = Streams()
    reports = []
    try:
        with bytes_progress("checking", tree.files) as progress:
            for report in run_jobs(jobs, arguments.jobs, progress):
                streams.follow(report.streams, report.findings)
                reports.append(report)
    except BrokenProcessPool as error:
        raise CheckingProcessError from error
    return reports


def _wanted(tree: Tree, reports: list[FileReport], ignored: set[Rule]) -> list[Finding]:
    found = [*tree.findings.items, *(finding for report in reports for finding in report.findings.items)]
    return [finding for finding in found if finding.rule not in ignored]
