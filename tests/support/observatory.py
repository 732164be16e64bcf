"""A whole OCS site from one site file: HostManager starts its agents, as in an observatory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from aggregator.demo.child import ChildProcess
from aggregator.status import read_snapshot
from tests.support.agent import is_running
from tests.support.site import Site
from tests.support.wait import wait_until

HOST_MANAGER = "host-manager"
RECORDER = "aggregator"
REGISTRY = "registry"
FAKE_AGENT = "fake-data"

_BIN = Path(sys.executable).parent


class Observatory:
    """HostManager, registry, an agent that publishes and the recorder.

    Parameters
    ----------
    site : Site
        Where they are listed.
    data_dir, buffer_dir : Path
        The recorder's.
    """

    def __init__(self, site: Site, data_dir: Path, buffer_dir: Path) -> None:
        self.site = site
        self.data_dir = data_dir
        self.buffer_dir = buffer_dir
        self.host: ChildProcess | None = None
        recording = ["--initial-state", "record", "--data-dir", str(data_dir), "--buffer-dir", str(buffer_dir)]
        site.add("HostManager", HOST_MANAGER, "--initial-state", "up")
        site.add("RegistryAgent", REGISTRY)
        site.add("FakeDataAgent", FAKE_AGENT, "--mode", "acq", "--num-channels", "2", "--frame-length", "5")
        site.add("HKAggregatorAgent", RECORDER, *recording)

    def start(self) -> None:
        """Start HostManager, which starts the rest, and wait until the recorder records."""
        command = [str(_BIN / "ocs-agent-cli"), "--instance-id", HOST_MANAGER, "--site-host", "localhost"]
        log_path = self.site.directory / f"{HOST_MANAGER}.log"
        self.host = ChildProcess(
            command, log_path=log_path, environment=self.site.environment, stop_signal=signal.SIGINT
        )
        self.host.start()
        self.wait_until_recording()

    def stop(self) -> int | None:
        """End HostManager and whatever it has left behind."""
        return self.host.stop() if self.host else None

    def client(self, instance_id: str = RECORDER) -> Any:
        """Give an OCSClient, as soon as the agent answers."""
        return self.site.client(instance_id, timeout_s=60)

    def request(self, instance_id: str, state: str) -> None:
        """Ask HostManager to have an agent up or down."""
        self.client(HOST_MANAGER).update(requests=[(instance_id, state)])

    def managed(self, instance_id: str) -> str:
        """Give what HostManager says of an agent: up, down or something on the way."""
        children = self.client(HOST_MANAGER).manager.status().session["data"].get("child_states", [])
        return next((child["next_action"] for child in children if child["instance_id"] == instance_id), "")

    def wait_for(self, instance_id: str, state: str) -> None:
        """Wait until HostManager says so of an agent."""
        wait_until(lambda: self.managed(instance_id) == state, 40, lambda: f"{state}, not {self.managed(instance_id)}")

    def registered(self, instance_id: str = RECORDER) -> dict[str, Any]:
        """Give what the registry knows of an agent."""
        known = self.client(REGISTRY).main.status().session["data"]
        entry: dict[str, Any] = known.get(f"observatory.{instance_id}", {})
        return entry

    def pids(self) -> tuple[int, int]:
        """Give the process ids of ingest and the writer, as they last reported."""
        seen = [read_snapshot(self.buffer_dir, name) or {} for name in ("ingest", "writer")]
        return int(seen[0].get("pid", 0)), int(seen[1].get("pid", 0))

    def wait_until_recording(self, *, after: int = 0) -> None:
        """Wait until an ingest that is not the one of a former process id records, its writer too."""

        def records() -> bool:
            seen = [read_snapshot(self.buffer_dir, name) or {} for name in ("ingest", "writer")]
            alive = all(self.pids()) and all(map(is_running, self.pids()))
            states = all(snapshot.get("state") == "recording" for snapshot in seen)
            return alive and states and seen[0]["session_id"] == seen[1]["session_id"] and self.pids()[0] != after

        wait_until(records, 60, lambda: self.host.log_tail(60) if self.host else "")

    def wait_until_gone(self, *pids: int, within_s: float) -> None:
        """Wait until processes have ended."""
        wait_until(lambda: not any(map(is_running, pids)), within_s, f"the end of {pids}")

    def cli(self, program: str, *arguments: str, said: str = "") -> str:
        """Run one of OCS's programs with a text on its standard input, and return what it prints."""
        done = subprocess.run(
            [str(_BIN / program), *arguments],
            env={**os.environ, **self.site.environment, "SITE_HOST": "localhost"},
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr
