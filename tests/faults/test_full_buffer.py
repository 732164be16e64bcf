"""A buffer that fills loses only the newest messages and says exactly which; with room again all is as before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from aggregator.counters import Counters
from aggregator.log import LogAppender
from aggregator.records import SessionStart
from aggregator.settings import SMALLEST_SEGMENT_BYTES, BufferSettings, Caps
from ingest.intake import Intake
from tests.support.mounts import mounted
from tests.support.oracle import assert_conserved, total
from tests.support.recording import SECOND, T0, block, feed
from tests.support.tally import tried
from tests.unit.ingest.wire import feed_event
from writer.files import DiskFiles
from writer.gaps import read_gaps
from writer.quarantine import DIRECTORY_NAME
from writer.service import Service

FEEDS = ("fast", "slow", "other")


class Recorder:
    """A real intake, a real log and a real writer in one process."""

    def __init__(self, root: Path, *, segments: int = 6, buffer: Path | None = None) -> None:
        self.buffer = buffer or root / "buffer"
        self.data = root / "data"
        self.buffer.mkdir(mode=0o700, exist_ok=True)
        self.now_ns = T0
        self.settings = BufferSettings(
            directory=self.buffer, size_bytes=segments * SMALLEST_SEGMENT_BYTES, segment_bytes=SMALLEST_SEGMENT_BYTES
        )
        self.counters = Counters("ingest")
        self.appender = LogAppender(self.settings, now_ns=T0)
        self.intake = Intake(self.appender, self.counters, caps=Caps())
        self.committed: list[bytes] = []
        self.dropped: Counter[str] = Counter()
        self.sent = 0
        self.service: Service | None = None
        assert self.intake.start(
            SessionStart(
                session_id=T0 // SECOND << 28,
                start_ns=T0,
                description="HK data",
                data_dir=str(self.data),
                time_per_file_s=3600,
                max_file_bytes=10**9,
                fsync="rotate",
                buffer_bytes=self.settings.size_bytes,
            ),
            T0,
        )

    def send(self, frame_length_s: float = 0.2) -> bool:
        """Let one message of some feed come."""
        name = FEEDS[self.sent % len(FEEDS)]
        self.sent += 1
        data = block("b", [self.now_ns / SECOND], k=[self.sent], text=["x" * 200])
        event = feed_event(data, feed(name, frame_length=frame_length_s), publication=self.sent)
        is_in = self.intake.take(event, self.now_ns)
        if is_in:
            self.committed.append(event.packed[event.begin : event.end])
        else:
            self.dropped[f"observatory.lab.feeds.{name}"] += 1
        self.now_ns += SECOND // 100
        return is_in

    def fill(self) -> None:
        """Send until nothing more goes in, and some more."""
        while self.send():
            assert self.sent < 100_000
        for _ in range(500):
            self.send()

    def write(self) -> None:
        """Let the writer, started now if there is none, do what it can for a few seconds."""
        self.service = self.service or Service(directory=self.buffer, operations=DiskFiles(), caps=Caps())
        for _ in range(12):
            self.now_ns += SECOND // 2
            while self.service.step(self.now_ns):
                pass
            self.intake.report_losses(self.now_ns)

    def check(self) -> None:
        """End the session and compare what each of the three has to say."""
        assert self.intake.stop(self.now_ns) is not None
        self.write()
        assert self.service is not None
        assert self.service.is_complete
        assert_conserved(self.committed, self.data)
        assert self.counters.snapshot()["dropped"] == dict(self.dropped)
        gaps = [gap for gap in read_gaps(self.buffer) if gap["reason"] == "buffer-full"]
        told: Counter[str] = Counter()
        for gap in gaps:
            assert gap["from_ns"] <= gap["to_ns"]
            told.update(gap["counts"])
        assert told == self.dropped
        received = self.counters.total("received")
        assert received == self.counters.total("committed") + self.counters.total("dropped") == self.sent
        assert total(self.service.counters.snapshot()["gaps_read"]) == len(gaps)


def test_a_full_buffer_drops_the_newest_and_says_exactly_what(shm_path: Path) -> None:
    recorder = Recorder(shm_path)
    for _ in range(4):
        recorder.fill()
        recorder.write()
        for _ in range(30):
            assert recorder.send()
        tried("full buffers")
    assert sum(recorder.dropped.values()) > 1000
    recorder.check()


def test_a_buffer_that_fills_is_emptied_early_and_slow_feeds_do_not_pin_it(shm_path: Path) -> None:
    recorder = Recorder(shm_path, segments=16)
    recorder.write()
    for i in range(12_000):
        assert recorder.send(frame_length_s=100_000.0), f"dropped message {i}, though the writer kept pace"
        while i % 100 == 0 and recorder.service is not None and recorder.service.step(recorder.now_ns):
            pass
    recorder.check()


def test_a_buffer_file_system_that_is_full_does_not_stop_the_writer_from_making_room(tmp_path: Path) -> None:
    buffer = tmp_path / "small"
    with mounted(buffer, "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"):
        recorder = Recorder(tmp_path, segments=64, buffer=buffer)
        for _ in range(3):
            recorder.fill()
            recorder.write()
            for _ in range(30):
                assert recorder.send()
            tried("full buffers")
        recorder.check()
        assert (buffer / DIRECTORY_NAME).is_dir()
