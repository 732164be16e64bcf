"""The demo from beginning to end: everybody comes up, publishes, stops in order; then the archive is checked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from aggregator.demo.bridge import call_operation
from aggregator.demo.cast import RECORDER, Cast
from aggregator.demo.child import ChildProcess
from aggregator.demo.patience import Patience
from aggregator.demo.places import Places
from aggregator.demo.screen import Scene, Screen
from aggregator.errors import DemoError
from aggregator.health import judge
from aggregator.ledger import read_ledger
from aggregator.observation import Observation, observe
from aggregator.status_view import Look

_LOOK_EVERY_S = 0.5
_START_TIMEOUT_S = 90
_STOP_TIMEOUT_S = 45


class Story:
    """One run of the demo.

    Parameters
    ----------
    cast : Cast
        The programs.
    places : Places
        Where they keep their things.
    screen : Screen
        Where the story is told.
    patience : Patience
        How it waits.
    now_ns : Callable[[], int]
        Unix nanoseconds.
    """

    def __init__(
        self, cast: Cast, places: Places, screen: Screen, patience: Patience, now_ns: Callable[[], int]
    ) -> None:
        self._cast = cast
        self._places = places
        self._screen = screen
        self._patience = patience
        self._now_ns = now_ns
        self._break_off_at = 1

    def tell(self, length_s: float) -> bool:
        """Run it all, and leave nothing running.

        Parameters
        ----------
        length_s : float
            How long the site publishes.

        Returns
        -------
        bool
            Whether every published value is in the archive exactly once.

        Raises
        ------
        DemoError
            When a program did not do its part.
        KeyboardInterrupt
            When the user did not want to wait for the check.
        """
        try:
            self._come_up()
            # From here on there is something to lose: a first Ctrl-C ends it in order, a second one at once.
            self._break_off_at = 2
            self._watch(length_s)
            self._wind_down()
        finally:
            self._cast.stop()
        return self._check()

    def _come_up(self) -> None:
        cast = self._cast
        cast.prepare()
        with self._screen.step(f"A router, Crossbar.io, carries the messages: {cast.router.settings.websocket_url}"):
            cast.router.start()
            self._await(cast.router.is_ready, "the router to come up")
        with self._screen.step("The recorder, two processes: ingest takes messages in, the writer makes .g3 files"):
            self._start(cast.recorder, self._records, "the recorder to record")
        with self._screen.step("OCS's own FakeDataAgent, and a witness who writes down what it publishes"):
            self._start(cast.witness, self._places.witnessed.exists, "the witness to listen")
            self._start(cast.fake_agent, lambda: self._places.witnessed.stat().st_size, "the FakeDataAgent to publish")
        with self._screen.step(
            f"A simulated observatory of {cast.simulated_feeds} feeds, which keeps a ledger of all that it publishes"
        ):
            self._start(cast.site, self._places.published.exists, "the simulated site to publish")

    def _watch(self, length_s: float) -> None:
        with self._screen.stage() as stage:
            for elapsed_s in self._patience.ticks(length_s, _LOOK_EVERY_S):
                self._everybody_still_runs()
                stage.show(Scene(elapsed_s=elapsed_s, length_s=length_s, look=self._look(), programs=self._programs()))

    def _wind_down(self) -> None:
        cast = self._cast
        with self._screen.step("The publishers have stopped"):
            for child in (cast.site, cast.fake_agent):
                child.request_stop()
            for child in (cast.site, cast.fake_agent):
                self._await_end(child)
        with self._screen.step("The recorder has taken every message"):
            self._await(self._has_taken_all, "the recorder to take everything that was published", _STOP_TIMEOUT_S)
            cast.witness.request_stop()
            self._await_end(cast.witness)
        with self._screen.step("Recording has stopped: what waited in the buffer is in the archive, its file closed"):
            call_operation(cast.router.settings, RECORDER, "stop", "record")
            self._await(self._has_archived_all, "the recorder to close its file", _STOP_TIMEOUT_S)
        with self._screen.step("The recorder and the router have ended"):
            cast.recorder.request_stop()
            self._await_end(cast.recorder)
            cast.router.stop()
        self._all_ended_well()

    def _check(self) -> bool:
        archive = str(self._places.archive)
        self._screen.say("\nWhat is in the archive ('hkagg inspect'):\n", style="bold")
        inspected = self._run_tool("aggregator", "inspect", archive)
        self._screen.say("\nWhat was published, held against the archive ('python -m writer.audit'):\n", style="bold")
        ledgers = [f"--ledger={path}" for path in (self._places.published, self._places.witnessed)]
        audited = self._run_tool("writer.audit", "--brief", *ledgers, archive)
        return inspected == audited == 0

    def _run_tool(self, module: str, *arguments: str) -> int:
        # In a session of its own, as Ctrl-C is for the demo to deal with.
        command = [sys.executable, "-m", module, *arguments]
        tool = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - a command of our own
        try:
            self._await(lambda: tool.poll() is not None, f"{module} to end", timeout_s=600)
        finally:
            tool.kill()
        return tool.wait()

    def _start(self, child: ChildProcess, is_up: Callable[[], object], awaited: str) -> None:
        child.start()

        def is_up_or_ended() -> object:
            return is_up() or not child.is_running

        self._await(is_up_or_ended, awaited)
        if not child.is_running:
            raise DemoError(f"waited for {awaited}, but it ended:\n{child.log_tail()}")

    def _await(self, condition: Callable[[], object], awaited: str, timeout_s: float = _START_TIMEOUT_S) -> None:
        self._patience.until(condition, timeout_s, awaited, requests=self._break_off_at)

    def _await_end(self, child: ChildProcess) -> None:
        self._await(lambda: not child.is_running, f"{child.log_path.stem} to end", _STOP_TIMEOUT_S)

    def _observe(self) -> Observation:
        return observe(self._places.buffer)

    def _look(self) -> Look:
        seen, now_ns = self._observe(), self._now_ns()
        return Look(seen=seen, health=judge(seen, now_ns), now_ns=now_ns)

    def _records(self) -> bool:
        seen = self._observe()
        return seen.ingest.state == "recording" and bool(seen.ingest.number("connected")) and seen.writer.alive

    def _has_taken_all(self) -> bool:
        return self._observe().ingest.counted("committed") >= self._published()

    def _has_archived_all(self) -> bool:
        seen = self._observe()
        settled = seen.writer.counted("archived") + seen.writer.counted("quarantined")
        is_closed = seen.ingest.state == "idle" and seen.writer.state == "waiting"
        return is_closed and settled >= seen.ingest.counted("committed")

    def _published(self) -> int:
        ledgers = (self._places.published, self._places.witnessed)
        return sum(entry.certain for ledger in ledgers for entry in read_ledger(ledger))

    def _programs(self) -> list[tuple[str, bool]]:
        seen = self._observe()
        return [
            ("router", self._cast.router.is_running),
            ("ingest", seen.ingest.alive),
            ("writer", seen.writer.alive),
            *((name, child.is_running) for name, child in self._cast.children() if child is not self._cast.recorder),
        ]

    def _everybody_still_runs(self) -> None:
        for name, child in self._cast.children():
            if not child.is_running:
                raise DemoError(f"the {name} ended before its time:\n{child.log_tail()}")
        if not self._cast.router.is_running:
            raise DemoError(f"the router ended before its time:\n{self._cast.router.log_tail()}")

    def _all_ended_well(self) -> None:
        for name, child in self._cast.children():
            if child.stop() != 0:
                raise DemoError(f"the {name} ended with exit code {child.exit_code}:\n{child.log_tail()}")
