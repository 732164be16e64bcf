"""A record that kills the writer again and again is found, kept in quarantine and passed over."""

from __future__ import annotations

import time
from pathlib import Path

import msgpack

from tests.support.children import kill, said, start_writer_that_cannot_stand, was_killed
from tests.support.oracle import assert_conserved, total
from tests.support.recording import Recording, block, feed
from tests.support.tally import tried
from tests.support.wait import wait_until
from writer.poison import DEATHS, Suspects
from writer.quarantine import quarantine_files, read_entries


def test_poison_is_passed_over_after_three_deaths_and_its_neighbours_are_archived(tmp_path: Path) -> None:
    recording = Recording(tmp_path, now_ns=time.time_ns())
    recording.start()
    payloads = []
    poisoned = set()
    for i in range(120):
        name = "poison" if i in (40, 77) else "fine"
        message = [block("b", [recording.now_s], text=[f"{name}{i}"]), feed(frame_length=1000)]
        payload: bytes = msgpack.packb(message)
        sequence = recording.raw(payload)
        if name == "fine":
            payloads.append(payload)
        else:
            poisoned.add(sequence)
        recording.advance(0.01)
    recording.stop()
    deaths = 0
    while deaths <= 2 * DEATHS:
        writer = start_writer_that_cannot_stand(recording.buffer, b"poison")
        wait_until(lambda w=writer: not w.is_alive() or is_done(recording), 20, "the writer to die or to be done")  # type: ignore[misc]
        if writer.is_alive():
            break
        assert was_killed(writer), said(recording.buffer)
        deaths += 1
    assert deaths == DEATHS + DEATHS - 1
    kill(writer)
    assert_conserved(payloads, recording.data)
    assert total(recording.writer_status()["counters"]["quarantined"]) == 2
    kept = [entry for path in quarantine_files(recording.buffer) for entry in read_entries(path)]
    assert {entry.sequence for entry in kept if entry.reason == "poison"} == poisoned
    tried("deaths at a poisonous record", deaths)


def is_done(recording: Recording) -> bool:
    status = recording.writer_status()
    return bool(status.get("sequence", 0) >= recording.appender.position.sequence and status["state"] == "waiting")


def test_a_death_elsewhere_accuses_no_record(tmp_path: Path) -> None:
    suspects = Suspects(tmp_path)
    suspects.begin_log(7)
    suspects.enter(1, 50)
    suspects.leave()
    again = Suspects(tmp_path)
    again.begin_log(7)
    assert not again.must_be_alone(1)


def test_deaths_at_different_records_make_no_poison(tmp_path: Path) -> None:
    for sequence in (1, 10, 20, 30, 40):
        suspects = Suspects(tmp_path)
        suspects.begin_log(7)
        suspects.enter(sequence, sequence)
    assert not any(Suspects(tmp_path).is_poison(sequence) for sequence in range(50))


def test_a_torn_note_accuses_nobody(tmp_path: Path) -> None:
    suspects = Suspects(tmp_path)
    suspects.begin_log(7)
    suspects.enter(1, 50)
    path = tmp_path / "taking"
    raw = path.read_bytes()
    for cut in range(len(raw)):
        path.write_bytes(raw[:cut])
        assert not Suspects(tmp_path).must_be_alone(1)
    path.write_bytes(raw)
    assert Suspects(tmp_path).must_be_alone(50)
