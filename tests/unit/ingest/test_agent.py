from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ocs.ocs_agent import ParamError, ParamHandler
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from aggregator.counters import Counters
from aggregator.health import Health
from aggregator.health import State as HealthState
from aggregator.layout import RecordKind
from aggregator.locks import WRITER_LOCK, ProcessLock
from aggregator.observation import observe
from aggregator.records import DESCRIPTION, SessionStart, session_id_for
from aggregator.settings import Caps, RecorderSettings
from aggregator.status import WRITER, write_snapshot
from ingest.agent import CLOSED_WITHIN_S, LOOKS_BEFORE_DEGRADED, AggregatorAgent
from ingest.intake import Intake
from ingest.report import State
from ingest.session_start import SessionStarts
from ingest.upkeep import Seen
from tests.unit.ingest.fake_log import FakeLog
from tests.unit.ingest.wire import ADDRESS, feed_event

S = 1_000_000_000


class FakeOperation:
    """What OCS's OpSession is to an agent."""

    def __init__(self) -> None:
        self.status = "running"
        self.data: dict[str, Any] = {}
        self.degraded = False
        self.messages: list[str] = []

    def set_status(self, status: str) -> None:
        self.status = status

    def add_message(self, message: str) -> None:
        self.messages.append(message)


class FakeOCSAgent:
    """Takes the registration of the process."""

    def __init__(self) -> None:
        self.registered: dict[str, Any] = {}

    def register_process(self, name: str, start: Any, stop: Any, **options: Any) -> None:
        self.registered = {"name": name, "start": start, "stop": stop, **options}


class Bench:
    """An agent on a fake log, with a clock that only moves when told to."""

    def __init__(self, root: Path, *, writer_is_ours: bool = True, record_on_start: bool = False) -> None:
        self.log = FakeLog()
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.ocs = FakeOCSAgent()
        self.rung = 0
        self.directory = root / "buffer"
        self.directory.mkdir()
        self.counters = Counters("ingest")
        self.intake = Intake(self.log, self.counters, caps=Caps())
        self.operation = FakeOperation()
        self.ended: list[Any] = []
        self.agent = AggregatorAgent(
            self.ocs,
            settings=RecorderSettings(data_dir=root / "hk"),
            directory=self.directory,
            intake=self.intake,
            ringer=self,
            starts=SessionStarts(pid=7, buffer_bytes=1 << 20),
            writer_is_ours=writer_is_ours,
            record_on_start=record_on_start,
            clock_ns=self.now_ns,
            reactor=self.clock,
            in_thread=maybeDeferred,
        )

    def ring(self) -> None:
        self.rung += 1

    def now_ns(self) -> int:
        return int(self.clock.seconds() * S)

    def state(self) -> State:
        return self.agent.state

    def start(self, **parameters: Any) -> None:
        """Start as OCS does, parameters screened."""
        screened = ParamHandler(parameters).batch(self.agent.record._ocs_prescreen)
        self.operation = FakeOperation()
        done: Deferred[Any] = self.agent.record(self.operation, screened)
        done.addBoth(self.ended.append)

    def stop(self) -> tuple[bool, str]:
        answers: list[tuple[bool, str]] = []
        self.agent._stop_record(self.operation, None).addCallback(answers.append)
        self.clock.advance(0.1)
        return answers[0]

    def writer_says(self, **snapshot: Any) -> None:
        write_snapshot(self.directory, WRITER, {"session_id": None, "sequence": 0, "now_ns": self.now_ns(), **snapshot})

    def see(self, state: HealthState = HealthState.RECORDING, *reasons: str) -> None:
        self.agent.tell(Seen(observation=observe(self.directory), health=Health(state=state, reasons=reasons)))

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.1] * int(seconds * 10))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An idle agent with a writer of its own."""
    return Bench(tmp_path)


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[..., Bench]:
    """Makes an agent with other settings."""
    return lambda **settings: Bench(tmp_path, **settings)


def test_record_is_registered_as_stock_clients_expect(bench: Bench) -> None:
    assert bench.ocs.registered["name"] == "record"
    assert bench.ocs.registered["startup"] is False
    assert bench.agent.record.__doc__.startswith("record(test_mode=False, data_dir=None, time_per_file=None)")


def test_initial_state_record_starts_it_at_start_up(make_bench: Callable[..., Bench]) -> None:
    assert make_bench(record_on_start=True).ocs.registered["startup"] is True


def test_a_session_lasts_from_start_to_stop(bench: Bench, tmp_path: Path) -> None:
    bench.start()
    assert bench.state() is State.RECORDING
    start = SessionStart.from_bytes(bench.log.records[0].payload)
    assert start.data_dir == str(tmp_path / "hk")
    assert start.session_id == session_id_for(1_700_000_000, 7, DESCRIPTION) == bench.agent.session_id
    assert bench.stop() == (True, "Stopping aggregation")
    assert bench.operation.status == "stopping"
    assert bench.state() is State.STOPPING
    assert bench.stop()[0] is True
    assert bench.rung == 1
    bench.writer_says(sequence=2)
    bench.pass_time(0.2)
    assert bench.ended == [(True, "Aggregation has ended")]
    assert bench.state() is State.IDLE
    assert [record.kind for record in bench.log.records] == [RecordKind.SESSION_START, RecordKind.SESSION_STOP]


def test_a_stop_without_a_run_is_refused(bench: Bench) -> None:
    bench.operation.status = "done"
    assert bench.stop()[0] is False


def test_a_stop_right_after_the_start_is_not_lost(bench: Bench) -> None:
    bench.operation.status = "starting"
    answers: list[Any] = []
    bench.agent._stop_record(bench.operation, None).addCallback(answers.append)
    bench.operation.status = "running"
    bench.clock.advance(0.1)
    assert answers == [(True, "Stopping aggregation")]


def test_the_stop_waits_until_the_writer_has_closed_the_file(bench: Bench) -> None:
    bench.start()
    bench.writer_says(session_id=bench.agent.session_id, current_file="/data/hk/17000/1700000000.g3", sequence=1)
    bench.stop()
    bench.pass_time(1)
    assert bench.ended == []
    bench.writer_says(sequence=2)
    bench.pass_time(0.2)
    assert bench.ended == [(True, "Aggregation has ended")]


def test_a_writer_that_never_answers_delays_the_end_only_so_long(bench: Bench) -> None:
    bench.start()
    bench.stop()
    bench.pass_time(CLOSED_WITHIN_S + 0.5)
    assert bench.ended == [(True, "Aggregation has ended")]
    assert any("waits in the buffer" in message for message in bench.operation.messages)


def test_an_external_writer_that_is_not_there_is_not_waited_for(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(writer_is_ours=False)
    bench.start()
    bench.stop()
    assert bench.ended == [(True, "Aggregation has ended")]


def test_test_mode_ends_by_itself(bench: Bench) -> None:
    lock = ProcessLock(bench.directory / WRITER_LOCK)
    lock.acquire()
    bench.start(test_mode=True)
    bench.pass_time(1.1)
    assert bench.ended == []
    bench.writer_says(sequence=2)
    bench.pass_time(0.2)
    assert bench.ended == [(True, "Aggregation has ended")]
    lock.release()


def test_parameters_count_for_one_session(bench: Bench, tmp_path: Path) -> None:
    bench.start(data_dir=str(tmp_path / "elsewhere"), time_per_file=60)
    bench.stop()
    bench.writer_says(sequence=2)
    bench.pass_time(0.2)
    bench.start()
    starts = [SessionStart.from_bytes(record.payload) for record in bench.log.of_kind(RecordKind.SESSION_START)]
    assert [start.data_dir for start in starts] == [str(tmp_path / "elsewhere"), str(tmp_path / "hk")]
    assert [start.time_per_file_s for start in starts] == [60, 3600]


@pytest.mark.parametrize(
    "parameters",
    [
        {"time_per_file": 0.5},
        {"time_per_file": float("nan")},
        {"time_per_file": "60"},
        {"data_dir": "hk"},
        {"data_dir": ""},
        {"test_mode": 1},
        {"other": None},
    ],
)
def test_bad_parameters_are_refused(bench: Bench, parameters: dict[str, Any]) -> None:
    with pytest.raises(ParamError):
        bench.start(**parameters)


def test_a_place_that_cannot_be_used_fails_the_session_with_the_reason(bench: Bench, tmp_path: Path) -> None:
    bench.start(data_dir="/proc/nowhere")
    bench.start(data_dir=str(tmp_path))
    (first, why), (second, why_not) = bench.ended
    assert not first
    assert not second
    assert "/proc/nowhere" in why
    assert "inside the data directory" in why_not
    assert bench.log.records == []


def test_two_sessions_of_one_second_have_two_ids(bench: Bench) -> None:
    ids = []
    for _ in range(3):
        bench.start()
        ids.append(bench.agent.session_id)
        bench.stop()
        bench.writer_says(sequence=100)
        bench.pass_time(0.2)
    assert len(set(ids)) == 3


def test_session_data_tell_of_file_feeds_and_pipeline(bench: Bench) -> None:
    bench.start()
    assert bench.operation.data == {"current_file": "", "providers": {}}
    bench.intake.take(feed_event(), bench.now_ns())
    bench.writer_says(session_id=bench.agent.session_id, current_file="/data/hk/17000/1700000000.g3")
    bench.see()
    data = bench.operation.data
    assert data["current_file"] == "/data/hk/17000/1700000000.g3"
    assert data["providers"][ADDRESS]["last_refresh"] == 1_700_000_000
    assert data["pipeline"]["degraded"] is None


def test_the_file_of_another_session_is_not_shown(bench: Bench) -> None:
    bench.start()
    bench.writer_says(session_id=1, current_file="/data/hk/16000/1600000000.g3")
    bench.see()
    assert bench.operation.data["current_file"] == ""


def test_trouble_that_lasts_degrades_the_session_and_its_end_is_told(bench: Bench) -> None:
    bench.start()
    for _ in range(LOOKS_BEFORE_DEGRADED):
        assert not bench.operation.degraded
        bench.see(HealthState.DEGRADED, "disk trouble: full")
    assert bench.operation.degraded
    assert bench.operation.data["pipeline"]["degraded"] == "disk trouble: full"
    bench.see()
    assert not bench.operation.degraded
    assert bench.operation.messages == ["degraded: disk trouble: full", "no data is at risk any more"]


def test_losses_degrade_the_session_at_once(bench: Bench) -> None:
    bench.start()
    bench.log.full = True
    bench.intake.take(feed_event(), bench.now_ns())
    bench.see(HealthState.DEGRADED, "messages are being dropped")
    assert bench.operation.degraded


def test_a_full_buffer_delays_the_beginning_and_says_so(bench: Bench) -> None:
    bench.log.full_for_control = True
    bench.start()
    bench.pass_time(2)
    assert bench.operation.degraded
    assert bench.state() is State.IDLE
    bench.log.full_for_control = False
    bench.pass_time(1.1)
    assert bench.state() is State.RECORDING


def test_a_beginning_that_is_waited_for_can_be_stopped(bench: Bench) -> None:
    bench.log.full_for_control = True
    bench.start()
    bench.stop()
    bench.pass_time(1.1)
    assert bench.ended == [(True, "Aggregation has ended")]
    assert bench.log.records == []
