"""The agent on a real network: Crossbar.io, OCS's own FakeDataAgent and OCS's own client."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ocs
import pytest

from aggregator.demo.child import ChildProcess
from aggregator.demo.router import Router, RouterSettings, free_port
from aggregator.settings import MIB
from tests.support.agent import COUNTER_FEED, RecordingAgent, RowPublisher, is_running, kill
from tests.support.archive_check import assert_archive_is_clean
from tests.support.reading import times_of
from tests.support.router import start_and_wait
from tests.support.shared_memory import buffer_in_shared_memory
from tests.support.site import Site, running_site
from tests.support.wait import wait_until

FAKE_FEED = "observatory.fake-data.feeds.false_temperatures"


@pytest.fixture
def buffer_dir(tmp_path: Path) -> Iterator[Path]:
    """A buffer in shared memory, as in production."""
    with buffer_in_shared_memory(tmp_path.name) as directory:
        yield directory


@pytest.fixture
def recorder(site: Site, tmp_path: Path, buffer_dir: Path) -> RecordingAgent:
    """An agent at the shared router, not yet started."""
    return RecordingAgent(site, tmp_path / "hk", buffer_dir)


@pytest.fixture
def lone(own_router: Router, tmp_path: Path, buffer_dir: Path) -> Iterator[RecordingAgent]:
    """An agent at a router that the test may stop and freeze."""
    with running_site(tmp_path / "site", own_router.settings) as site:
        yield RecordingAgent(site, tmp_path / "hk", buffer_dir)


def session_data(client: Any) -> dict[str, Any]:
    session = client.record.status().session or {}
    data: dict[str, Any] = session.get("data", {})
    return data


def stop_and_wait(client: Any) -> Any:
    assert client.record.stop().status == ocs.OK
    waited = client.record.wait(timeout=20)
    assert waited.status == ocs.OK
    return waited.session


def rows_in(data_dir: Path) -> list[int]:
    """Return the numbers of the rows in the archive."""
    return [round(time / 1e8 - 1.7e9) for time in times_of(data_dir, COUNTER_FEED, "rows")]


def test_record_runs_from_start_to_stop_as_an_ocs_process(recorder: RecordingAgent) -> None:
    recorder.site.start_agent("FakeDataAgent", "fake-data", "--mode", "acq")
    recorder.start()
    client = recorder.client()
    assert client.record.status().session == {}
    assert client.record.start().status == ocs.OK
    wait_until(lambda: FAKE_FEED in session_data(client).get("providers", {}), 30, recorder.site.said)
    wait_until(lambda: session_data(client)["current_file"].endswith(".g3"), 30, recorder.site.said)
    data = session_data(client)
    assert data["providers"][FAKE_FEED]["last_block_received"] == "temps"
    assert not data["providers"][FAKE_FEED]["stale"]
    assert data["pipeline"]["writer_alive"]
    assert client.record.start().status == ocs.ERROR
    session = stop_and_wait(client)
    assert session["success"]
    assert "Aggregation has ended" in [text for _, text in session["messages"]]
    assert Path(session["data"]["current_file"]).stat().st_size > 0
    assert recorder.end(signal.SIGINT) == 0
    assert_archive_is_clean(recorder.data_dir)


def test_wait_means_that_the_file_is_closed_with_every_row(recorder: RecordingAgent, router: Router) -> None:
    recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    publisher = RowPublisher(router.settings)
    for _ in range(20):
        publisher.publish()
    recorder.wait_until_committed(20)
    stop_and_wait(recorder.client())
    assert rows_in(recorder.data_dir) == list(range(20))


def test_test_mode_records_for_a_second_and_ends_by_itself(recorder: RecordingAgent) -> None:
    recorder.start()
    client = recorder.client()
    recorder.wait_for_writer()
    assert client.record.start(test_mode=True).status == ocs.OK
    waited = client.record.wait(timeout=20)
    assert waited.session["success"]
    assert Path(waited.session["data"]["current_file"]).exists()


def test_parameters_override_the_arguments_for_one_session(recorder: RecordingAgent, tmp_path: Path) -> None:
    recorder.start()
    client = recorder.client()
    elsewhere = tmp_path / "elsewhere"
    assert client.record.start(data_dir=str(elsewhere), time_per_file=7200).status == ocs.OK
    wait_until(lambda: session_data(client).get("current_file", "").startswith(str(elsewhere)), 30, recorder.site.said)
    stop_and_wait(client)
    assert client.record.start().status == ocs.OK
    here = str(recorder.data_dir)
    wait_until(lambda: session_data(client).get("current_file", "").startswith(here), 30, recorder.site.said)
    stop_and_wait(client)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"time_per_file": -5}, "is not a number of seconds"),
    ({"time_per_file": "long"}, "time_per_file"),
    ({"data_dir": "relative"}, "is not an absolute path"),
    ({"data_dir": 5}, "data_dir"),
    ({"test_mode": "yes"}, "test_mode"),
    ({"colour": "blue"}, "colour"),
]


def test_bad_parameters_are_refused_with_the_reason(recorder: RecordingAgent) -> None:
    recorder.start("--writer", "external")
    client = recorder.client()
    for parameters, said in REFUSED:
        reply = client.record.start(**parameters)
        assert reply.status == ocs.ERROR
        assert said in reply.msg
    client.record.start(data_dir="/proc/nowhere")
    session = client.record.wait(timeout=20).session
    assert not session["success"]
    assert any("cannot write to the data directory /proc/nowhere" in text for _, text in session["messages"])


def test_without_a_writer_the_session_is_degraded_and_stops_all_the_same(recorder: RecordingAgent) -> None:
    recorder.start("--writer", "external", "--initial-state", "record")
    client = recorder.client()
    wait_until(lambda: client.record.status().session.get("degraded"), 30, recorder.site.said)
    session = client.record.status().session
    assert "the writer is not running" in session["data"]["pipeline"]["degraded"]
    assert stop_and_wait(client)["success"]


def test_a_router_that_restarts_costs_no_duplicate_and_leaves_a_gap(lone: RecordingAgent, own_router: Router) -> None:
    lone.start("--initial-state", "record", "--crossbar-timeout", "0")
    lone.wait_for(state="recording", connected=True)
    publisher = RowPublisher(own_router.settings)
    for stop in (own_router.kill, own_router.stop):
        publisher.publish()
        publisher.publish()
        lone.wait_until_committed(publisher.rows)
        stop()
        lone.wait_for(connected=False)
        start_and_wait(own_router)
        lone.wait_for(connected=True, state="recording")
    publisher.publish()
    lone.wait_until_committed(publisher.rows)
    assert lone.count("gaps") == lone.count("reconnects") == 2
    assert lone.count("committed") == publisher.rows
    assert lone.count("duplicates") == 0
    stop_and_wait(lone.client())
    assert rows_in(lone.data_dir) == list(range(publisher.rows))


def test_a_frozen_router_is_waited_for_and_its_memory_of_us_outlived(lone: RecordingAgent, own_router: Router) -> None:
    lone.start("--initial-state", "record", "--crossbar-timeout", "0")
    lone.wait_for(state="recording", connected=True)
    publisher = RowPublisher(own_router.settings)
    publisher.publish()
    lone.wait_until_committed(1)
    own_router.freeze()
    lone.wait_for(connected=False, timeout_s=60)
    own_router.thaw()
    # The router still holds the former connection's procedures; recording must not wait for it to let go of them.
    lone.wait_for(connected=True, state="recording", timeout_s=60)
    publisher.publish()
    lone.wait_until_committed(publisher.rows)
    assert stop_and_wait(lone.client())["success"]
    assert rows_in(lone.data_dir) == list(range(publisher.rows))


def test_a_message_of_megabytes_is_recorded_and_a_larger_one_costs_only_itself(
    recorder: RecordingAgent, router: Router
) -> None:
    recorder.start("--initial-state", "record", "--buffer-size", "256M")
    recorder.wait_for(state="recording")
    publisher = RowPublisher(router.settings)
    publisher.publish()
    publisher.publish(padding=5 * MIB)
    publisher.publish_pair({"rows": "x" * (20 * MIB)}, publisher.feed())
    publisher.publish()
    recorder.wait_until_committed(3)
    recorder.wait_for(connected=True)
    assert recorder.snapshot()["counters"]["rejected"] == {"oversize": 1}
    assert recorder.count("reconnects") == 0
    stop_and_wait(recorder.client())
    assert rows_in(recorder.data_dir) == [0, 1, 2]


def test_no_message_however_strange_costs_the_connection(recorder: RecordingAgent, router: Router) -> None:
    recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    publisher = RowPublisher(router.settings)
    strange: list[Any] = [None, 5, "x", [], {}, {"record": True}, {"record": True, "address": 5}, [[[[[]]]]], 2**63]
    for part in strange:
        publisher.publish_pair(part, part)
        publisher.publish_pair(part, publisher.feed())
        publisher.publish_pair({"rows": part}, publisher.feed())
    publisher.publish()
    recorder.wait_until_committed(3 * len(strange) + 1)
    assert recorder.count("reconnects") == 0
    stop_and_wait(recorder.client())
    assert rows_in(recorder.data_dir) == [0]
    writer = recorder.snapshot("writer")["counters"]
    assert writer["read"] == writer["archived"] + sum(writer["quarantined"].values())


def test_it_waits_for_a_router_and_ends_at_once_when_told_so(tmp_path: Path, buffer_dir: Path) -> None:
    with running_site(tmp_path / "site", RouterSettings(port=free_port())) as site:
        agent = RecordingAgent(site, tmp_path / "hk", buffer_dir)
        process = agent.start("--initial-state", "record")
        wait_until(lambda: "no router answers" in process.log_tail(), 30, process.log_tail)
        assert process.log_tail(200).count("no router answers") == 1
        writer = agent.wait_for_writer()
        assert agent.end(signal.SIGTERM) == 0
        assert not is_running(writer)


def test_a_killed_writer_is_started_again_and_loses_nothing(recorder: RecordingAgent, router: Router) -> None:
    recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    publisher = RowPublisher(router.settings)
    first = recorder.wait_for_writer()
    publisher.publish()
    recorder.wait_until_committed(1)
    kill(first)
    publisher.publish()
    wait_until(lambda: recorder.wait_for_writer() != first, 30, recorder.site.said)
    publisher.publish()
    recorder.wait_until_committed(3)
    stop_and_wait(recorder.client())
    assert rows_in(recorder.data_dir) == [0, 1, 2]


def test_a_writer_does_not_outlive_a_killed_agent(recorder: RecordingAgent, router: Router) -> None:
    process = recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    writer = recorder.wait_for_writer()
    publisher = RowPublisher(router.settings)
    publisher.publish()
    recorder.wait_until_committed(1)
    process.send(signal.SIGKILL)
    wait_until(lambda: not is_running(writer), 15, recorder.site.said)
    recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    publisher.publish()
    recorder.wait_until_committed(1)
    assert recorder.end(signal.SIGTERM) == 0
    assert rows_in(recorder.data_dir) == [0, 1]


def test_signals_to_the_whole_group_leave_the_writer_its_time_to_finish(
    recorder: RecordingAgent, router: Router
) -> None:
    process = recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    publisher = RowPublisher(router.settings)
    for _ in range(5):
        publisher.publish()
    recorder.wait_until_committed(5)
    process.send_to_group(signal.SIGINT)
    process.send_to_group(signal.SIGTERM)
    wait_until(lambda: not process.is_running, 10, recorder.site.said)
    assert process.exit_code == 0
    assert rows_in(recorder.data_dir) == list(range(5))


def test_a_writer_that_hangs_is_killed_in_the_end_and_its_work_done_by_the_next(
    recorder: RecordingAgent, router: Router
) -> None:
    recorder.start("--initial-state", "record")
    recorder.wait_for(state="recording")
    publisher = RowPublisher(router.settings)
    writer = recorder.wait_for_writer()
    os.kill(writer, signal.SIGSTOP)
    publisher.publish()
    recorder.wait_until_committed(1)
    assert recorder.end(signal.SIGTERM) == 0
    assert not is_running(writer)
    recorder.start()
    recorder.wait_for(state="idle")
    wait_until(lambda: rows_in(recorder.data_dir) == [0], 30, recorder.site.said)


def test_ocs_agent_cli_finds_it_by_its_class_in_the_site_file(recorder: RecordingAgent, tmp_path: Path) -> None:
    recorder.site.add(
        "HKAggregatorAgent",
        "aggregator",
        "--data-dir",
        str(recorder.data_dir),
        "--buffer-dir",
        str(recorder.buffer_dir),
    )
    command = [str(Path(sys.executable).with_name("ocs-agent-cli")), "--site-host", "localhost"]
    environment = {**recorder.site.environment, "INSTANCE_ID": "aggregator"}
    agent = ChildProcess(command, log_path=tmp_path / "cli.log", environment=environment, stop_signal=signal.SIGINT)
    agent.start()
    try:
        client = recorder.client()
        assert client.record.start().status == ocs.OK
        assert client.instance_id == "aggregator"
    finally:
        agent.stop()
    assert agent.exit_code == 0, agent.log_tail()
