"""A real Crossbar.io router for system tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aggregator.demo.router import Router, RouterSettings, free_port
from tests.support.wait import wait_until


def start_and_wait(router: Router, timeout_s: float = 60) -> None:
    """Start a router, or start it again on its port, and wait until agents can connect."""
    router.start()
    wait_until(router.is_ready, timeout_s, lambda: f"the router to be ready; it said:\n{router.log_tail()}")


@contextmanager
def running_router(directory: Path, *, realm: str = "test_realm", root: str = "observatory") -> Iterator[Router]:
    """Run a router of its own on a free port; it is gone afterwards, even when it is frozen."""
    router = Router(RouterSettings(port=free_port(), realm=realm, address_root=root), directory)
    try:
        start_and_wait(router)
        yield router
    finally:
        router.stop()
