"""Shows on a terminal how far a command has come through its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from writer.archive_tree import total_bytes


@contextmanager
def bytes_progress(what: str, files: Iterable[Path]) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while files are gone through; nothing where nobody watches.

    Parameters
    ----------
    what : str
        What is being done, in one word.
    files : Iterable[Path]
        Through which.

    Yields
    ------
    Callable[[int], None]
        Takes how many bytes were gone through since the last call.
    """
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total_bytes(files))
        yield partial(progress.advance, task)
