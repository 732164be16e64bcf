from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from aggregator.demo.router import Router
from tests.support.router import start_and_wait
from tests.support.site import Site, running_site
from tests.support.wait import wait_until


def test_a_stock_agent_and_a_stock_client_find_each_other_through_the_router(site: Site) -> None:
    site.start_agent("FakeDataAgent", "fake-data", "--mode", "acq")
    client = site.client("fake-data")
    status = client.acq.status()
    assert status.session["status"] in {"starting", "running"}


def test_a_restarted_router_listens_on_the_same_port_again(own_router: Router, tmp_path: Path) -> None:
    own_router.stop()
    assert not own_router.is_ready()
    start_and_wait(own_router)
    with running_site(tmp_path / "site", own_router.settings) as site:
        site.start_agent("FakeDataAgent", "fake-data")
        site.client("fake-data")


def test_a_frozen_router_answers_nobody_until_it_is_thawed(own_router: Router) -> None:
    own_router.freeze()
    assert not own_router.is_ready()
    own_router.thaw()
    wait_until(own_router.is_ready, message="the thawed router to answer")


def test_a_router_leaves_no_process_behind_even_when_it_is_frozen(own_router: Router) -> None:
    group = own_router.pid
    own_router.freeze()
    own_router.stop()
    assert not own_router.is_running
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_a_stopped_agent_ends_without_being_killed(site: Site) -> None:
    agent = site.start_agent("FakeDataAgent", "fake-data-2")
    site.client("fake-data-2")
    assert agent.stop() != -signal.SIGKILL
