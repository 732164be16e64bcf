"""The monitor itself: looks once a second, in threads of its own, and tells whoever has subscribed.

One thread looks at the recorder and one reads the archive, so that neither a slow disk nor a long plot holds up what
the page says about the recorder. Nothing but its thread ever touches the watcher or the index.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from aggregator.cli import Clock
from aggregator.observation import Observation, observe
from aggregator.status import finite
from writer.monitor.archive_index import ArchivedBlock, ArchiveIndex
from writer.monitor.field_plot import read_field
from writer.monitor.subscriptions import Subscriptions
from writer.monitor.watcher import Change, Told, Watcher

P = ParamSpec("P")
T = TypeVar("T")

EVERY_S = 1.0
MOST_PLOTS_WAITING = 4


class BusyError(Exception):
    """More is asked at once than the monitor is made for."""


@dataclass(frozen=True, slots=True)
class _ArchiveLook:
    news: dict[str, dict[str, ArchivedBlock]]
    listing: list[Told]


class Monitor:
    """Looks at one recorder for as long as it runs.

    Parameters
    ----------
    watcher : Watcher
        Looks at the recorder; from now on only the monitor's thread may touch it.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.

    Attributes
    ----------
    subscriptions : Subscriptions
        Who is told of every look.
    """

    def __init__(self, watcher: Watcher, clock_ns: Clock) -> None:
        self.directory = watcher.directory
        self.subscriptions = Subscriptions()
        self.clock_ns = clock_ns
        self._watcher = watcher
        self._index = ArchiveIndex()
        self._watch_thread = ThreadPoolExecutor(1, "watch")
        self._archive_thread = ThreadPoolExecutor(1, "archive")
        self._archive_look: asyncio.Task[_ArchiveLook] | None = None
        self._news: dict[str, dict[str, ArchivedBlock]] = {}
        self._files: list[Told] = []
        self._files_are_new = False
        self._plots = 0

    async def run(self) -> None:
        """Look once a second until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            self._take_archive_look()
            news, self._news = self._news, {}
            change = await self._watch(self._watcher.look, self.clock_ns(), news)
            self._begin_archive_look()
            if len(self.subscriptions):
                self.subscriptions.tell("look", as_json(await self._watch(self._told, change)))
            due_s = max(due_s + EVERY_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def close(self) -> None:
        """End the threads and let the log go."""
        self.subscriptions.close()
        await self._watch(self._watcher.close)
        self._watch_thread.shutdown(wait=True)
        self._archive_thread.shutdown(wait=False, cancel_futures=True)

    def observation(self) -> tuple[Observation, int]:
        """Look at the recorder's state just now."""
        now_ns = self.clock_ns()
        return observe(self.directory), now_ns

    async def whole(self) -> str:
        """Return everything that a page shows at first, as JSON."""
        return as_json(await self._watch(self._whole))

    async def fields(self, taken: Mapping[int, list[int]]) -> tuple[list[Told], dict[int, list[int]]]:
        """Return the news of some feeds' fields; see `Watcher.fields`."""
        return await self._watch(self._watcher.fields, taken)

    async def plot(self, feed: int, block: int, field: int, *, from_s: float, to_s: float, bins: int) -> Told | None:
        """Return a field's decimated rows from the archive, with what is newer in the log; None for no such field.

        Raises
        ------
        BusyError
            When too many plots are being read already.
        """
        ask = partial(self._watcher.query, feed, block, field, from_s=from_s, to_s=to_s, bins=bins)
        query = await self._watch(ask)
        if query is None:
            return None
        if self._plots >= MOST_PLOTS_WAITING:
            raise BusyError
        self._plots += 1
        try:
            told = await self._read(lambda: read_field(tuple(self._index.files), query))
        finally:
            self._plots -= 1
        times, values = await self._watch(self._watcher.recent, feed, block, field)
        return {
            **told,
            "address": query.address,
            "block": query.block,
            "field": query.field,
            "recent": [(t, v) for t, v in zip(times, values, strict=True) if from_s <= t <= to_s],
        }

    def _take_archive_look(self) -> None:
        if self._archive_look is not None and self._archive_look.done():
            look = self._archive_look.result()
            self._archive_look = None
            self._news = look.news
            self._files_are_new = look.listing != self._files
            self._files = look.listing

    def _begin_archive_look(self) -> None:
        data_dir = self._watcher.data_dir
        if data_dir is not None and self._archive_look is None and not self._plots:
            self._archive_look = asyncio.ensure_future(self._read(self._look_at_archive, data_dir))

    def _look_at_archive(self, data_dir: Path) -> _ArchiveLook:
        self._index.look(data_dir, self.clock_ns())
        return _ArchiveLook(self._index.take_news(), self._index.listing())

    def _told(self, change: Change) -> Told:
        """Return what is new for a page that knows the rest."""
        told = {**change.summary, "lines": self._watcher.lines(change.feeds)}
        if change.described:
            told["described"] = self._watcher.descriptions(change.described)
        if change.losses:
            told.update(self._losses())
        if self._files_are_new:
            told["files"] = self._files
            self._files_are_new = False
        return told

    def _whole(self) -> Told:
        seen, now_ns = self.observation()
        every = range(len(self._watcher.feeds))
        return {
            **self._watcher.summary(seen, now_ns),
            "described": self._watcher.descriptions(every),
            "lines": self._watcher.lines(every),
            "history": list(self._watcher.history.moments),
            "files": self._files,
            **self._losses(),
        }

    def _losses(self) -> Told:
        return {"gaps": self._watcher.losses.gaps, "quarantine": self._watcher.losses.quarantine}

    async def _watch(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._watch_thread, partial(call, *args, **kwargs))

    async def _read(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._archive_thread, partial(call, *args, **kwargs))


def as_json(content: Any) -> str:
    """Return strict JSON in one line."""
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(finite(content), allow_nan=False, separators=(",", ":"))
