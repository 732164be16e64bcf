"""Checks many files, in processes of their own when that is worth while."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from writer.archive_tree import total_bytes
from writer.file_check import FileCheck, FileReport

WORTH_A_PROCESS_BYTES = 64 << 20
"""A process of its own needs a second until the G3 library is loaded."""

_POLL_S = 0.1

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to check.

    Parameters
    ----------
    path : Path
        The file.
    is_placed : bool
        Whether its name and folder matter.
    structure_only : bool
        Whether to leave out what is in its frames.
    """

    path: Path
    is_placed: bool
    structure_only: bool


def default_jobs() -> int:
    """Tell how many processes this machine has processors for."""
    return len(os.sched_getaffinity(0))


def run_jobs(jobs: list[Job], processes: int | None, progress: Progress) -> Iterator[FileReport]:
    """Check files.

    Parameters
    ----------
    jobs : list[Job]
        The files.
    processes : int or None
        How many at once; None for as many as pay off.
    progress : Callable[[int], None]
        Told how many bytes were gone through, again and again.

    Yields
    ------
    FileReport
        In the order of `jobs`.
    """
    if processes is None:
        worth = 1 + total_bytes(job.path for job in jobs) // WORTH_A_PROCESS_BYTES
        processes = min(default_jobs(), worth)
    processes = min(processes, len(jobs))
    if processes <= 1:
        return (_check(job, progress) for job in jobs)
    return _in_processes(jobs, processes, progress)


def _in_processes(jobs: list[Job], processes: int, progress: Progress) -> Iterator[FileReport]:
    # The G3 library and numpy have threads of their own, which a fork would not survive well.
    context = multiprocessing.get_context("spawn")
    counter = context.Value("Q", 0)
    with _pool(context, processes, counter) as pool:
        told = 0
        for future in [pool.submit(_check_counted, job) for job in jobs]:
            while not wait([future], _POLL_S).done:
                told += _tell(counter, told, progress)
            told += _tell(counter, told, progress)
            yield future.result()


@contextmanager
def _pool(context: Any, processes: int, counter: Any) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_take_counter, initargs=(counter,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _tell(counter: Any, told: int, progress: Progress) -> int:
    fresh = int(counter.value) - told
    progress(fresh)
    return fresh


_counter: Any = None


def _take_counter(counter: Any) -> None:
    global _counter  # noqa: PLW0603 - a process of a pool is handed things that way
    # Ctrl-C on a terminal reaches the processes of a pool too: they are to end without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _counter = counter


def _check_counted(job: Job) -> FileReport:
    return _check(job, partial(_count, _counter))


def _count(counter: Any, size_bytes: int) -> None:
    with counter.get_lock():
        counter.value += size_bytes


def _check(job: Job, progress: Progress) -> FileReport:
    check = FileCheck(job.path, is_placed=job.is_placed)
    return check.run(structure_only=job.structure_only, progress=progress)
