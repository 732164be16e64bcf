"""The programs of the demo: who they are and how each is started."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator

from aggregator.demo.child import ChildProcess
from aggregator.demo.places import Places
from aggregator.demo.router import Router, RouterSettings
from aggregator.demo.site_file import Instance, write_site_file
from aggregator.simulation import SimulatedSite

RECORDER = "aggregator"
FAKE_AGENT = "fake-data"


class Cast:
    """All programs of one run, none of them started yet.

    Parameters
    ----------
    places : Places
        Where they keep their things.
    router : RouterSettings
        Their network.
    scale : float
        Size of the simulated site; 1 is about 100 feeds.
    seed : int
        Decides its values.
    """

    def __init__(self, places: Places, router: RouterSettings, *, scale: float, seed: int) -> None:
        self._places = places
        self._settings = router
        self.simulated_feeds = len(SimulatedSite(seed, 0, scale).recordable_addresses)
        self.router = Router(router, places.router)
        self.recorder = self._module("recorder", "aggregator", "run", "--log-dir", str(places.logs), *self._recording())
        self.witness = self._module("witness", "ingest.witness", *self._network(), *self._witnessing())
        self.fake_agent = self._module(
            "fake-data-agent",
            "ocs.agents.fake_data.agent",
            *self._as_agent(FAKE_AGENT),
            stop_signal=signal.SIGINT,
        )
        self.site = self._module(
            "simulated-site",
            "ingest.simulate",
            *self._network(),
            "--ledger",
            str(places.published),
            *("--scale", str(scale), "--seed", str(seed)),
        )

    def prepare(self) -> None:
        """Make the folders and the site file that the programs find each other by."""
        self._places.published.parent.mkdir(parents=True, exist_ok=True)
        fake = ("--mode", "acq", "--num-channels", "4", "--sample-rate", "20", "--frame-length", "20")
        instances = [
            Instance(agent_class="AggregatorAgent", instance_id=RECORDER),
            Instance(agent_class="FakeDataAgent", instance_id=FAKE_AGENT, arguments=fake),
        ]
        write_site_file(self._places.site, self._settings, instances)

    def children(self) -> Iterator[tuple[str, ChildProcess]]:
        """Give every program but the router, with its name for people."""
        yield "recorder", self.recorder
        yield "witness", self.witness
        yield "OCS FakeDataAgent", self.fake_agent
        yield "simulated site", self.site

    def stop(self) -> None:
        """End whatever still runs and remove what only running programs need."""
        for _, child in self.children():
            child.request_stop()
        for _, child in reversed(list(self.children())):
            child.stop()
        self.router.stop()
        shutil.rmtree(self._places.router, ignore_errors=True)

    def _module(
        self, name: str, module: str, *arguments: str, stop_signal: signal.Signals = signal.SIGTERM
    ) -> ChildProcess:
        return ChildProcess(
            [sys.executable, "-u", "-m", module, *arguments],
            log_path=self._places.log(name),
            environment={"OCS_CONFIG_DIR": str(self._places.site)},
            stop_signal=stop_signal,
        )

    def _as_agent(self, instance_id: str) -> list[str]:
        return ["--instance-id", instance_id, "--site-host", "localhost"]

    def _recording(self) -> list[str]:
        places = ["--data-dir", str(self._places.archive), "--buffer-dir", str(self._places.buffer)]
        return [*self._as_agent(RECORDER), "--initial-state", "record", *places]

    def _network(self) -> list[str]:
        settings = self._settings
        return ["--url", settings.websocket_url, "--realm", settings.realm, "--address-root", settings.address_root]

    def _witnessing(self) -> list[str]:
        feed = f"{self._settings.address_root}.{FAKE_AGENT}.feeds.false_temperatures"
        return ["--ledger", str(self._places.witnessed), "--feed", feed]
