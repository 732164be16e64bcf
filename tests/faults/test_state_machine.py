"""Log, checkpoint and archive under any order of events, against a plain list of what was appended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from aggregator.errors import DiskTroubleError
from aggregator.slots import SLOT_NAMES
from tests.support.campaign import Plan
from tests.support.faulty_files import FaultyFiles
from tests.support.memory import memory_directory
from tests.support.oracle import assert_conserved
from tests.support.recording import SECOND, T0, Recording
from tests.support.tally import tried
from writer.checkpoint import CheckpointStore
from writer.service import Service


class RecorderMachine(RuleBasedStateMachine):
    """The model is `payloads`: whatever happens, the archive holds these rows and no others in the end."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = memory_directory()
        self.root: Path = self._directory.__enter__()
        self.recording = Recording(self.root, time_per_file_s=5.0, max_file_bytes=15_000)
        self.plan = Plan(root=self.root, seed=21, start_s=T0 // SECOND, messages=1 << 30)
        self.files = FaultyFiles()
        self.payloads: list[bytes] = []
        self.malformed = 0
        self.published = 0
        self.in_session = False
        self.writer: Service | None = None

    @initialize(segment_start=st.booleans())
    def begin(self, segment_start: bool) -> None:
        if segment_start:
            self.start_writer()
        self.start_session()

    @rule(messages=st.integers(1, 25), pause_s=st.sampled_from([0.001, 0.01, 0.1]))
    @precondition(lambda self: self.in_session)
    def append(self, messages: int, pause_s: float) -> None:
        for _ in range(messages):
            payload = self.plan.payload(self.published)
            if self.plan.is_malformed(self.published):
                self.malformed += 1
            else:
                self.payloads.append(payload)
            self.published += 1
            self.recording.raw(payload)
            self.recording.advance(pause_s)

    @rule(seconds=st.sampled_from([0.0, 0.3, 0.6, 1.1, 6.0]))
    def step(self, seconds: float) -> None:
        self.recording.advance(seconds)
        if self.writer is not None:
            self.writer.step(self.recording.now_ns)

    @rule()
    @precondition(lambda self: not self.in_session)
    def start_session(self) -> None:
        self.recording.start()
        self.in_session = True

    @rule()
    @precondition(lambda self: self.in_session)
    def stop_session(self) -> None:
        self.recording.stop()
        self.in_session = False

    @rule()
    @precondition(lambda self: self.writer is None)
    def start_writer(self) -> None:
        self.writer = self.recording.service(self.files)

    @rule()
    @precondition(lambda self: self.writer is not None)
    def kill_writer(self) -> None:
        self.writer = None
        tried("deaths in the state machine")

    @rule()
    @precondition(lambda self: self.writer is not None and not self.writer.trouble.reason)
    def end_writer(self) -> None:
        assert self.writer is not None
        with suppress(DiskTroubleError):
            self.writer.leave()
        self.writer = None

    @rule()
    def kill_ingest(self) -> None:
        """Its session goes on in the log until the next one starts."""
        self.recording.restart_ingest()
        self.recording.advance(1)
        self.recording.start()
        self.in_session = True
        tried("deaths in the state machine")

    @rule(tail=st.sampled_from([b"\x00" * 9, b"\x01\x01\x00\x00\x00\x03", b"junk" * 50]))
    @precondition(lambda self: self.writer is None and self.recording.files())
    def tear_the_newest_file(self, tail: bytes) -> None:
        if self.is_open(path := self.recording.files()[-1]):
            with path.open("ab") as file:
                file.write(tail)

    @rule(slot=st.sampled_from(SLOT_NAMES), share=st.floats(0, 0.99))
    @precondition(lambda self: self.writer is None)
    def tear_a_checkpoint(self, slot: str, share: float) -> None:
        path = self.recording.buffer / slot
        if path.exists():
            raw = path.read_bytes()
            path.write_bytes(raw[: int(len(raw) * share)])
            tried("damaged checkpoints")

    @rule(operation=st.sampled_from(["write", "sync", "open_new", "open_hidden", "truncate", "find", "give_name"]))
    def break_the_disk(self, operation: str) -> None:
        self.files.break_down(operation)

    @rule()
    def mend_the_disk(self) -> None:
        self.files.heal()

    def is_open(self, path: Path) -> bool:
        """Whether the next writer goes on with this file: no other one can have a torn end."""
        checkpoint = CheckpointStore(self.recording.buffer).load()
        return checkpoint is not None and checkpoint.file == str(path)

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self._directory.__exit__(None, None, None)

    def settle(self) -> None:
        self.files.heal()
        if self.in_session:
            self.stop_session()
        writer = self.writer or self.recording.service(self.files)
        for _ in range(200):
            self.recording.advance(31)
            while writer.step(self.recording.now_ns):
                pass
            if writer.is_complete and not writer.pending_messages:
                break
        assert writer.is_complete
        assert_conserved(self.payloads, self.recording.data)


RecorderMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
TestTheRecorder = RecorderMachine.TestCase
