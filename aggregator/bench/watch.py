"""Watches programs while they work: peak memory, and when they have come to rest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter

from aggregator.bench.processes import Program, anonymous_bytes
from aggregator.errors import BenchError

LOOK_EVERY_S = 0.02
REST_S = 1.8
"""The stock agent sleeps for a second between two looks at its queue."""

RESTING_SHARE = 0.06
"""Of one core: what status reports and heartbeats may take."""


class Watch:
    """Looks at programs every few milliseconds.

    Parameters
    ----------
    programs : sequence of Program
        Which ones.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = tuple(programs)
        self._pause = threading.Event()
        self._history: deque[tuple[float, float]] = deque()
        self.peak_bytes = dict.fromkeys((program.name for program in programs), 0)

    def look(self) -> float:
        """Look once, and return the CPU time that all programs together have used, in seconds."""
        total_s = 0.0
        for program in self._programs:
            self.peak_bytes[program.name] = max(self.peak_bytes[program.name], anonymous_bytes(program.pid))
            with suppress(ProcessLookupError):
                total_s += program.cpu_s()
        return total_s

    def until(self, condition: Callable[[], bool], timeout_s: float, awaited: str) -> None:
        """Watch until a condition holds.

        Raises
        ------
        BenchError
            When it does not in time, or a program has ended.
        """
        deadline_s = perf_counter() + timeout_s
        while not condition():
            self.look()
            for program in self._programs:
                if not program.is_running:
                    raise BenchError(f"{program.name} ended by itself; it said: {program.said()}")
            if perf_counter() > deadline_s:
                said = "; ".join(f"{program.name} said: {program.said()}" for program in self._programs)
                raise BenchError(f"waited {timeout_s:g} s in vain for {awaited}; {said}")
            self._pause.wait(LOOK_EVERY_S)

    def until_rest(self, timeout_s: float) -> float:
        """Watch until the programs have next to nothing to do; return the `perf_counter` time when they last had.

        Raises
        ------
        BenchError
            When they never come to rest, or one has ended.
        """
        self._history.clear()
        self.until(self._is_at_rest, timeout_s, "the recorder to come to rest")
        return self._history[0][0]

    def until_ended(self, timeout_s: float) -> None:
        """Watch until all programs have ended.

        Raises
        ------
        BenchError
            When one does not in time.
        """
        deadline_s = perf_counter() + timeout_s
        while late := [program for program in self._programs if program.is_running]:
            self.look()
            if perf_counter() > deadline_s:
                raise BenchError(f"{late[0].name} did not end within {timeout_s:g} s; it said: {late[0].said()}")
            self._pause.wait(LOOK_EVERY_S)

    def _is_at_rest(self) -> bool:
        now_s, used_s = perf_counter(), self.look()
        history = self._history
        history.append((now_s, used_s))
        while len(history) > 2 and now_s - history[1][0] >= REST_S:
            history.popleft()
        since_s, had_used_s = history[0]
        return now_s - since_s >= REST_S and used_s - had_used_s < RESTING_SHARE * (now_s - since_s)
