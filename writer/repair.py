"""Cuts damaged ends off files of an archive: ``hkagg repair PATH...``.

With ``--json`` one object goes to stdout, whose keys are stable:

``files`` : list
    Each file with damage: ``path``, ``action`` (``cut``, ``set-aside``, ``leave``), ``done`` (whether it was carried
    out), ``offset`` (where the last whole frame ends), ``cut_bytes``, ``kept`` (where those bytes are now, or null),
    ``text`` (what is wrong, or why nothing was done).
``total`` : object
    ``files`` looked at, ``damaged``, ``mended``, ``cut_bytes``.
``errors`` : list of str
    What could not be read or changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from aggregator.cli import Clock
from aggregator.errors import FileChangedError, KeepDirectoryError
from aggregator.manual import ManualFormatter
from writer.archive_tree import data_dir_of, find_files
from writer.cutting import carry_out, default_keep_dir
from writer.occupation import OpenFile, buffer_dirs_here, occupation_of, open_files
from writer.progress import bytes_progress
from writer.repair_plan import Action, Plan, make_plan
from writer.survey_view import plural, printable, size_text

CLEAN, LEFT, FAILED = 0, 1, 2

DESCRIPTION = """\
Mend .g3 files of housekeeping data that end in a torn frame, in zeros or in anything else that is no whole frame, as
a killed recorder, a full disk or a loss of power leave them: cut them behind their last whole frame, so that so3g
reads them again. It works on any HK archive, that of OCS's own aggregator included.

Whole frames are never touched. The cut bytes are kept, by default in a directory beside the data directory, which
is named. A .g3 file without any whole frame is taken out of the archive in the same way. Damage with whole frames
behind it is left alone: a cut would lose them. A copy is made durable before anything is cut, so that it may be killed
at any moment and run again.

A file that is being written is refused: one that a process of this machine has open, that a recorder here has begun and
not ended, or that was changed within the last minute."""

EPILOG = """\
exit codes:
  0  all files are whole, now
  1  damage is left: what cannot be mended, what was refused, or, with --dry-run, what would be mended
  2  something could not be read or changed

examples:
  hkagg repair --dry-run /data/hk           what would be done
  hkagg repair /data/hk                     do it; cut bytes go to /data/hk-cut
  hkagg repair --keep /tmp/cut /data/hk/17000/1700012345.g3

Run 'hkagg verify' before and afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a file with damage; the fields are the keys of ``--json``."""

    path: str
    action: str
    done: bool
    offset: int
    cut_bytes: int
    kept: str | None
    text: str


def main(argv: list[str], *, clock_ns: Clock) -> int:
    """Run the command.

    Parameters
    ----------
    argv : list[str]
        Its arguments.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.

    Returns
    -------
    int
        0 when all is whole, 1 when damage is left, 2 when something could not be read or changed.

    Raises
    ------
    KeepDirectoryError
        When cut bytes would go into the archive.
    """
    arguments = make_parser().parse_args(argv)
    tree = find_files(arguments.paths)
    errors = list(tree.errors)
    files = list(tree.files)
    _require_outside(arguments.keep, files)
    plans = _make_plans(files, errors)
    mender = _Mender(arguments, open_files([*buffer_dirs_here(), *arguments.buffer_dir]), clock_ns)
    outcomes = [outcome for plan in plans if (outcome := mender.mend(plan, errors)) is not None]
    if arguments.json:
        sys.stdout.write(_as_json(outcomes, len(files), errors) + "\n")
    else:
        _show(outcomes, len(files), is_dry=arguments.dry_run)
    for error in errors:
        sys.stderr.write(f"hkagg repair: {error}\n")
    return FAILED if errors else LEFT if any(not outcome.done for outcome in outcomes) else CLEAN


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg repair",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=ManualFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a .g3 file, or a folder of any depth")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="where cut bytes are kept (default: the data directory's name and -cut)",
    )
    parser.add_argument(
        "--buffer-dir",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="buffer directory of a recorder whose open file is to be left alone; those in shared memory are known",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="mend also what was changed just now, or what a recorder that does not run has not ended",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return parser


class _Mender:
    def __init__(self, arguments: argparse.Namespace, opened: list[OpenFile], clock_ns: Clock) -> None:
        self._arguments = arguments
        self._opened = opened
        self._clock_ns = clock_ns

    def mend(self, plan: Plan, errors: list[str]) -> Outcome | None:
        """Mend a file; None when there is nothing to say but in `errors`."""
        if plan.action is Action.LEAVE:
            return _outcome(plan)
        try:
            if refusal := self._refusal(plan.path):
                return _outcome(plan, action=Action.LEAVE, text=f"{plan.text}; left alone: {refusal}")
            if self._arguments.dry_run:
                return _outcome(plan)
            kept = carry_out(plan, self._arguments.keep or default_keep_dir(plan.path))
        except FileChangedError as error:
            errors.append(str(error))
        except OSError as error:
            errors.append(f"{error.filename or plan.path}: {error.strerror or error}; {plan.path} is as it was")
        else:
            return _outcome(plan, kept=str(kept), done=True)
        return None

    def _refusal(self, path: Path) -> str | None:
        found = occupation_of(path, self._opened, self._clock_ns())
        if found is None or (self._arguments.force and not found.is_certain):
            return None
        return found.text if found.is_certain else f"{found.text}, or use --force"


def _outcome(
    plan: Plan, *, action: Action | None = None, text: str | None = None, kept: str | None = None, done: bool = False
) -> Outcome:
    action = action or plan.action
    return Outcome(
        path=str(plan.path),
        action=action.value,
        done=done,
        offset=plan.end,
        cut_bytes=0 if action is Action.LEAVE else plan.cut_bytes,
        kept=kept,
        text=text or plan.text,
    )


def _require_outside(keep_dir: Path | None, files: list[Path]) -> None:
    if keep_dir is None:
        return
    for data_dir in {data_dir_of(path).resolve() for path in files}:
        if keep_dir.resolve().is_relative_to(data_dir):
            raise KeepDirectoryError(str(keep_dir), str(data_dir))


def _make_plans(files: list[Path], errors: list[str]) -> list[Plan]:
    plans = []
    with bytes_progress("looking", files) as progress:
        for path in files:
            try:
                plans.append(make_plan(path, progress))
            except OSError as error:
                errors.append(f"{path}: {error.strerror or error}")
    return [plan for plan in plans if plan.action is not Action.NONE]


def _as_json(outcomes: list[Outcome], files: int, errors: list[str]) -> str:
    mended = [outcome for outcome in outcomes if outcome.done]
    content = {
        "files": [asdict(outcome) for outcome in outcomes],
        "total": {
            "files": files,
            "damaged": len(outcomes),
            "mended": len(mended),
            "cut_bytes": sum(outcome.cut_bytes for outcome in mended),
        },
        "errors": errors,
    }
    return json.dumps(content, allow_nan=False, indent=1)


def _show(outcomes: list[Outcome], files: int, *, is_dry: bool) -> None:
    for outcome in outcomes:
        sys.stdout.write(printable(_line(outcome)) + "\n")
    mended = [outcome for outcome in outcomes if outcome.done]
    mendable = [outcome for outcome in outcomes if outcome.action != Action.LEAVE.value]
    line = f"{plural(files, 'file')}: {len(outcomes)} damaged, "
    if is_dry:
        cut_bytes = sum(outcome.cut_bytes for outcome in mendable)
        line += f"{len(mendable)} would be mended by cutting {size_text(cut_bytes)}; nothing was changed"
    else:
        line += f"{len(mended)} mended by cutting {size_text(sum(outcome.cut_bytes for outcome in mended))}"
    sys.stdout.write((line if outcomes else f"{plural(files, 'file')}: all whole, nothing to do") + "\n")


_DEEDS: dict[tuple[str, bool], Callable[[Outcome], str]] = {
    ("cut", True): lambda outcome: f"cut at byte {outcome.offset}; the cut bytes are in {outcome.kept}",
    ("cut", False): lambda outcome: f"would be cut at byte {outcome.offset}",
    ("set-aside", True): lambda outcome: f"taken out of the archive; it is in {outcome.kept}",
    ("set-aside", False): lambda _: "would be taken out of the archive",
    ("leave", False): lambda _: "not mended",
}


def _line(outcome: Outcome) -> str:
    return f"{outcome.path}: {_DEEDS[outcome.action, outcome.done](outcome)}: {outcome.text}"
