"""What a replay must find again: who took which rows before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archive_check import assert_archive_is_clean
from tests.support.reading import times_of
from tests.support.recording import Recording, block, feed


@pytest.mark.parametrize("other_block", [False, True])
def test_rows_of_a_provider_that_went_and_came_back_are_not_doubled_by_a_replay(
    tmp_path: Path, other_block: bool
) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    slow, quiet = feed(agent="slow", frame_length=3000), feed(agent="quiet", fresh_time=5, frame_length=2)
    sent = []
    for i in range(22):
        if i < 3 or i > 20:
            sent.append(recording.now_s)
            recording.message(block("temps", sent[-1:], ohm=[float(i)]), quiet)
        if other_block and i > 3:
            recording.message(block("others", [recording.now_s], volt=[float(i)]), quiet)
        recording.message(block("temps", [recording.now_s], ohm=[float(i)]), slow)
        recording.advance(1)
        recording.drain(service)
    assert service.pending_messages > 1, "the crash must come while the one that came back has no frame yet"
    again = recording.service()
    recording.stop()
    recording.drain(again)
    assert times_of(recording.data, quiet["address"], "temps") == [int(t * 1e8) for t in sent]
    assert len(times_of(recording.data, slow["address"], "temps")) == 22
    assert again.counters.total("archived") == again.counters.total("read")
    assert_archive_is_clean(recording.data)


def test_a_field_set_taken_over_by_an_older_provider_is_not_doubled_by_a_replay(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    service = recording.service()
    slow, varied = feed(agent="slow", frame_length=3000), feed(agent="varied", fresh_time=5, frame_length=4)
    sent: dict[str, list[float]] = {"a": [], "b": []}

    def send(name: str, **fields: list[float]) -> None:
        sent[name].append(recording.now_s)
        recording.message(block(name, sent[name][-1:], **fields), varied)

    for i in range(22):
        if i != 21:
            send("a", x=[1.0])
        if i < 3 or i > 20:
            send("b", x=[2.0])
        recording.message(block("temps", [recording.now_s], ohm=[float(i)]), slow)
        recording.advance(1)
        recording.drain(service)
    again = recording.service()
    recording.stop()
    recording.drain(again)
    for name, times in sent.items():
        assert sorted(times_of(recording.data, varied["address"], name)) == [int(t * 1e8) for t in times]
    assert again.counters.total("archived") == again.counters.total("read")
