"""Status snapshots: one small JSON file per process in the buffer directory, replaced about once a second.

There is no reverse socket: everything that anybody knows about the other process comes from here. The keys are in
docs/reference/status.md.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

Snapshot: TypeAlias = "dict[str, Any]"

INGEST = "ingest"
WRITER = "writer"
LARGEST_BYTES = 64 << 20


def snapshot_path(directory: Path, process: str) -> Path:
    """Return where a process keeps its snapshot."""
    return directory / f"{process}.status.json"


def write_snapshot(directory: Path, process: str, content: Mapping[str, Any]) -> None:
    """Replace a snapshot in one step; a reader sees the old one or the new one.

    Raises
    ------
    OSError
        When the buffer directory has no room; the old snapshot is still there then.
    """
    path = snapshot_path(directory, process)
    fresh = path.with_suffix(".tmp")
    text = json.dumps(finite(content), allow_nan=False, separators=(",", ":"))
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def read_snapshot(directory: Path, process: str) -> Snapshot | None:
    """Return a snapshot, or None where there is none that can be read."""
    try:
        with snapshot_path(directory, process).open("rb") as file:
            content = json.loads(file.read(LARGEST_BYTES))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def finite(value: Any) -> Any:
    """Return a copy of a JSON-like value in which infinities and NaN are None, as strict JSON needs."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
