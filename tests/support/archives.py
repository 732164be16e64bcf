"""Writes small archives: a clean one by way of this project, and whatever a test asks for frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from writer.block import BlockData
from writer.creation import file_path
from writer.frames import Session, data_frame, session_frame, status_frame

START_S = 1_700_012_345
SESSION = Session(session_id=1700012345 << 28, start_time_s=float(START_S))
ADDRESS = "observatory.lakeshore.feeds.temperatures"


def block(name: str, seconds: Sequence[float], **columns: Any) -> BlockData:
    """Make a block of rows at `seconds` after the start of the session; columns are lists."""
    times = ((START_S + np.array(seconds, dtype=np.float64)) * 1e8).astype(np.int64)
    arrays = tuple(column if column and isinstance(column[0], str) else np.array(column) for column in columns.values())
    return BlockData(name=name, times_g3=times, fields=tuple(columns), columns=arrays)


def head(*providers: tuple[int, str], session: Session = SESSION, at_s: float = 0.0) -> list[bytes]:
    """Make a session frame and a status frame."""
    named = providers or ((0, ADDRESS),)
    return [session_frame(session), status_frame(session, START_S + at_s, named)]


def rows(at_s: float, *blocks: BlockData, prov_id: int = 0, address: str = ADDRESS) -> bytes:
    """Make a data frame whose first message came `at_s` seconds after the start of the session."""
    return data_frame(
        SESSION,
        prov_id=prov_id,
        address=address,
        provider_session_id="1700000000.5",
        timestamp_s=START_S + at_s,
        blocks=blocks,
    )


def write_file(data_dir: Path, frames: Iterable[bytes], *, ctime_s: int = START_S) -> Path:
    """Put frames into the file of a second."""
    path = file_path(data_dir, ctime_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frames))
    return path


def write_clean_archive(data_dir: Path) -> list[Path]:
    """Write two files of one session: two feeds, one of which changes its fields on the way."""
    acu = "observatory.acu.feeds.stream"
    first = [
        *head((0, ADDRESS), (1, acu)),
        rows(1, block("temps", [0.5, 1.5, 2.5], kelvin=[4.0, 4.1, 4.2], state=["on", "on", "off"])),
        rows(1, block("az", [0, 0.005, 0.01], az=[1, 2, 3], moving=[True, False, True]), prov_id=1, address=acu),
        rows(11, block("temps", [10.5], kelvin=[4.3], state=["µ"]), block("odd", [11.5], x=[1.5])),
    ]
    second = [
        *head((0, ADDRESS), (2, ADDRESS), at_s=100),
        rows(100, block("temps", [100.5], kelvin=[5.0], state=["on"])),
        rows(101, block("temps", [101.5, 102.5], kelvin=[5.1, 5.2], heater=[0.5, 0.6]), prov_id=2),
    ]
    return [write_file(data_dir, first), write_file(data_dir, second, ctime_s=START_S + 100)]
