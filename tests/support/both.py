"""OCS's own aggregator and ours on one router, recording the same messages at the same time."""

from __future__ import annotations

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import ocs

from aggregator.demo.child import ChildProcess
from aggregator.status import read_snapshot
from tests.support.oracle import whole_frames
from tests.support.site import Site
from tests.support.streams import SEED, SHORT_S, Phases, Published, Source
from tests.support.wait import wait_until

STOCK, OURS = "stock", "ours"
FILE_S = 3
"""Seconds per file, so that both rotate."""


class HttpPublisher:
    """Publishes through the router's HTTP bridge over one connection.

    Parameters
    ----------
    host, port
        Of the router.
    """

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=30)

    def publish(self, topic: str, published: Published) -> None:
        """Publish a message and wait until the router has it."""
        body = json.dumps({"topic": topic, "args": [[published.data, published.feed]]})
        self._connection.request("POST", "/publish", body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        assert response.status == http.client.OK, answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Both:
    """The two recorders, each an agent process of its own.

    Parameters
    ----------
    site : Site
        Where they are listed and started.
    root : Path
        Takes an archive of each.
    buffer_dir : Path
        Ours.
    """

    def __init__(self, site: Site, root: Path, buffer_dir: Path) -> None:
        self._site = site
        self._buffer_dir = buffer_dir
        self._publisher = HttpPublisher(site.router.host, site.router.port)
        self._sentinels = 0
        self._processes: dict[str, ChildProcess] = {}
        self.clients: dict[str, Any] = {}
        self.archives = {name: root / name for name in (STOCK, OURS)}
        for name, data_dir in self.archives.items():
            data_dir.mkdir()
            agent_class = "AggregatorAgent" if name == STOCK else "HKAggregatorAgent"
            site.add(agent_class, name, "--data-dir", str(data_dir), "--time-per-file", str(FILE_S))

    def launch(self) -> None:
        """Start both agents and wait until they answer."""
        ours = ("--buffer-dir", str(self._buffer_dir), "--buffer-size", "64M")
        for name, module, more in ((STOCK, "ocs.agents.aggregator.agent", ()), (OURS, "ingest", ours)):
            arguments = [*self._site.arguments, "--instance-id", name, *more]
            self._processes[name] = self._site.start_module(module, *arguments, name=name)
        self.clients = {name: self._site.client(name) for name in self._processes}

    def kill(self) -> None:
        """End both at once, without a goodbye."""
        for process in self._processes.values():
            process.send(signal.SIGKILL)
        for process in self._processes.values():
            wait_until(lambda process=process: not process.is_running)  # type: ignore[misc]

    def start(self) -> None:
        """Let both record."""
        for client in self.clients.values():
            assert client.record.start().status == ocs.OK
        for name, client in self.clients.items():
            wait_until(lambda client=client: client.record.status().session.get("data"), 20, name)  # type: ignore[misc]

    def stop(self) -> None:
        """Let both finish; the stock one may have ended by itself."""
        for client in self.clients.values():
            client.record.stop()
        for client in self.clients.values():
            client.record.wait(timeout=20)

    def publish(self, topic: str, messages: Iterable[Published]) -> None:
        """Publish messages of one feed, one after the other."""
        for message in messages:
            self._publisher.publish(topic, message)

    def settle(self, *, cut: bool) -> None:
        """Wait until both have taken everything published so far.

        Parameters
        ----------
        cut : bool
            Whether to wait, too, until what is due within `SHORT_S` is in both archives.
        """
        self._sentinels += 1
        ahead = _source(f"sentinel_{self._sentinels}", time.time() + FILE_S)
        self.publish(ahead.address, [ahead.message({"frame_length": SHORT_S}, mark=[1.5])])
        for client in self.clients.values():
            wait_until(lambda client=client: _has_heard_of(client, ahead.address), 20, self._site.said)  # type: ignore[misc]
        for data_dir in self.archives.values() if cut else ():
            wait_until(lambda data_dir=data_dir: _is_archived(data_dir, ahead.address), 20, self._site.said)  # type: ignore[misc]

    def wait_until_stock_has_failed(self) -> None:
        """Wait until the stock recorder's process has ended by itself."""
        client = self.clients[STOCK]
        wait_until(lambda: client.record.status().session.get("status") == "done", 20, self._site.said)
        assert not client.record.status().session["success"]

    def wait_until_stock_is_back(self) -> None:
        """Wait until the stock recorder has lost its connection and has one again."""
        process = self._processes[STOCK]
        wait_until(lambda: "waiting for reconnection" in process.log_tail(10_000), 20, self._site.said)
        gone, _, _ = process.log_tail(10_000).rpartition("waiting for reconnection")
        joined = gone.count("session joined")
        wait_until(lambda: process.log_tail(10_000).count("session joined") > joined, 20, self._site.said)

    def wait_until_ours_has(self, messages: int) -> None:
        """Wait until ours has so many messages in its log."""
        wait_until(lambda: self.committed() >= messages, 20, self._site.said)

    def committed(self) -> int:
        """Return how many messages ours has in its log, as of a second ago."""
        counters = (read_snapshot(self._buffer_dir, "ingest") or {}).get("counters", {})
        return int(counters.get("committed", 0))

    def close(self) -> None:
        """Let go of the router; the site stops the agents."""
        self._publisher.close()


def sources(names: Sequence[str]) -> dict[str, Source]:
    """Return a source for each name, all beginning now and each with its own seed."""
    start_s = float(int(time.time()))
    return {name: _source(name, start_s) for name in names}


def _source(name: str, start_s: float) -> Source:
    return Source(name=name, start_s=start_s, random=Random(f"{SEED} {name}"))  # noqa: S311 - the same for each run


def interleaved(streams: dict[str, Phases], phase: int) -> list[tuple[str, Published]]:
    """Return the messages of a phase as they would come: in turn from each feed."""
    rest = {name: list(phases[phase]) if phase < len(phases) else [] for name, phases in streams.items()}
    longest = max(map(len, rest.values()))
    return [(name, messages[i]) for i in range(longest) for name, messages in rest.items() if i < len(messages)]


def _has_heard_of(client: Any, address: str) -> bool:
    return address in client.record.status().session.get("data", {}).get("providers", {})


def _is_archived(data_dir: Path, address: str) -> bool:
    newest = sorted(data_dir.glob("*/*.g3"))[-2:]
    frames: Callable[[Path], Any] = whole_frames
    return any(frame["hkagg_type"] == 2 and frame["address"] == address for path in newest for frame in frames(path))
