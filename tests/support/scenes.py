"""Recorders in states worth looking at, with a monitor that has watched them for a while."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aggregator.records import Gap
from aggregator.simulation.site import SimulatedSite
from aggregator.status import INGEST, WRITER
from tests.support.recording import SECOND, block, feed
from tests.support.stand_in import StandIn
from writer.monitor.monitor import Monitor
from writer.monitor.serving import serve
from writer.monitor.settings import MonitorSettings
from writer.monitor.watcher import Watcher

HOSTILE = "<script>alert(1)</script>"
LIVE_EVERY_S = 0.5


@dataclass(slots=True)
class Scene:
    """A recorder that is being watched.

    Parameters
    ----------
    recorder : StandIn
        The recorder.
    watcher : Watcher
        Who has seen it so far.
    go_on : Callable[[int], None]
        Lets the recorder live on up to a time, Unix nanoseconds.
    """

    recorder: StandIn
    watcher: Watcher
    go_on: Callable[[int], None]


@contextmanager
def idle(root: Path) -> Iterator[Scene]:
    """A recorder that nobody has told to record."""
    with StandIn(root, now_ns=time.time_ns()) as recorder:
        yield Scene(recorder, _watch(recorder), recorder.step)


@contextmanager
def recording(root: Path, *, past_s: int = 120, scale: float = 0.1, every_s: int = 5) -> Iterator[Scene]:
    """A recorder that has recorded a simulated site for a while."""
    now_ns = time.time_ns()
    start_ns = now_ns - past_s * SECOND
    site = SimulatedSite(1, start_ns, scale=scale)
    with StandIn(root, now_ns=start_ns) as recorder:
        watcher = _watch(recorder)
        recorder.start()
        done_ns = start_ns

        def go_on(until_ns: int) -> None:
            nonlocal done_ns
            recorder.play(site.messages(until_ns, from_ns=done_ns))
            done_ns = until_ns
            recorder.step(until_ns)

        # It takes a while to live through the past, so that there is a little more of it each time.
        while done_ns + every_s * SECOND < time.time_ns():
            go_on(done_ns + every_s * SECOND)
            watcher.look(done_ns)
        yield Scene(recorder, watcher, go_on)


@contextmanager
def degraded(root: Path, *, past_s: int = 120, scale: float = 0.1, every_s: int = 5) -> Iterator[Scene]:
    """A recorder whose disk is full, which has lost messages and keeps others in quarantine."""
    with recording(root, past_s=past_s, scale=scale, every_s=every_s) as scene:
        recorder = scene.recorder
        now_ns = recorder.now_ns
        lost = {f"observatory.acu-sat1.feeds.{name}": 41 for name in ("acu_udp_stream", "acu_status")}
        recorder.gap(Gap(from_ns=now_ns - 9 * SECOND, to_ns=now_ns - 2 * SECOND, reason="buffer-full", counts=lost))
        odd = {**block("temps", [1.0, 2.0], kelvin=[4.0]), **block("state", [now_ns / SECOND], kelvin=[[1, 2]])}
        recorder.message(odd, feed("odd", agent="acu-sat1"))
        recorder.raw(b"\xc1 not msgpack")
        recorder.step(now_ns)
        full = "cannot write /data/hk/17954/1795462640.g3: No space left on device; the data is kept in the buffer"
        size_bytes = 64 << 20
        recorder.overrides[INGEST]["buffer"] = {
            "size_bytes": size_bytes,
            "used_bytes": int(0.83 * size_bytes),
            "fill": 0.83,
        }
        recorder.overrides[WRITER] = {"disk_error": full, "state": "disk-trouble", "lag_s": 48.2}
        scene.go_on(now_ns + SECOND)
        scene.watcher.look(recorder.now_ns)
        yield scene


@contextmanager
def many_feeds(root: Path, feeds: int = 1000, fields: int = 10) -> Iterator[Scene]:
    """A recorder of a large site, every feed of which sends once in two seconds."""
    with StandIn(root, now_ns=time.time_ns() - 30 * SECOND) as recorder:
        watcher = _watch(recorder)
        recorder.start()
        parts = [feed(f"channel_{n % 20:02d}", agent=f"crate-{n // 20:02d}") for n in range(feeds)]

        def go_on(until_ns: int) -> None:
            while recorder.now_ns < until_ns:
                recorder.recording.advance(1)
                now_s = recorder.recording.now_s
                for n in range(int(now_s) % 2, feeds, 2):
                    values = {f"sensor_{k}": [math.sin(now_s / 20 + n + k)] for k in range(fields)}
                    recorder.message(block("readings", [now_s], **values), parts[n])
            recorder.step(recorder.now_ns)

        while recorder.now_ns + SECOND < time.time_ns():
            go_on(recorder.now_ns + SECOND)
            watcher.look(recorder.now_ns)
        yield Scene(recorder, watcher, go_on)


@contextmanager
def hostile(root: Path) -> Iterator[Scene]:
    """A recorder of feeds whose every name, and value, tries to be part of the page."""
    with recording(root) as scene:
        recorder = scene.recorder
        image = "<img src=x onerror=alert(1)>"
        evil = feed(HOSTILE, agent="<b>lab")
        now_s = recorder.recording.now_s
        values: dict[str, list[object]] = {HOSTILE: [image], "plain": [1.5]}
        recorder.message(
            {
                **block(HOSTILE, [now_s], **values),
                **block(image, [now_s], number=[2.5]),
                **block(f"{image} odd", [now_s, 1.0], number=[2.5]),
            },
            evil,
        )
        counts = {evil["address"]: 3}
        recorder.gap(Gap(from_ns=recorder.now_ns, to_ns=recorder.now_ns, reason=image, counts=counts))
        recorder.step(recorder.now_ns)
        scene.watcher.look(recorder.now_ns)
        yield scene


@asynccontextmanager
async def served(scene: Scene) -> AsyncIterator[str]:
    """Serve a scene while its recorder lives on, and give the page's address."""
    scene.go_on(time.time_ns())
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = MonitorSettings(directory=scene.watcher.directory, port=0)
    monitor = Monitor(scene.watcher, time.time_ns)
    serving = asyncio.ensure_future(serve(monitor, settings, stop, listening.set_result))
    living = asyncio.ensure_future(_live(scene))
    await asyncio.wait((serving, listening), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await listening if listening.done() else str(serving.result())
    finally:
        stop.set()
        living.cancel()
        await serving
        with suppress(asyncio.CancelledError):
            await living


async def _live(scene: Scene) -> None:
    while True:
        await asyncio.to_thread(scene.go_on, time.time_ns())
        await asyncio.sleep(LIVE_EVERY_S)


def _watch(recorder: StandIn) -> Watcher:
    """Watch a recorder under the name that a real one's buffer directory would have."""
    named = recorder.buffer.with_name("hkagg-aggregator")
    named.symlink_to(recorder.buffer)
    return Watcher(named)
