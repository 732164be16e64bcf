"""Directories in memory, for tests that would keep a disk busy with thousands of fsyncs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aggregator.buffer import SHARED_MEMORY


@contextmanager
def memory_directory() -> Iterator[Path]:
    """Make a directory in shared memory, where there is such a thing, and remove it."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    path = Path(tempfile.mkdtemp(prefix="hkagg-test-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
