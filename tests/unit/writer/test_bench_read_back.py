"""Reading back for the benchmark: every way in which an archive can differ from a tape is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aggregator.bench.figures import Check
from aggregator.bench.tape import record_tape
from aggregator.bench.workloads import Message, messages, workload_named
from tests.support.archives import SESSION, head, write_file
from writer.bench.g3_floor import measure
from writer.bench.read_back import compare
from writer.block import BlockData
from writer.frames import data_frame

SENT = list(messages(workload_named("1x2x3"), 4))


def frame_of(message: Message, **changes: Any) -> bytes:
    block = message.data["samples"]
    columns = tuple(np.array(changes.get(name, values)) for name, values in block["data"].items())
    rows = min(map(len, columns))
    times = (np.array(block["timestamps"]) * 1e8).astype(np.int64)[:rows]
    data = BlockData(name="samples", times_g3=times, fields=tuple(block["data"]), columns=columns)
    return data_frame(
        SESSION,
        prov_id=0,
        address=message.topic,
        provider_session_id="1.5",
        timestamp_s=1_700_012_346.0,
        blocks=[data],
    )


def check_of(tmp_path: Path, *frames: bytes) -> Check:
    tape = record_tape(tmp_path / "tape", SENT)
    write_file(tmp_path / "archive", [*head((0, SENT[0].topic)), *frames])
    return compare(tape.path, tmp_path / "archive")


def test_an_archive_with_everything_in_any_order_is_without_fault(tmp_path: Path) -> None:
    check = check_of(tmp_path, *map(frame_of, reversed(SENT)))
    assert check == Check(rows=12, lost=0, doubled=0, invented=0, changed=0)
    assert check.fault is None


def test_a_lost_message_is_seen(tmp_path: Path) -> None:
    assert check_of(tmp_path, *map(frame_of, SENT[1:])).fault == "3 rows lost"


def test_a_doubled_message_is_seen(tmp_path: Path) -> None:
    assert check_of(tmp_path, *map(frame_of, [*SENT, SENT[2]])).fault == "3 rows doubled"


def test_a_changed_value_is_seen(tmp_path: Path) -> None:
    values = [*SENT[0].data["samples"]["data"]["field_0001"]]
    values[1] += 1e-12
    assert check_of(tmp_path, frame_of(SENT[0], field_0001=values), *map(frame_of, SENT[1:])).fault == "1 rows changed"


def test_a_row_that_nobody_sent_is_seen(tmp_path: Path) -> None:
    (later,) = list(messages(workload_named("1x2x3"), 5))[4:]
    assert check_of(tmp_path, *map(frame_of, SENT), frame_of(later)).fault == "3 rows invented"


def test_a_column_of_another_type_is_seen(tmp_path: Path) -> None:
    check = check_of(tmp_path, frame_of(SENT[0], field_0000=[1, 2, 3]), *map(frame_of, SENT[1:]))
    assert check.changed > 0


def test_only_what_was_sent_of_a_tape_is_expected(tmp_path: Path) -> None:
    tape = record_tape(tmp_path / "tape", SENT)
    write_file(tmp_path / "archive", [*head((0, SENT[0].topic)), *map(frame_of, SENT[:2])])
    assert compare(tape.path, tmp_path / "archive", 2) == Check(rows=6, lost=0, doubled=0, invented=0, changed=0)


def test_an_empty_archive_has_lost_everything(tmp_path: Path) -> None:
    assert compare(record_tape(tmp_path / "tape", SENT).path, tmp_path).fault == "12 rows lost"


def test_the_floor_serialises_the_frames_of_an_archive_to_their_own_bytes(tmp_path: Path) -> None:
    frames = list(map(frame_of, SENT))
    write_file(tmp_path / "archive", [*head((0, SENT[0].topic)), *frames])
    took = measure(tmp_path / "archive")
    assert took["bytes"] == sum(map(len, frames))
