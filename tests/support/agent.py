"""The recording agent as a process of a site, and rows published to it one by one."""

from __future__ import annotations

import http.client
import json
import os
import signal
from pathlib import Path
from typing import Any

from aggregator.demo.child import ChildProcess
from aggregator.demo.router import RouterSettings
from aggregator.status import read_snapshot
from tests.support.site import Site
from tests.support.wait import wait_until

COUNTER_FEED = "observatory.counter.feeds.rows"


class RecordingAgent:
    """An agent under test.

    Parameters
    ----------
    site : Site
        Where it is listed and started, as `aggregator`.
    data_dir, buffer_dir : Path
        Its archive and its buffer.
    """

    def __init__(self, site: Site, data_dir: Path, buffer_dir: Path) -> None:
        self.site = site
        self.data_dir = data_dir
        self.buffer_dir = buffer_dir
        self.process: ChildProcess | None = None

    def start(self, *arguments: str) -> ChildProcess:
        """Start the agent; it need not find a router."""
        self.site.add("HKAggregatorAgent", "aggregator", "--data-dir", str(self.data_dir))
        self.process = self.site.start_module(
            "ingest",
            *self.site.arguments,
            *("--instance-id", "aggregator", "--buffer-dir", str(self.buffer_dir), "--buffer-size", "64M"),
            *arguments,
            name="aggregator",
        )
        return self.process

    def client(self) -> Any:
        """Give an OCSClient, as soon as the agent answers."""
        return self.site.client("aggregator")

    def snapshot(self, process: str = "ingest") -> dict[str, Any]:
        """Give the last status snapshot of one of the pair."""
        return read_snapshot(self.buffer_dir, process) or {}

    def count(self, counter: str) -> int:
        """Give one of ingest's counters, summed over its labels."""
        value = self.snapshot().get("counters", {}).get(counter, 0)
        return sum(value.values()) if isinstance(value, dict) else int(value)

    def wait_for(self, timeout_s: float = 30, **values: Any) -> None:
        """Wait until ingest's snapshot says these values."""

        def says() -> bool:
            snapshot = self.snapshot()
            fresh = self.process is not None and snapshot.get("pid") == self.process.pid
            return fresh and all(snapshot.get(key) == value for key, value in values.items())

        wait_until(says, timeout_s, lambda: f"{values}, not {self.snapshot()}; said:\n{self.site.said()}")

    def wait_until_committed(self, messages: int, timeout_s: float = 30) -> None:
        """Wait until so many messages are in the log."""
        wait_until(
            lambda: self.count("committed") >= messages,
            timeout_s,
            lambda: f"{messages} messages, not {self.snapshot()}; said:\n{self.site.said()}",
        )

    def wait_for_writer(self) -> int:
        """Wait until a writer reports, and give its process id."""

        def pid() -> int:
            reported = int(self.snapshot("writer").get("pid", 0))
            return reported if reported and Path(f"/proc/{reported}").exists() else 0

        return wait_until(pid, 30, self.site.said)

    def end(self, number: signal.Signals = signal.SIGINT, within_s: float = 10) -> int | None:
        """Send a signal, wait for the end and give the exit code."""
        assert self.process is not None
        process = self.process
        process.send(number)
        wait_until(lambda: not process.is_running, within_s, lambda: f"the end; said:\n{self.site.said()}")
        return process.exit_code


def is_running(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


class RowPublisher:
    """Publishes numbered rows through the router's HTTP bridge, as JSON.

    Parameters
    ----------
    router : RouterSettings
        Where to.
    """

    def __init__(self, router: RouterSettings) -> None:
        self._router = router
        self.rows = 0

    def publish(self, *, padding: int = 0) -> None:
        """Publish the next row, with a text of so many letters beside its number."""
        data = {"number": [self.rows], "padding": ["x" * padding]}
        block = {"block_name": "rows", "data": data, "timestamps": [1.7e9 + self.rows]}
        self.publish_pair({"rows": block}, self.feed())
        self.rows += 1

    def feed(self) -> dict[str, Any]:
        """Give the feed part."""
        return {
            "agent_address": "observatory.counter",
            "agg_params": {"frame_length": 5},
            "feed_name": "rows",
            "address": COUNTER_FEED,
            "record": True,
            "session_id": "1700000000.5",
            "agent_class": "Counter",
        }

    def publish_pair(self, data: Any, feed: Any) -> None:
        """Publish anything on the feed's topic."""
        body = json.dumps({"topic": COUNTER_FEED, "args": [[data, feed]]})
        connection = http.client.HTTPConnection(self._router.host, self._router.port, timeout=30)
        try:
            connection.request("POST", "/publish", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        assert response.status == http.client.OK, answer
