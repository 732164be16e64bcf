"""Shows people how a recorder is doing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aggregator.health import SECOND_NS, Health, State
from aggregator.observation import Observation, Process

COLOURS = {State.RECORDING: "green", State.DEGRADED: "yellow", State.STOPPED: "red", State.IDLE: "blue"}
BAR_WIDTH = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a recorder.

    Parameters
    ----------
    seen : Observation
        What was seen.
    health : Health
        The judgement on it.
    now_ns : int
        When, Unix nanoseconds.
    """

    seen: Observation
    health: Health
    now_ns: int


def render(title: str, look: Look) -> RenderableType:
    """Return the whole view under a title that says which recorder it is."""
    colour = COLOURS[look.health.state]
    head = Text.assemble((f" {look.health.state.label.upper()} ", f"bold reverse {colour}"), "  ", (title, "dim"))
    reasons = [Text(f" • {reason}", style=colour) for reason in look.health.reasons]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    for name, content in _rows(look.seen, look.now_ns):
        table.add_row(name, content)
    return Group(head, *reasons, "", table)


def _rows(seen: Observation, now_ns: int) -> Iterator[tuple[str, RenderableType]]:
    ingest, writer = seen.ingest, seen.writer
    yield "file", _file(writer, now_ns)
    yield "buffer", _buffer(ingest)
    yield "messages", _messages(ingest, writer)
    yield "lag", f"{writer.number('lag_s'):.1f} s"
    yield "feeds", f"{int(ingest.number('feeds')):,}, in {int(writer.number('providers')):,} providers"
    losses = [(name, ingest.counted(name)) for name in ("dropped", "rejected", "gaps")]
    yield "losses", _counts(losses)
    kept = [("messages", writer.counted("quarantined")), ("parts of messages", writer.counted("misfits"))]
    yield "quarantine", _counts(kept)
    yield "ingest", _process(ingest, now_ns, "" if ingest.number("connected") else ", no connection to the router")
    yield "writer", _process(writer, now_ns, "")


def _file(writer: Process, now_ns: int) -> str:
    path = writer.text("current_file")
    if not path:
        return "none open"
    age_s = (now_ns - writer.number("file_opened_ns")) / SECOND_NS
    return f"{path}  {size(writer.number('file_bytes'))}, open for {duration(age_s)}"


def _buffer(ingest: Process) -> RenderableType:
    fill = ingest.number("buffer", "fill")
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=1, completed=min(fill, 1), width=BAR_WIDTH),
        f"{fill:.1%} of {size(ingest.number('buffer', 'size_bytes'))}",
    )
    return row


def _messages(ingest: Process, writer: Process) -> str:
    received, archived, pending = (
        ingest.counted("received"),
        writer.counted("archived"),
        writer.number("pending_messages"),
    )
    return f"{received:,} received, {archived:,} archived, {int(pending):,} pending"


def _counts(counts: Sequence[tuple[str, int]]) -> Text:
    """Show numbers that should be zero, and mark those that are not."""
    parts = [Text(f"{count:,} {name}", style="yellow" if count else "") for name, count in counts]
    return Text(", ").join(parts)


def _process(process: Process, now_ns: int, remark: str) -> str:
    if not process.alive:
        return "not running"
    up_s = (now_ns - process.number("started_ns")) / SECOND_NS
    if not process.snapshot:
        return "starting"
    return f"{process.state}, pid {int(process.number('pid'))}, up {duration(up_s)}{remark}"


def size(amount_bytes: float) -> str:
    """Return an amount of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount_bytes < 1024:
            return f"{amount_bytes:.0f} B" if unit == "B" else f"{amount_bytes:.1f} {unit}"
        amount_bytes /= 1024
    return f"{amount_bytes:.1f} TiB"


def duration(time_s: float) -> str:
    """Return a length of time as people read it, in its two largest units."""
    whole = max(0, int(time_s))
    for name, length_s, lesser, lesser_s in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length_s:
            return f"{whole // length_s} {name} {whole % length_s // lesser_s} {lesser}"
    return f"{whole} s"
