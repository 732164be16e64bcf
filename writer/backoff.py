"""When to try the disk again after it refused."""

from __future__ import annotations

FIRST_RETRY_NS = 1_000_000_000
LAST_RETRY_NS = 30_000_000_000


class Backoff:
    """Trouble that is retried after 1, 2, 4 … 30 seconds.

    Attributes
    ----------
    reason : str or None
        What is wrong, for the operator; None while nothing is.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._noted_ns = 0
        self._wait_ns = FIRST_RETRY_NS

    def may_try(self, now_ns: int) -> bool:
        """Whether it is time to try (again); a clock that was set back does not make anyone wait longer."""
        return self.reason is None or not 0 <= now_ns - self._noted_ns < self._wait_ns

    def note(self, reason: str, now_ns: int) -> bool:
        """Note a failed try; True when it is new to the operator."""
        is_new = reason != self.reason
        self._wait_ns = min(LAST_RETRY_NS, 2 * self._wait_ns) if self.reason else FIRST_RETRY_NS
        self.reason, self._noted_ns = reason, now_ns
        return is_new

    def end(self) -> bool:
        """Note a try that went well; True when there was trouble before."""
        ended = self.reason is not None
        self.reason = None
        return ended
