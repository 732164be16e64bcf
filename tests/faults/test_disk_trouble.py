"""The archive's disk refuses: nothing is lost or torn, nobody has to restart anything."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path

import msgpack
import pytest

from tests.support.campaign import Plan
from tests.support.faulty_files import OPERATIONS, FaultyFiles
from tests.support.oracle import assert_conserved, total
from tests.support.recording import SECOND, T0, Recording, block, feed
from tests.support.tally import tried
from writer.service import Service

CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS)
MESSAGES = 24


class Story:
    """Two sessions with several files each, stepped in this process; time is told, so that waiting costs nothing."""

    def __init__(self, root: Path, fsync: str = "frame") -> None:
        root.mkdir(exist_ok=True)
        self.files = FaultyFiles()
        self.recording = Recording(root, time_per_file_s=2.0, max_file_bytes=9_000, fsync=fsync)
        self.plan = Plan(root=root, seed=5, start_s=T0 // SECOND, messages=MESSAGES)
        self.service: Service = self.recording.service(self.files)
        self.payloads: list[bytes] = []
        self.malformed = 0

    def play(self, first: int = 0, last: int = MESSAGES) -> None:
        """Publish and write some of the messages."""
        recording = self.recording
        for k in range(first, last):
            if k % 12 == 0:
                recording.start()
            payload = self.plan.payload(k)
            if self.plan.is_malformed(k):
                self.malformed += 1
            else:
                self.payloads.append(payload)
            recording.raw(payload)
            if k % 12 == 11:
                recording.stop()
            recording.advance(0.13)
            self.service.step(recording.now_ns)

    def die(self) -> None:
        """Let the writer vanish with all it had in memory, and another take its place."""
        self.service = self.recording.service(self.files)

    def settle(self) -> None:
        """Let time pass until the writer is done, then check."""
        for _ in range(50):
            self.recording.advance(31)
            while self.service.step(self.recording.now_ns):
                pass
            if self.service.is_complete and not self.service.pending_messages:
                break
        assert self.service.trouble.reason is None
        assert_conserved(self.payloads, self.recording.data)
        counters = self.service.counters
        assert counters.total("read") == len(self.payloads) + self.malformed
        assert counters.total("archived") == len(self.payloads)
        assert total(counters.snapshot()["records_missing"]) == 0


def calls_of_a_clean_story(root: Path, fsync: str) -> Counter[str]:
    story = Story(root, fsync)
    story.play()
    story.settle()
    return Counter(story.files.calls)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_any_call_may_fail_once(operation: str, shm_path: Path) -> None:
    fsync = "rotate" if operation == "close" else "frame"
    calls = calls_of_a_clean_story(shm_path / "clean", fsync)[operation]
    for nth in range(1, calls + 1):
        for code in codes_for(operation, nth):
            story = Story(shm_path / f"{nth}-{code}", fsync)
            story.files.fail_nth(operation, nth, code)
            story.play()
            story.settle()
            tried("errors injected into file operations")


def codes_for(operation: str, nth: int) -> list[int]:
    """Return what the nth call fails with: no space and a broken disk each time, the rarer errors now and then."""
    if operation == "find":
        return [CODES[nth % len(CODES)]]
    return [errno.ENOSPC, errno.EIO, *([CODES[2 + nth // 4 % 3]] if nth % 4 == 0 else [])]


@pytest.mark.parametrize("fsync", ["never", "rotate", "frame"])
@pytest.mark.parametrize("operation", ["write", "truncate", "sync", "open_existing", "everything"])
def test_a_disk_that_is_out_of_order_for_a_while_costs_nothing(operation: str, fsync: str, shm_path: Path) -> None:
    for start in (3, 9, 13):
        story = Story(shm_path / str(start), fsync)
        story.play(last=start)
        break_down(story.files, operation)
        story.play(start, start + 10)
        story.files.heal()
        story.play(start + 10)
        story.settle()
        tried("spells of disk trouble")


@pytest.mark.parametrize("fsync", ["never", "rotate", "frame"])
@pytest.mark.parametrize("operation", ["write", "sync", "open_existing", "everything"])
def test_a_writer_that_dies_while_its_disk_is_out_of_order_costs_nothing(
    operation: str, fsync: str, shm_path: Path
) -> None:
    for start in range(2, 18, 3):
        story = Story(shm_path / str(start), fsync)
        story.play(last=start)
        break_down(story.files, operation)
        story.play(start, start + 4)
        story.recording.advance(40)
        story.service.step(story.recording.now_ns)
        story.die()
        story.play(start + 4, start + 8)
        story.files.heal()
        story.play(start + 8)
        story.settle()
        tried("deaths in a spell of disk trouble")


def break_down(files: FaultyFiles, operation: str) -> None:
    """Break one operation together with what would mend its damage, or everything."""
    for each in OPERATIONS if operation == "everything" else (operation, "truncate"):
        files.break_down(each, errno.EIO)


def test_a_tail_that_could_not_be_cut_off_is_cut_off_by_the_next_writer(shm_path: Path) -> None:
    files = FaultyFiles()
    recording = Recording(shm_path)
    recording.start()
    payloads = []

    def publish(name: str) -> None:
        payloads.append(msgpack.packb([block(name, [recording.now_s], ohm=[1.5]), feed(name)]))
        recording.raw(payloads[-1])
        recording.advance(1)

    publish("first")
    service = recording.service(files)
    recording.drain(service)
    break_down(files, "write")
    publish("second")
    service.step(recording.now_ns)
    assert service.trouble.reason
    service.step(recording.advance(40))
    files.heal()
    service = recording.service(files)
    publish("third")
    recording.stop()
    recording.drain(service)
    assert_conserved(payloads, recording.data)
