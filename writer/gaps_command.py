"""Shows which messages are known to be missing: ``hkagg gaps``.

With ``--json`` an array goes to stdout of objects with stable keys: ``sequence`` (of the log's record that tells of the
gap), ``from_ns``, ``to_ns``, ``reason``, ``counts`` (messages by feed address, empty when nobody can know).
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from aggregator import which_buffer
from aggregator.manual import ManualFormatter
from aggregator.status_view import duration
from writer.gaps import read_gaps
from writer.survey_view import harmless, utc

PIPED_WIDTH = 200
NS_PER_G3 = 10
NS_PER_S = 1_000_000_000
MOST_NAMED_FEEDS = 3

DESCRIPTION = """\
List the gaps of a recorder: messages known to be missing from the archive, with from when to when, why, and how many of
which feed. What is not listed here and was announced as received is in the archive or in quarantine."""

EPILOG = """\
exit codes:
  0  done, whether there are gaps or not
  2  there is no such recorder

examples:
  hkagg gaps
  hkagg gaps --json | jq 'map(select(.reason == "buffer-full"))'"""


def main(argv: list[str]) -> int:
    """Run the command.

    Returns
    -------
    int
        0.

    Raises
    ------
    BufferDirectoryError
        When there is no such buffer directory, or several to choose from.
    """
    arguments = make_parser().parse_args(argv)
    gaps = read_gaps(which_buffer.find(arguments))
    if arguments.json:
        sys.stdout.write(json.dumps(gaps, indent=1) + "\n")
        return 0
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    if gaps:
        console.print(_table(gaps))
    console.print(_total(gaps))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg gaps",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=ManualFormatter,
    )
    which_buffer.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
    return parser


def _table(gaps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("from (UTC)", "to (UTC)", "lasted", "reason"):
        table.add_column(title, no_wrap=True)
    table.add_column("messages", justify="right")
    table.add_column("of", overflow="fold")
    for gap in gaps:
        lasted_s = (gap["to_ns"] - gap["from_ns"]) / NS_PER_S
        times = (utc(gap["from_ns"] // NS_PER_G3), utc(gap["to_ns"] // NS_PER_G3))
        table.add_row(*times, duration(lasted_s), harmless(gap["reason"]), _messages(gap), harmless(_feeds(gap)))
    return table


def _messages(gap: dict[str, Any]) -> str:
    return f"{sum(gap['counts'].values()):,}" if gap["counts"] else "unknown"


def _feeds(gap: dict[str, Any]) -> str:
    most = sorted(gap["counts"].items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{address} ({count:,})" for address, count in most[:MOST_NAMED_FEEDS])
    more = len(most) - MOST_NAMED_FEEDS
    return f"{named} and {more} more" if more > 0 else named


def _total(gaps: list[dict[str, Any]]) -> str:
    if not gaps:
        return "no gaps"
    messages = sum(sum(gap["counts"].values()) for gap in gaps)
    unknown = sum(not gap["counts"] for gap in gaps)
    line = f"{len(gaps):,} {'gap' if len(gaps) == 1 else 'gaps'}, {messages:,} messages known to be missing"
    return f"{line}; of {unknown} nobody can know how many" if unknown else line
