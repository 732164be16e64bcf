"""Buffers in shared memory, as in production, that no other run of the tests has too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aggregator.buffer import default_directory


@contextmanager
def buffer_in_shared_memory(name: str) -> Iterator[Path]:
    """Give a path for a buffer directory; whatever is there at the end is removed."""
    directory = default_directory(f"test-{os.getpid()}-{name}")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
