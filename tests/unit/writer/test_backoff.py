from __future__ import annotations

from writer.backoff import Backoff

SECOND = 1_000_000_000


def test_the_wait_doubles_up_to_half_a_minute() -> None:
    backoff, now_ns, waits = Backoff(), 0, []
    for _ in range(8):
        assert backoff.may_try(now_ns)
        backoff.note("full", now_ns)
        wait_ns = next(w for w in range(SECOND, 31 * SECOND, SECOND) if backoff.may_try(now_ns + w))
        waits.append(wait_ns // SECOND)
        now_ns += wait_ns
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_trouble_is_new_once_and_ends_once() -> None:
    backoff = Backoff()
    assert not backoff.end()
    assert backoff.note("full", 0)
    assert not backoff.note("full", SECOND)
    assert backoff.note("broken", 3 * SECOND)
    assert backoff.end()
    assert backoff.reason is None
    assert backoff.may_try(0)


def test_a_clock_that_was_set_back_makes_nobody_wait() -> None:
    backoff = Backoff()
    backoff.note("full", 100 * SECOND)
    assert backoff.may_try(50 * SECOND)
