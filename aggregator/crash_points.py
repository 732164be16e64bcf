"""Named places at which a test can have this process killed; they cost nothing otherwise.

`HKAGG_CRASH_AT=name` kills at the first pass of that place, `name#3` at the third.
"""

from __future__ import annotations

import os
import signal

ENVIRONMENT_NAME = "HKAGG_CRASH_AT"

CRASH_POINTS = (
    "log.segment-made",
    "log.segment-named",
    "log.record-written",
    "log.record-committed",
    "writer.lot-taken",
    "writer.file-started",
    "writer.frames-appended",
    "writer.frames-marked",
    "writer.file-closed",
    "writer.session-closed",
    "writer.checkpoint-begun",
    "writer.checkpoint-saved",
    "writer.segments-released",
    "writer.quarantined",
    "writer.gap-noted",
    "writer.file-resumed",
)
"""All of them, so that a test can go through every one."""

_name, _, _count = os.environ.get(ENVIRONMENT_NAME, "").partition("#")
_passes_left = int(_count or 1)


def crash_point(name: str) -> None:
    """Kill this process here if the environment asks for it."""
    if name == _name:
        _count_down()


def _count_down() -> None:
    global _passes_left  # noqa: PLW0603 - counts passes of one process, for tests only
    _passes_left -= 1
    if _passes_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
