"""Shows people what is in files of an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from aggregator.status_view import duration
from writer.survey import G3_PER_S, BlockSurvey, FileSurvey, Span, Survey

MOST_LISTED_FILES = 24
"""A longer list of files says less than its sum; those with remarks are always named."""

MOST_LISTED_FIELDS = 4
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def render(survey: Survey) -> RenderableType:
    """Return a table of blocks, a line per file and a line for all."""
    listed = survey.files if len(survey.files) <= MOST_LISTED_FILES else [f for f in survey.files if f.remarks]
    lines = [line for file in listed for line in _file(file)]
    if len(survey.files) > 1:
        lines.append(_total(survey))
    return Group(_blocks(survey), *lines) if survey.blocks else Group(*lines)


def utc(time_g3: int | None) -> str:
    """Write a G3 timestamp to the second for people, or as bare seconds when no calendar reaches so far.

    Parameters
    ----------
    time_g3 : int or None
        Counts of 10 ns since 1970.
    """
    if time_g3 is None:
        return "-"
    try:
        moment = EPOCH + timedelta(microseconds=time_g3 // 100)
    except OverflowError:
        return f"{time_g3 / 1e8:.0f} s"
    return moment.replace(tzinfo=None).isoformat(" ", "seconds")


def _blocks(survey: Survey) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("feed", "block"):
        table.add_column(title, overflow="fold")
    table.add_column("providers", justify="right")
    table.add_column("fields", overflow="fold")
    table.add_column("types", overflow="fold")
    for title in ("rows", "first (UTC)", "last (UTC)", "rate/Hz", "gaps"):
        table.add_column(title, justify="right", no_wrap=True)
    for key in sorted(survey.blocks):
        table.add_row(*_block(survey.blocks[key]))
    return table


def _block(block: BlockSurvey) -> Iterator[str]:
    yield harmless(block.address)
    yield harmless(block.block)
    yield str(len(block.providers))
    yield harmless(_fields(list(block.fields)))
    yield _types(block)
    yield f"{block.span.rows:,}"
    yield utc(block.span.first_g3)
    yield utc(block.span.last_g3)
    yield "-" if block.rate_hz is None else f"{block.rate_hz:.4g}"
    yield _gaps(block)


def _gaps(block: BlockSurvey) -> str:
    lengths = [end - begin for begin, end in block.pauses.pauses]
    return f"{len(lengths)} ({duration(sum(lengths) / G3_PER_S)})" if lengths else "-"


def _fields(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_LISTED_FIELDS])
    more = len(names) - MOST_LISTED_FIELDS
    return f"{shown} and {more} more" if more > 0 else shown


def printable(text: str) -> str:
    """Make text from strangers harmless, since feeds choose their names: a terminal must not take it for commands."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def harmless(text: str) -> str:
    """Make text from strangers harmless for a terminal, and for rich, which would take it for markup."""
    return escape(printable(text))


def _types(block: BlockSurvey) -> str:
    kinds = Counter("/".join(sorted(types)) for types in block.fields.values())
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def _file(file: FileSurvey) -> Iterator[Text]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(file.frames.items()))
    yield Text.assemble(
        (str(file.path), "bold"),
        f": {size_text(file.size_bytes)}, {plural(file.frames.total(), 'frame')} ({kinds}), {_rows(file.span)}",
    )
    for remark in file.remarks:
        yield Text(f"  {remark}", style="yellow")


def _total(survey: Survey) -> Text:
    span = Span()
    for file in survey.files:
        span.include(file.span)
    frames = sum(file.frames.total() for file in survey.files)
    size_bytes = sum(file.size_bytes for file in survey.files)
    files = plural(len(survey.files), "file")
    return Text.assemble((files, "bold"), f": {size_text(size_bytes)}, {plural(frames, 'frame')}, {_rows(span)}")


def _rows(span: Span) -> str:
    if not span.rows:
        return "no rows"
    return f"{plural(span.rows, 'row')} from {utc(span.first_g3)} to {utc(span.last_g3)}"


def plural(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def size_text(size_bytes: int) -> str:
    """Write a number of bytes with four digits at most."""
    number = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.4g} {unit}"
        number /= 1000
    return f"{number:.4g} GB"
