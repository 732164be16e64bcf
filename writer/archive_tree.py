"""Finds the files of archives under what a user names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from writer.findings import Findings, Place
from writer.rules import Rule

SUFFIX = ".g3"
CTIME_DIGITS = 5


@dataclass(slots=True)
class Tree:
    """The files under some paths.

    Parameters
    ----------
    files : dict[Path, bool]
        Each once, in the order of the seconds that name them; True for one found in a folder, whose place matters.
    findings : Findings
        What else is in the data directories.
    errors : list[str]
        What could not be looked into.
    """

    files: dict[Path, bool] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    errors: list[str] = field(default_factory=list)


def find_files(paths: list[Path]) -> Tree:
    """Find the files under files and folders.

    A folder is taken as a data directory when it holds folders named by digits or .g3 files, and as one of those
    folders when its own name has five digits; in any other, data directories are looked for.
    """
    tree = Tree()
    for path in paths:
        if path.is_dir():
            before = len(tree.files)
            _enter(tree, path)
            if len(tree.files) == before:
                tree.errors.append(f"{path}: there is no .g3 file in this folder")
        else:
            tree.files.setdefault(path, False)
    tree.files = dict(sorted(tree.files.items(), key=lambda item: in_time(item[0])))
    return tree


def in_time(path: Path) -> tuple[int, str]:
    """Give the key by which files are in order of time; those without a second come last."""
    return (int(path.stem) if _is_number(path.stem) else 1 << 64, str(path))


def data_dir_of(path: Path) -> Path:
    """Tell the data directory that a file belongs to: above its ctime5 folder, or else where it is."""
    folder = path.absolute().parent
    return folder.parent if _is_ctime_folder(folder) else folder


def is_in_ctime_folder(path: Path) -> bool:
    """Tell whether a file is in a folder named by five digits, as in an archive."""
    return _is_ctime_folder(path.absolute().parent)


def _enter(tree: Tree, folder: Path) -> None:
    entries = _entries(tree, folder)
    if _is_ctime_folder(folder.absolute()):
        _enter_ctime_folder(tree, folder)
    elif any(_is_number(entry.name) and entry.is_dir() for entry in entries):
        _enter_data_dir(tree, entries)
    else:
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                _enter(tree, entry)
            elif entry.suffix == SUFFIX:
                tree.files[entry] = True


def _enter_data_dir(tree: Tree, entries: list[Path]) -> None:
    for entry in entries:
        if entry.is_dir() and _is_number(entry.name):
            _enter_ctime_folder(tree, entry)
        elif entry.is_dir():
            _report(tree, entry, "readers expect only folders named by 5 digits here")
            _enter(tree, entry)
        else:
            _report(tree, entry, "readers expect only folders named by 5 digits here")
            if entry.suffix == SUFFIX:
                tree.files[entry] = True


def _enter_ctime_folder(tree: Tree, folder: Path) -> None:
    for entry in _entries(tree, folder):
        if entry.suffix == SUFFIX and not entry.is_dir():
            tree.files[entry] = True
        else:
            _report(tree, entry, "readers expect only .g3 files named by a whole number here")


def _entries(tree: Tree, folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        tree.errors.append(f"{folder}: {error.strerror or error}")
        return []


def _report(tree: Tree, entry: Path, text: str) -> None:
    tree.findings.add(Rule.STRANGER, Place(path=str(entry)), text)


def _is_ctime_folder(folder: Path) -> bool:
    return _is_number(folder.name) and len(folder.name) == CTIME_DIGITS


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def total_bytes(files: Iterable[Path]) -> int:
    """Add up the lengths of files in bytes, as far as they are there."""
    return sum(path.stat().st_size for path in files if path.is_file())
