"""A site as an observatory runs it: everything from one site file, started by HostManager and ocs-agent-cli."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ocs
import pytest

from aggregator.demo.router import Router
from aggregator.ledger import LedgerWriter, read_ledger
from tests.support.agent import RecordingAgent, is_running
from tests.support.archive_check import assert_archive_is_clean
from tests.support.both import HttpPublisher, sources
from tests.support.observatory import FAKE_AGENT, HOST_MANAGER, RECORDER, Observatory
from tests.support.shared_memory import buffer_in_shared_memory
from tests.support.site import Site, running_site
from tests.support.wait import wait_until
from writer.audit.command import audit

FAKE_FEED = f"observatory.{FAKE_AGENT}.feeds.false_temperatures"


@pytest.fixture
def buffer_dir(tmp_path: Path) -> Iterator[Path]:
    """A buffer in shared memory, as in production."""
    with buffer_in_shared_memory(tmp_path.name) as directory:
        yield directory


@pytest.fixture(scope="module")
def observatory(router: Router, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observatory]:
    """A site that HostManager has brought up; every test but the last leaves it recording."""
    root = tmp_path_factory.mktemp("observatory")
    with buffer_in_shared_memory(root.name) as buffer_dir, running_site(root / "site", router.settings) as site:
        running = Observatory(site, root / "hk", buffer_dir)
        try:
            running.start()
            yield running
        finally:
            running.stop()


def wait_for_rows(observatory: Observatory) -> None:
    """Wait until the recorder has heard the fake agent in this session."""

    def heard() -> bool:
        data = observatory.client().record.status().session.get("data", {})
        return FAKE_FEED in data.get("providers", {}) and bool(data["current_file"])

    wait_until(heard, 30, lambda: str(observatory.client().record.status()))


def session_of(observatory: Observatory) -> tuple[Any, Any]:
    """Return OCS's session id and the current file."""
    session = observatory.client().record.status().session
    return session["session_id"], session["data"]["current_file"]


def test_the_registry_knows_the_class_that_other_programs_look_for_and_what_runs(observatory: Observatory) -> None:
    wait_until(lambda: observatory.registered().get("op_codes") == {"record": ocs.base.OpCode.RUNNING.value}, 20)
    assert observatory.registered()["agent_class"] == "AggregatorAgent"


def test_clients_list_it_and_stop_it_and_start_it_again_in_a_new_session_and_file(observatory: Observatory) -> None:
    wait_for_rows(observatory)
    listed = observatory.cli("ocs-client-cli", "scan", "--use-registry", "--details")
    assert "record              : RUNNING" in listed.partition(f"  {RECORDER}\n")[2], listed
    first = session_of(observatory)
    said = observatory.cli(
        "ocs-client-cli", "shell", "--simple", RECORDER, said="client.record.stop()\nclient.record.wait()\n"
    )
    assert "(SUCCEEDED)" in said, said
    assert observatory.client().record.start().status == ocs.OK
    wait_for_rows(observatory)
    second = session_of(observatory)
    assert (second[0] != first[0], second[1] != first[1]) == (True, True)


def test_host_manager_takes_it_down_with_all_that_belongs_to_it_and_up_again(observatory: Observatory) -> None:
    pids = observatory.pids()
    asked = observatory.cli("ocsbow", "--site-host", "localhost", "down", RECORDER)
    wait_until(lambda: observatory.managed(RECORDER) != "up", 10, asked)
    observatory.wait_until_gone(*pids, within_s=10)
    observatory.wait_for(RECORDER, "down")
    wait_until(lambda: observatory.registered()["expired"], 20)
    observatory.request(RECORDER, "up")
    observatory.wait_until_recording(after=pids[0])


def test_host_manager_starts_a_killed_agent_again_and_its_writer_does_not_linger(observatory: Observatory) -> None:
    ingest, writer = observatory.pids()
    os.kill(ingest, signal.SIGKILL)
    observatory.wait_until_gone(writer, within_s=2)
    observatory.wait_until_recording(after=ingest)
    wait_for_rows(observatory)


def test_the_whole_site_goes_down_cleanly_and_leaves_a_whole_archive(observatory: Observatory) -> None:
    host = observatory.host
    assert host is not None
    pids = observatory.pids()
    observatory.request("all", "down")
    observatory.wait_until_gone(*pids, within_s=10)
    observatory.wait_for(FAKE_AGENT, "down")
    host.send(signal.SIGINT)
    wait_until(lambda: not host.session_members(), 20, HOST_MANAGER)
    archived = assert_archive_is_clean(observatory.data_dir)
    assert FAKE_FEED in {name.rpartition(".")[0] for name in archived}


def test_every_pipe_is_closed_within_ten_seconds_of_an_interrupt(site: Site, tmp_path: Path, buffer_dir: Path) -> None:
    """As OCS's own test harness has it: the agent is interrupted, and its output read to the end."""
    places = ["--data-dir", str(tmp_path / "hk"), "--buffer-dir", str(buffer_dir)]
    site.add("HKAggregatorAgent", RECORDER, *places, "--initial-state", "record")
    agent = subprocess.Popen(
        [str(Path(sys.executable).with_name("ocs-agent-cli")), *site.arguments],
        env={**os.environ, **site.environment, "INSTANCE_ID": RECORDER},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        client = site.client(RECORDER)
        wait_until(lambda: client.record.status().session.get("data", {}).get("pipeline", {}).get("writer_alive"), 30)
        agent.send_signal(signal.SIGINT)
        _, said = agent.communicate(timeout=10)
    finally:
        agent.kill()
    assert agent.returncode == 0, said.decode()


def test_a_killed_agent_leaves_no_writer_behind_and_its_next_start_loses_and_doubles_nothing(
    site: Site, router: Router, tmp_path: Path, buffer_dir: Path
) -> None:
    recorder = RecordingAgent(site, tmp_path / "hk", buffer_dir)
    publisher = HttpPublisher(router.settings.host, router.settings.port)
    (source,) = sources(["rows"]).values()
    ledger = LedgerWriter(tmp_path / "ledger")
    for rows in (30, 20, 10):
        process = recorder.start("--initial-state", "record")
        recorder.wait_for(state="recording", connected=True)
        writer = recorder.wait_for_writer()
        for _ in range(rows):
            message = source.message(number=source.floats(), text=["on"])
            publisher.publish(source.address, message)
            ledger.add(message.data, message.feed)
        recorder.wait_until_committed(rows)
        if rows == 10:
            assert recorder.end(signal.SIGINT) == 0
        else:
            process.send(signal.SIGKILL)
            wait_until(lambda writer=writer: not is_running(writer), 2, site.said)  # type: ignore[misc]
    publisher.close()
    ledger.close()
    verdict = audit(recorder.data_dir, read_ledger(tmp_path / "ledger"))
    assert verdict.holds, verdict
    assert verdict.total.published == source.rows == 60


def test_log_directory_and_access_policy_work_as_for_any_agent(site: Site, tmp_path: Path, buffer_dir: Path) -> None:
    (tmp_path / "logs").mkdir()
    recorder = RecordingAgent(site, tmp_path / "hk", buffer_dir)
    own = ["--working-dir", str(tmp_path), "--log-dir", "logs", "--access-policy", "director:nobody"]
    recorder.start("--initial-state", "record", "--writer", "external", *own)
    recorder.wait_for(state="recording", connected=True)
    log = tmp_path / "logs" / f"observatory.{RECORDER}.log"
    wait_until(lambda: "session joined" in log.read_text(), 10, str(log))
    # Without a director to ask, nobody but the agent itself may do anything.
    reply = recorder.client().record.stop()
    assert (reply.status, "level" in reply.msg) == (ocs.ERROR, True), reply
    assert recorder.end(signal.SIGINT) == 0
