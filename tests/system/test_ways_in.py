"""Every way that a router may offer to come in."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import RecordingAgent
from tests.support.both import HttpPublisher, sources
from tests.support.oracle import archived_rows
from tests.support.routers import AUTH_ID, CRA_KEY, TICKET, ManyDoors, router_of_many_doors
from tests.support.shared_memory import buffer_in_shared_memory
from tests.support.site import Site, running_site
from tests.support.wait import wait_until

ROWS = 5


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyDoors]:
    """A router with every way in."""
    with router_of_many_doors(tmp_path_factory.mktemp("doors")) as router:
        yield router


@pytest.fixture
def house(doors: ManyDoors, tmp_path: Path) -> Iterator[Site]:
    """A site at that router."""
    with running_site(tmp_path / "site", doors.settings) as site:
        yield site


@pytest.fixture
def buffers(tmp_path: Path) -> Iterator[Path]:
    """A folder of buffers in shared memory."""
    with buffer_in_shared_memory(tmp_path.name) as directory:
        directory.mkdir(mode=0o700)
        yield directory


def secret(tmp_path: Path, text: str) -> str:
    """Write a secret to a file and give its path."""
    path = tmp_path / f"secret-{abs(hash(text))}"
    path.write_text(text + "\n")
    return str(path)


def start(site: Site, root: Path, buffers: Path, url: str, *arguments: str) -> RecordingAgent:
    """Start a recorder that comes in by a URL."""
    name = root.name
    site.add("HKAggregatorAgent", name, "--data-dir", str(root))
    agent = RecordingAgent(site, root, buffers / name)
    places = ["--instance-id", name, "--buffer-dir", str(agent.buffer_dir), "--buffer-size", "16M"]
    recording = ["--initial-state", "record", "--site-hub", url]
    agent.process = site.start_module("ingest", *site.arguments, *places, *recording, *arguments, name=name)
    return agent


def test_what_comes_in_by_any_way_is_recorded_alike(
    doors: ManyDoors, house: Site, tmp_path: Path, buffers: Path
) -> None:
    more = {
        "tls": ["--tls-ca-file", str(doors.certificate)],
        "ticket": ["--wamp-auth-id", AUTH_ID, "--wamp-secret-file", secret(tmp_path, TICKET)],
        "wampcra": ["--wamp-auth-id", AUTH_ID, "--wamp-secret-file", secret(tmp_path, CRA_KEY)],
    }
    more["wampcra"] += ["--wamp-auth-method", "wampcra"]
    agents = [start(house, tmp_path / name, buffers, url, *more.get(name, ())) for name, url in doors.urls.items()]
    for agent in agents:
        agent.wait_for(60, state="recording", connected=True)
        assert house.client(agent.data_dir.name).record.status().session["status"] == "running"
    publisher = HttpPublisher(doors.settings.host, doors.settings.port)
    (source,) = sources(["rows"]).values()
    for row in range(ROWS):
        message = source.message(double=source.floats(), int=source.ints(), text=["µ"], bool=[row > 1])
        publisher.publish(source.address, message)
    publisher.close()
    for agent in agents:
        agent.wait_until_committed(ROWS)
        assert agent.process is not None
        agent.process.send(signal.SIGINT)
    wait_until(lambda: all(agent.process.exit_code == 0 for agent in agents if agent.process), 20, house.said)
    archived = {agent.data_dir.name: list(archived_rows(agent.data_dir)) for agent in agents}
    assert len(archived["tls"]) == ROWS
    assert {name for name, rows in archived.items() if rows != archived["tls"]} == set()


def test_who_has_the_wrong_ticket_stays_out_and_says_so(
    doors: ManyDoors, house: Site, tmp_path: Path, buffers: Path
) -> None:
    arguments = ["--wamp-auth-id", AUTH_ID, "--wamp-secret-file", secret(tmp_path, "stolen"), "--writer", "external"]
    agent = start(house, tmp_path / "stranger", buffers, doors.urls["ticket"], *arguments)
    assert agent.process is not None
    wait_until(lambda: "not_authorized" in house.said() or "authentication_failed" in house.said(), 30, house.said)
    assert not agent.snapshot()["connected"]
    assert agent.end(signal.SIGINT) == 0


def test_a_router_with_a_certificate_of_unknown_origin_is_not_trusted(
    doors: ManyDoors, house: Site, tmp_path: Path, buffers: Path
) -> None:
    agent = start(house, tmp_path / "careful", buffers, doors.urls["tls"], "--writer", "external")
    wait_until(lambda: "certificate verify failed" in house.said(), 30, house.said)
    assert not agent.snapshot()["connected"]
    assert agent.end(signal.SIGINT) == 0


def test_a_router_that_is_away_for_longer_than_allowed_ends_the_agent_in_good_order(
    doors: ManyDoors, house: Site, tmp_path: Path, buffers: Path
) -> None:
    url = doors.urls["json"]
    agent = start(house, tmp_path / "patient", buffers, url, "--crossbar-timeout", "1", "--writer", "external")
    agent.wait_for(60, state="recording", connected=True)
    assert agent.process is not None
    doors.kill()
    wait_until(lambda: agent.process is not None and agent.process.exit_code == 0, 20, house.said)
    assert agent.snapshot()["state"] == "idle"
