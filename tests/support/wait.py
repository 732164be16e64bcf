"""Polls a condition until it holds, so that no test sleeps for a guessed time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.02


def wait_until(condition: Callable[[], T], timeout_s: float = 20, message: str | Callable[[], str] = "") -> T:
    """Poll until the condition gives something true, and give it; say what was awaited when it never does."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        if result := condition():
            return result
        if time.monotonic() > deadline_s:
            awaited = message() if callable(message) else message
            raise AssertionError(f"waited {timeout_s:g} s in vain for: {awaited or condition}")
        pause.wait(_POLL_S)
