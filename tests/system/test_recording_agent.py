"""The agent on a real network: Crossbar.io, OCS's own FakeDataAgent and OCS's own client."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ocs
import pytest

from aggregator.buffer import default_directory
from aggregator.demo.child import ChildProcess
from aggregator.status import read_snapshot
from tests.support.site import Site
from tests.support.wait import wait_until

FAKE = "observatory.fake-data.feeds.false_temperatures"


@pytest.fixture
def buffer_dir(tmp_path: Path) -> Iterator[Path]:
    """A buffer in shared memory, as in production."""
    directory = default_directory(f"test-{tmp_path.name}")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


class Recorder:
    """An agent under test, started in a site."""

    def __init__(self, site: Site, tmp_path: Path, buffer_dir: Path) -> None:
        self.site = site
        self.data_dir = tmp_path / "hk"
        self.buffer_dir = buffer_dir
        self.process: ChildProcess | None = None

    def start(self, *arguments: str) -> Any:
        self.site.add("HKAggregatorAgent", "aggregator", "--data-dir", str(self.data_dir))
        self.process = self.site.start_module(
            "ingest",
            *self.site.arguments,
            *["--instance-id", "aggregator", "--buffer-dir", str(self.buffer_dir), "--buffer-size", "64M"],
            *arguments,
            name="aggregator",
        )
        return self.site.client("aggregator")

    def snapshot(self) -> dict[str, Any]:
        return read_snapshot(self.buffer_dir, "ingest") or {}

    def committed(self) -> int:
        return int(self.snapshot().get("counters", {}).get("committed", 0))


@pytest.fixture
def recorder(site: Site, tmp_path: Path, buffer_dir: Path) -> Recorder:
    return Recorder(site, tmp_path, buffer_dir)


def data_of(client: Any) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        session = client.record.status().session
        data: dict[str, Any] = session.get("data", {}) if session else {}
        return data

    return read


def test_record_runs_from_start_to_stop_as_an_ocs_process(recorder: Recorder) -> None:
    recorder.site.start_agent("FakeDataAgent", "fake-data", "--mode", "acq")
    client = recorder.start()
    assert client.record.status().session == {}
    assert client.record.start().status == ocs.OK
    read = data_of(client)
    wait_until(lambda: FAKE in read().get("providers", {}), 30, recorder.site.said)
    wait_until(lambda: read()["current_file"].endswith(".g3"), 30, recorder.site.said)
    data = read()
    assert data["providers"][FAKE]["last_block_received"] == "temps"
    assert not data["providers"][FAKE]["stale"]
    assert data["pipeline"]["writer_alive"]
    assert client.record.start().status == ocs.ERROR
    assert client.record.stop().status == ocs.OK
    status = client.record.wait(timeout=20)
    assert status.status == ocs.OK
    assert status.session["success"]
    assert "Aggregation has ended" in [text for _, text in status.session["messages"]]
    assert Path(status.session["data"]["current_file"]).stat().st_size > 0
    assert recorder.process is not None
    recorder.process.send(signal.SIGINT)
    wait_until(lambda: recorder.process is not None and not recorder.process.is_running, 10, recorder.site.said)
    assert recorder.process.exit_code == 0
