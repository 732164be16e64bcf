"""`hkagg run` with the real processes, a real router and an OCS agent that publishes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aggregator.demo.child import ChildProcess
from aggregator.demo.router import Router, RouterSettings, free_port
from aggregator.observation import Observation, observe
from tests.support.archive_check import assert_archive_is_clean
from tests.support.router import start_and_wait
from tests.support.site import Site, running_site
from tests.support.wait import wait_until

STATUS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "status.md"


@contextmanager
def running_pair(site: Site, root: Path) -> Iterator[ChildProcess]:
    """`hkagg run` as an agent of a site, told to record at once."""
    arguments = ["--data-dir", str(root / "data"), "--buffer-dir", str(root / "buffer"), "--initial-state", "record"]
    site.add("HKAggregatorAgent", "north", *arguments)
    command = [sys.executable, "-m", "aggregator", "run", *site.arguments, "--instance-id", "north", "--log-dir", "-"]
    pair = ChildProcess(command, log_path=root / "run.log", environment=site.environment)
    pair.start()
    try:
        yield pair
    finally:
        pair.stop()


def wait_until_seen(root: Path, pair: ChildProcess, **states: str) -> Observation:
    """Wait until both processes say that they are in these states."""

    def look() -> Observation | None:
        seen = observe(root / "buffer")
        alive = seen.ingest.alive and seen.writer.alive
        return seen if alive and all(getattr(seen, name).state == state for name, state in states.items()) else None

    seen = wait_until(look, 60, lambda: f"{states}; it said:\n{pair.log_tail(60)}")
    assert seen is not None
    return seen


def documented_keys(process: str) -> set[str]:
    """Return the keys that the reference page lists for a process."""
    section = STATUS_PAGE.read_text().split(f"\n## {process}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_it_waits_for_the_router_records_through_a_killed_writer_and_ends_with_everything_archived(
    tmp_path: Path,
) -> None:
    router = Router(RouterSettings(port=free_port()), tmp_path / "router")
    with running_site(tmp_path / "site", router.settings) as site, running_pair(site, tmp_path) as pair:
        seen = wait_until_seen(tmp_path, pair, ingest="idle", writer="waiting")
        assert not seen.ingest.number("connected")
        try:
            start_and_wait(router)
            site.start_agent("FakeDataAgent", "fake", "--mode", "acq", "--num-channels", "3", "--sample-rate", "10")
            seen = wait_until_seen(tmp_path, pair, ingest="recording", writer="recording")

            def received() -> int:
                return observe(tmp_path / "buffer").ingest.counted("received")

            wait_until(lambda: received() >= 2, 60, site.said)
            os.kill(int(seen.writer.number("pid")), signal.SIGKILL)
            received_before = received()
            wait_until(lambda: received() >= received_before + 2, 60, site.said)
            assert pair.stop() == 0
        finally:
            router.stop()
    last = observe(tmp_path / "buffer")
    assert not last.ingest.alive
    assert not last.writer.alive
    assert last.writer.number("pid") != seen.writer.number("pid")
    assert last.writer.counted("archived") == last.ingest.counted("committed") == last.ingest.counted("received")
    assert {process: set(getattr(last, process).snapshot or {}) for process in ("ingest", "writer")} == {
        process: documented_keys(process) for process in ("ingest", "writer")
    }
    archived = assert_archive_is_clean(tmp_path / "data")
    assert {name.split(".")[-1] for name in archived} == {"channel_00", "channel_01", "channel_02"}


def test_a_site_file_with_a_mistake_is_one_line_and_an_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aggregator", "run", "--site-file", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"hkagg run: cannot read the site file .*\n", done.stderr)
