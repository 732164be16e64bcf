"""How to start what is measured: our two processes, the stock agent, and the floor of transport alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aggregator.bench.figures import FLOOR, HKAGG, STOCK
from aggregator.bench.processes import Program
from aggregator.bench.replay import HOST
from aggregator.bench.workloads import ROOT
from aggregator.demo.router import RouterSettings
from aggregator.demo.site_file import Instance, write_site_file

INSTANCE_ID = "bench-aggregator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a run keeps its files; all of it is the run's alone.

    Parameters
    ----------
    root : Path
        Its directory, on the disk that the archive shall be on.
    buffer_dir : Path
        The buffer directory.
    """

    root: Path
    buffer_dir: Path

    @property
    def data_dir(self) -> Path:
        """Root of the archive."""
        return self.root / "archive"

    @property
    def archive_files(self) -> list[Path]:
        """The files of the archive, oldest first."""
        return sorted(self.data_dir.rglob("*.g3"))


def start(recorder: str, places: Places, port: int) -> list[Program]:
    """Start a recorder and return its processes.

    Parameters
    ----------
    recorder : str
        One of those in `figures`.
    places : Places
        Where its files go.
    port : int
        TCP port of the router.
    """
    router = RouterSettings(port=port, host=HOST, address_root=ROOT)
    instance = Instance(agent_class="AggregatorAgent", instance_id=INSTANCE_ID)
    site_file = write_site_file(places.root / "site", router, [instance])
    site = ["--site-file", str(site_file), "--site-host", "localhost", "--instance-id", INSTANCE_ID]
    return _STARTERS[recorder](places, site, router)


def _start_hkagg(places: Places, site: list[str], _: RouterSettings) -> list[Program]:
    buffer = ["--buffer-dir", str(places.buffer_dir)]
    recording = ["--data-dir", str(places.data_dir), "--initial-state", "record", "--writer", "external"]
    return [
        start_module("ingest", places, "ingest", *site, *recording, *buffer),
        start_module("writer", places, "writer", *buffer),
    ]


def _start_stock(places: Places, site: list[str], _: RouterSettings) -> list[Program]:
    module = "ocs.agents.aggregator.agent"
    recording = ["--data-dir", str(places.data_dir), "--initial-state", "record"]
    return [start_module("agent", places, module, *site, *recording, stop_signal=signal.SIGINT)]


def _start_floor(places: Places, _: list[str], router: RouterSettings) -> list[Program]:
    where = ["--url", router.websocket_url, "--realm", router.realm, "--address-root", router.address_root]
    return [start_module("transport", places, "ingest.bench.transport_floor", *where)]


def start_module(
    name: str, places: Places, module: str, *arguments: str, stop_signal: signal.Signals = signal.SIGTERM
) -> Program:
    """Start ``python -m module`` under measurement, by a name for its results."""
    log_path = places.root / f"{name}.log"
    return Program(name, [sys.executable, "-m", module, *arguments], log_path=log_path, stop_signal=stop_signal)


_STARTERS: dict[str, Callable[[Places, list[str], RouterSettings], list[Program]]] = {
    HKAGG: _start_hkagg,
    STOCK: _start_stock,
    FLOOR: _start_floor,
}
