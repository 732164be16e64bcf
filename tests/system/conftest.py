"""What system tests share: a real router and an OCS site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.demo.router import Router
from tests.support.router import running_router
from tests.support.site import Site, running_site


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A router that the tests of one module share and leave as they found it."""
    with running_router(tmp_path_factory.mktemp("router")) as running:
        yield running


@pytest.fixture
def own_router(tmp_path: Path) -> Iterator[Router]:
    """A router for one test, which may stop, freeze and start it again."""
    with running_router(tmp_path / "router") as running:
        yield running


@pytest.fixture
def site(router: Router, tmp_path: Path) -> Iterator[Site]:
    """A site at the shared router, without agents yet."""
    with running_site(tmp_path / "site", router.settings) as running:
        yield running
