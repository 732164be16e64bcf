from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from aggregator.demo.child import ChildProcess
from aggregator.demo.router import Router, RouterSettings, free_port
from aggregator.ledger import LedgerEntry, read_ledger
from tests.support.router import start_and_wait
from tests.support.site import Site, running_site
from tests.support.wait import wait_until

FAKE_FEED = "observatory.fake-data.feeds.false_temperatures"


def start(site: Site, module: str, ledger: Path, *arguments: str) -> ChildProcess:
    """Start the publisher or a witness and wait until it is at work."""
    network = ["--url", site.router.websocket_url, "--ledger", str(ledger)]
    child = site.start_module(module, *network, *arguments, name=ledger.stem)
    wait_until(lambda: ledger.exists() or child.exit_code is not None, 30, f"{ledger} to come into being")
    return child


def contents(ledger: Path, *, certain_only: bool = False) -> list[bytes]:
    """Everything in a ledger, made comparable and free of its order."""
    entries = [entry for entry in read_ledger(ledger) if entry.certain or not certain_only]
    return sorted(msgpack.packb([entry.data, entry.feed]) for entry in entries)


def entries(ledger: Path, address: str) -> list[LedgerEntry]:
    return [entry for entry in read_ledger(ledger) if entry.address == address]


def test_what_the_publisher_says_it_published_is_what_a_witness_hears(site: Site, tmp_path: Path) -> None:
    witness = start(site, "ingest.witness", tmp_path / "heard")
    publisher = start(site, "ingest.simulate", tmp_path / "published", "--seconds", "4", "--scale", "0.3")
    wait_until(lambda: publisher.exit_code is not None, 30, "the publisher to end by itself")
    assert publisher.exit_code == 0
    wait_until(lambda: contents(tmp_path / "heard") == contents(tmp_path / "published"), 10, site.said)
    assert contents(tmp_path / "published")
    assert witness.stop() == 0


@pytest.mark.parametrize("module", ["ingest.simulate", "ingest.witness"])
def test_both_programs_end_cleanly_when_they_are_told(site: Site, tmp_path: Path, module: str) -> None:
    child = start(site, module, tmp_path / "ledger")
    assert child.stop() == 0
    assert all(entry.certain for entry in read_ledger(tmp_path / "ledger"))


def test_a_witness_of_one_feed_hears_the_stock_agent_and_nothing_else(site: Site, tmp_path: Path) -> None:
    start(site, "ingest.witness", tmp_path / "heard", "--feed", FAKE_FEED)
    start(site, "ingest.simulate", tmp_path / "published", "--scale", "0.01")
    site.start_agent("FakeDataAgent", "fake-data", "--mode", "acq")
    wait_until(lambda: len(list(read_ledger(tmp_path / "heard"))) >= 2, 30, site.said)
    assert {entry.address for entry in read_ledger(tmp_path / "heard")} == {FAKE_FEED}


def test_the_publisher_and_the_witness_go_on_after_a_router_restart(own_router: Router, tmp_path: Path) -> None:
    heard, published = tmp_path / "heard", tmp_path / "published"
    acu = "observatory.acu-sat1.feeds.acu_status"
    with running_site(tmp_path / "site", own_router.settings) as site:
        start(site, "ingest.witness", heard)
        publisher = start(site, "ingest.simulate", published, "--scale", "0.05")
        wait_until(lambda: entries(heard, acu), 20, site.said)
        own_router.kill()
        before = len(entries(heard, acu)), len(entries(published, acu))
        start_and_wait(own_router)
        wait_until(lambda: len(entries(heard, acu)) > before[0], 30, site.said)
        wait_until(lambda: len(entries(published, acu)) > before[1], 30, site.said)
        assert publisher.stop() == 0
        everything = contents(published)
        assert len(set(everything)) == len(everything), "a message was written down twice"
        # What the killed router had taken but not passed on yet, nobody can have heard.
        wait_until(lambda: set(contents(heard)) <= set(everything), 10, site.said)


def test_a_publisher_that_finds_no_router_says_so_in_one_line(tmp_path: Path) -> None:
    nowhere = RouterSettings(port=free_port())
    with running_site(tmp_path / "site", nowhere) as site:
        child = start(site, "ingest.simulate", tmp_path / "ledger", "--connect-timeout", "0.5")
        assert child.exit_code == 1
        complaint = f"cannot reach a router at {nowhere.websocket_url}: start it, or name another with --url"
        assert child.log_tail(lines=1).endswith(complaint)
