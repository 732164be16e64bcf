"""Checkpoint, log and archive damaged or gone between two writers: what is left is used, and said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from aggregator.errors import LogFormatError
from aggregator.layout import SEGMENT_HEADER
from aggregator.segment import list_segments
from aggregator.slots import SLOT_NAMES
from tests.support.archive_check import assert_archive_is_clean
from tests.support.campaign import Plan
from tests.support.oracle import Conservation, assert_prov_ids_are_unique, compare
from tests.support.recording import SECOND, T0, Recording, block, feed
from tests.support.tally import tried
from writer.quarantine import quarantine_files, read_entries
from writer.service import Service

Damage = Callable[[Path], None]


class Story:
    """A session that its writer leaves in the middle, without a word."""

    def __init__(self, root: Path, messages: int = 60) -> None:
        self.recording = Recording(root, time_per_file_s=4.0, max_file_bytes=12_000)
        self.plan = Plan(root=root, seed=8, start_s=T0 // SECOND, messages=10_000)
        self.payloads: list[bytes] = []
        self.published = 0
        self.recording.start()
        self.service: Service = self.recording.service()
        self.play(messages)

    @property
    def buffer(self) -> Path:
        return self.recording.buffer

    def play(self, messages: int) -> None:
        for _ in range(messages):
            self.publish()
            self.service.step(self.recording.now_ns)

    def publish(self, pause_s: float = 0.1) -> None:
        while self.plan.is_malformed(self.published):
            self.published += 1
        self.payloads.append(self.plan.payload(self.published))
        self.published += 1
        self.recording.raw(self.payloads[-1])
        self.recording.advance(pause_s)

    def go_on(self, messages: int = 20) -> Conservation:
        """Start another writer, record some more, end, and compare; files must be clean whatever is missing."""
        self.service = self.recording.service()
        self.play(messages)
        self.recording.stop()
        self.recording.advance(1)
        self.recording.drain(self.service)
        assert self.service.is_complete
        assert self.service.pending_messages == 0
        assert_archive_is_clean(self.recording.data)
        assert_prov_ids_are_unique(self.recording.data)
        return compare(self.payloads, self.recording.data)

    def cut_tails(self) -> list[bytes]:
        entries = [entry for path in quarantine_files(self.buffer) for entry in read_entries(path)]
        return [entry.content for entry in entries if entry.reason == "cut-tail"]


def cut_to(length: float) -> Damage:
    """Cut a file to a share of its length."""

    def damage(path: Path) -> None:
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * length)])

    return damage


def flip(at: float) -> Damage:
    """Flip a bit at a share of a file's length."""

    def damage(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        raw[int((len(raw) - 1) * at)] ^= 4
        path.write_bytes(raw)

    return damage


def zero(start: float, end: float) -> Damage:
    """Zero a part of a file."""

    def damage(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        first, last = int(len(raw) * start), int(len(raw) * end)
        raw[first:last] = bytes(last - first)
        path.write_bytes(raw)

    return damage


DAMAGES = {
    "gone": Path.unlink,
    "empty": cut_to(0),
    "cut in the head": cut_to(0.02),
    "cut in the middle": cut_to(0.5),
    "cut near the end": cut_to(0.99),
    "a bit flipped in the head": flip(0.005),
    "a bit flipped in the middle": flip(0.5),
    "zeroed at the end": zero(0.5, 1),
    "zeroed": zero(0, 1),
}


@pytest.mark.parametrize("slots", [(0,), (1,), (0, 1)], ids=["first", "second", "both"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoints_lose_and_double_nothing(damage: str, slots: tuple[int, ...], shm_path: Path) -> None:
    for messages in (3, 26, 61):
        root = shm_path / str(messages)
        root.mkdir()
        story = Story(root, messages)
        for slot in slots:
            if (story.buffer / SLOT_NAMES[slot]).exists():
                DAMAGES[damage](story.buffer / SLOT_NAMES[slot])
        outcome = story.go_on()
        assert outcome.is_kept, (messages, str(outcome))
        tried("damaged checkpoints")


def test_a_lost_checkpoint_is_rebuilt_from_archive_and_log_and_said(
    shm_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story(shm_path)
    for slot in SLOT_NAMES:
        (story.buffer / slot).unlink()
    with caplog.at_level(logging.WARNING):
        outcome = story.go_on()
    assert outcome.is_kept, str(outcome)
    assert "checkpoint" in caplog.text


def newest_file(story: Story) -> Path:
    return story.recording.files()[-1]


@pytest.mark.parametrize("share", [i / 12 for i in range(12)])
def test_a_file_that_lost_its_end_is_left_whole_and_recording_goes_on(share: float, shm_path: Path) -> None:
    story = Story(shm_path)
    cut_to(share)(newest_file(story))
    outcome = story.go_on()
    assert not outcome.doubled
    assert not outcome.invented
    assert not outcome.changed
    assert outcome.lost or outcome.is_kept
    tried("files cut short")


@pytest.mark.parametrize("tail", [b"\x01", bytes(5000), b"\x01\x01\x00\x00\x00" + bytes(40), b"junk" * 700])
def test_what_stands_behind_the_valid_length_goes_to_quarantine(tail: bytes, shm_path: Path) -> None:
    story = Story(shm_path)
    path = newest_file(story)
    with path.open("ab") as file:
        file.write(tail)
    outcome = story.go_on()
    assert outcome.is_kept, str(outcome)
    assert any(kept.endswith(tail) for kept in story.cut_tails())
    tried("files with a torn tail")


def test_a_torn_file_without_a_checkpoint_ends_behind_its_last_whole_frame(shm_path: Path) -> None:
    story = Story(shm_path)
    with newest_file(story).open("ab") as file:
        file.write(b"\x01\x01\x00\x00\x00torn")
    for slot in SLOT_NAMES:
        (story.buffer / slot).unlink()
    outcome = story.go_on()
    assert outcome.is_kept, str(outcome)
    assert story.cut_tails() == [b"\x01\x01\x00\x00\x00torn"]


def test_a_file_that_an_operator_moved_is_let_go(shm_path: Path) -> None:
    story = Story(shm_path)
    path = newest_file(story)
    elsewhere = shm_path / "elsewhere" / path.parent.name
    elsewhere.mkdir(parents=True)
    path.rename(elsewhere / path.name)
    outcome = story.go_on()
    assert not outcome.doubled
    assert not outcome.invented
    moved = compare(story.payloads, elsewhere.parent)
    assert outcome.archived + moved.archived >= outcome.committed


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_segment_costs_only_what_was_in_it(damage: str, shm_path: Path) -> None:
    story = Story(shm_path, 10)
    first = story.published
    while len(list_segments(story.buffer)) < 5:
        story.publish(0.005)
    victims = list_segments(story.buffer)
    DAMAGES[damage](victims[2][1])
    outcome = story.go_on()
    assert not outcome.doubled
    assert not outcome.invented
    assert not outcome.changed
    lost = {key.ticks for key in outcome.lost}
    in_the_segment = range(victims[2][0], victims[3][0])
    assert len(lost) <= 5 * len(in_the_segment)
    if damage in ("gone", "zeroed"):
        assert lost
    assert first
    tried("damaged segments")


def test_a_log_of_a_newer_version_is_refused_and_left_alone(shm_path: Path) -> None:
    story = Story(shm_path, 5)
    _, path = list_segments(story.buffer)[0]
    raw = bytearray(path.read_bytes())
    raw[8:12] = (2).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(LogFormatError, match="version 2"):
        story.recording.service().step(story.recording.now_ns)
    assert path.read_bytes() == raw


def test_a_foreign_file_among_the_segments_is_refused_by_name(shm_path: Path) -> None:
    story = Story(shm_path, 5)
    path = story.buffer / f"{99:020d}.segment"
    path.write_bytes(b"#!/bin/sh" + bytes(SEGMENT_HEADER.size))
    with pytest.raises(LogFormatError, match=path.name):
        story.recording.service().step(story.recording.now_ns)


def test_a_log_that_began_anew_is_recorded_from_its_first_record(shm_path: Path) -> None:
    story = Story(shm_path, 30)
    before = compare(story.payloads, story.recording.data).archived
    for _, path in list_segments(story.buffer):
        path.unlink()
    story.payloads = story.payloads[30:]
    story.recording.advance(1)
    story.recording.restart_ingest()
    story.recording.start()
    outcome = story.go_on()
    assert outcome.archived >= outcome.committed
    assert not outcome.lost
    assert before


def test_records_that_vanished_with_their_segment_are_counted_as_missing(shm_path: Path) -> None:
    story = Story(shm_path, 3)
    while len(list_segments(story.buffer)) < 4:
        story.publish(0.005)
    story.recording.drain(story.service)
    gone = list_segments(story.buffer)[1]
    gone[1].unlink()
    outcome = story.go_on()
    assert not outcome.doubled
    counters = story.service.counters
    total = counters.total("archived") + counters.total("quarantined") + counters.total("records_missing")
    assert total >= len(story.payloads)


def test_a_log_that_lost_its_end_does_not_swallow_what_follows(shm_path: Path) -> None:
    story = Story(shm_path, 20)
    _, path = list_segments(story.buffer)[-1]
    earlier = path.read_bytes()
    story.play(20)
    story.recording.advance(20)
    story.recording.drain(story.service)
    path.write_bytes(earlier)
    story.recording.restart_ingest()
    outcome = story.go_on()
    assert outcome.is_kept, str(outcome)
    tried("power losses")


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_rebuild_that_is_cut_short_is_taken_up_again(steps: int, shm_path: Path) -> None:
    story = Story(shm_path, 0)
    pin = [block("b", [story.recording.now_s], x=[1.5]), feed("slow", frame_length=1000.0)]
    story.payloads.append(bytes(msgpack.packb(pin)))
    story.recording.raw(story.payloads[0])
    while len(list_segments(story.buffer)) < 4:
        story.publish(0.003)
        story.service.step(story.recording.now_ns)
    for slot in SLOT_NAMES:
        (story.buffer / slot).unlink()
    story.service = story.recording.service()
    for _ in range(steps):
        story.service.step(story.recording.advance(0.6))
    outcome = story.go_on()
    assert outcome.is_kept, str(outcome)
    tried("damaged checkpoints", 2)
