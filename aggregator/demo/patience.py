"""Waiting that ends when something holds, when the time is over or when the user has had enough."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

from aggregator.errors import DemoError

_POLL_S = 0.1


class Patience:
    """Waits, and hears the signals that ask for an end meanwhile.

    Parameters
    ----------
    clock_s : Callable[[], float]
        Seconds on a clock that only goes forward.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._pause = threading.Event()
        self.requests = 0
        """How often the user has asked for an end."""

    def hear_signals(self) -> None:
        """Count SIGINT, SIGTERM and SIGHUP from now on instead of dying of them."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def until(self, condition: Callable[[], object], timeout_s: float, awaited: str, *, requests: int = 1) -> None:
        """Wait until something holds.

        Parameters
        ----------
        condition : Callable[[], object]
            Looked at every tenth of a second.
        timeout_s : float
            When to give up.
        awaited : str
            What it is, for the error.
        requests : int
            The user's how-manieth request for an end breaks this off.

        Raises
        ------
        DemoError
            When the time is over.
        KeyboardInterrupt
            When the user wants an end.
        """
        deadline_s = self._clock_s() + timeout_s
        while not condition():
            if self.requests >= requests:
                raise KeyboardInterrupt
            if self._clock_s() > deadline_s:
                raise DemoError(f"waited {timeout_s:.0f} s in vain for {awaited}")
            self._pause.wait(_POLL_S)

    def ticks(self, length_s: float, every_s: float) -> Iterator[float]:
        """Give the seconds that have passed, again and again, until the time is over or an end is asked for.

        Parameters
        ----------
        length_s : float
            For how long.
        every_s : float
            How often.

        Yields
        ------
        float
            Seconds since the first.
        """
        start_s = self._clock_s()
        while not self.requests and (elapsed_s := self._clock_s() - start_s) < length_s:
            yield elapsed_s
            self._pause.wait(min(every_s, length_s - elapsed_s))

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.requests += 1
