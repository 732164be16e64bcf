"""Judges how a recorder is doing, from what can be seen of it; the agent and the command line use the same rules."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from aggregator.observation import Observation, Process

SECOND_NS = 1_000_000_000
SILENT_AFTER_S = 10.0
"""A process reports once a second; a fsync on a busy disk may take some."""

FULL_FROM = 0.75
"""Fill of the buffer from which data is at risk; the writer cuts frames early from here on."""

BEHIND_FROM_S = 30.0
"""Age of the oldest message the writer has not read from which it is not just a burst."""


class State(str, enum.Enum):
    """How a recorder is doing, in one word for programs; `label` is the one for people."""

    RECORDING = "recording"
    DEGRADED = "degraded"
    STOPPED = "stopped"
    IDLE = "idle"

    @property
    def label(self) -> str:
        """The state as people read it."""
        return "not running" if self is State.STOPPED else self.value

    @property
    def exit_code(self) -> int:
        """What `hkagg status` exits with: 0 recording, 1 degraded, 2 not running, 3 idle."""
        return list(State).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A judgement.

    Parameters
    ----------
    state : State
        How the recorder is doing.
    reasons : tuple of str
        Why, most serious first; empty when all is well.
    """

    state: State
    reasons: tuple[str, ...] = ()


def judge(seen: Observation, now_ns: int) -> Health:
    """Say how a recorder is doing.

    Parameters
    ----------
    seen : Observation
        What can be seen of it.
    now_ns : int
        Unix nanoseconds.

    Returns
    -------
    Health
        `STOPPED` when nothing takes messages, `DEGRADED` when recorded data is at risk, else `RECORDING` or `IDLE`
        as the agent was told.
    """
    if not seen.ingest.alive:
        return Health(state=State.STOPPED, reasons=tuple(_why_stopped(seen)))
    troubles = tuple(_troubles(seen, now_ns))
    if troubles:
        return Health(state=State.DEGRADED, reasons=troubles)
    if seen.ingest.state == "recording":
        return Health(state=State.RECORDING)
    return Health(state=State.IDLE, reasons=(_why_idle(seen.ingest),))


def _why_stopped(seen: Observation) -> Iterator[str]:
    yield "ingest is not running"
    if not seen.writer.alive:
        yield "the writer is not running"
    waiting = int(seen.writer.number("pending_messages"))
    if waiting and not seen.writer.alive:
        yield f"messages wait in the buffer for a writer (it last knew of {waiting})"


def _why_idle(ingest: Process) -> str:
    if ingest.state != "idle":
        return f"ingest is {ingest.state or 'starting'}"
    # Only through the router can it be told to record, or begin to by itself.
    return "it was not told to record" if ingest.number("connected") else "there is no connection to the router yet"


def _troubles(seen: Observation, now_ns: int) -> Iterator[str]:
    """Tell what puts data at risk, while recording or while something recorded is not in the archive yet."""
    ingest, writer = seen.ingest, seen.writer
    wanted = ingest.state in ("recording", "stopping") or writer.number("pending_messages") > 0
    if ingest.number("losing"):
        yield "messages are being dropped: the buffer has no room"
    if writer.alive and writer.text("disk_error"):
        yield f"disk trouble: {writer.text('disk_error')}"
    if wanted and not writer.alive:
        yield "the writer is not running: messages wait in the buffer"
    fill = ingest.number("buffer", "fill")
    if fill >= FULL_FROM:
        yield f"the buffer is {fill:.0%} full"
    if ingest.state == "recording" and not ingest.number("connected"):
        yield "there is no connection to the router"
    if writer.alive and wanted and writer.number("lag_s") > BEHIND_FROM_S:
        yield f"the writer is {writer.number('lag_s'):.0f} s behind"
    yield from _silent("ingest", ingest, now_ns)
    if wanted:
        yield from _silent("the writer", writer, now_ns)


def _silent(name: str, process: Process, now_ns: int) -> Iterator[str]:
    """Tell of a living process that has stopped reporting; one that never did is only starting."""
    silence_s = (now_ns - process.reported_ns) / SECOND_NS
    if process.alive and process.reported_ns and silence_s > SILENT_AFTER_S:
        yield f"{name} has said nothing for {silence_s:.0f} s"
