"""Lets OCS's own aggregator write archives, at times of the test's choosing."""

from __future__ import annotations

import queue
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import ADDRESS, START_S

FRAME_S = 60.0


class StockRecorder:
    """OCS's aggregator, fed and told the time by hand."""

    def __init__(self, data_dir: Path, *, file_s: float = 3600.0, start_s: float = START_S) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drivers = pytest.importorskip("ocs.agents.aggregator.drivers")
        self.now_s = float(start_s)
        self._messages: queue.Queue[Any] = queue.Queue()
        with self._clock():
            self._aggregator = drivers.Aggregator(self._messages, file_s, str(data_dir))

    def publish(
        self,
        columns: Mapping[str, list[Any]],
        *,
        after_s: float = 1.0,
        address: str = ADDRESS,
        session: str = "1",
        times_s: list[float] | None = None,
    ) -> None:
        """Let a message of one block come, `after_s` after the one before, its last row sampled when it comes."""
        self.now_s += after_s
        rows = len(next(iter(columns.values())))
        times = times_s or [self.now_s - (rows - 1 - row) * 0.01 for row in range(rows)]
        data = {"b": {"block_name": "b", "timestamps": times, "data": dict(columns)}}
        feed = {"address": address, "session_id": session, "agg_params": {"frame_length": FRAME_S}, "feed_name": "f"}
        self._messages.put((data, feed))
        self._do(self._aggregator.run)

    def close(self) -> None:
        """End the recording."""
        self._do(self._aggregator.close)

    def _do(self, action: Callable[[], None]) -> None:
        with self._clock():
            action()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: self.now_s)
            yield


def write_stock_archive(data_dir: Path, *, minutes: int = 10, file_s: float = 240.0) -> list[Path]:
    """Let the stock aggregator record two feeds, a message every 5 s each, into several files."""
    recorder = StockRecorder(data_dir, file_s=file_s)
    for number in range(minutes * 12):
        recorder.publish({"kelvin": [4.0 + number, 4.5 + number], "state": ["on", "off"]}, after_s=2.5)
        recorder.publish({"az": [number], "moving": [True]}, after_s=2.5, address="observatory.acu.feeds.stream")
    recorder.close()
    return sorted(data_dir.rglob("*.g3"))
