"""Shows what the archive could not represent: ``hkagg quarantine list|show|export``.

Each entry is known by an id ``FILE.NUMBER``, which stays as long as the entry does. With ``--json``, and in an export,
each is an object with stable keys: ``id``, ``sequence``, ``received_ns``, ``reason``, ``address``, ``block``,
``field``, ``size_bytes``; shown or exported also ``content`` (see `writer.plain_content`) and, exported,
``raw_base64``.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from aggregator import which_buffer
from aggregator.errors import NoSuchEntryError
from aggregator.manual import ManualFormatter
from writer.plain_content import plain_content
from writer.quarantine import Entry, quarantine_files, read_entries
from writer.survey_view import harmless, plural, printable, size_text, utc

PIPED_WIDTH = 200
NS_PER_G3 = 10

DESCRIPTION = """\
Look at the quarantine of a recorder: what came over the network and cannot be represented in the archive, whole, with
the reason. Reading it harms nothing, also while the recorder runs. It holds 64 MiB at most; the oldest go first."""

EPILOG = """\
exit codes:
  0  done, also when the quarantine is empty
  2  there is no such recorder or entry

examples:
  hkagg quarantine list
  hkagg quarantine list --reason lengths-differ --json
  hkagg quarantine show 1.17
  hkagg quarantine show --raw 1.17 > message.msgpack
  hkagg quarantine export -o quarantine.jsonl"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An entry and its id."""

    id: str
    entry: Entry


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
    NoSuchEntryError
        When an id is of no entry.
    """
    arguments = make_parser().parse_args(argv)
    directory = which_buffer.find(arguments)
    kept = [each for each in entries_in(directory) if _is_wanted(each, arguments)]
    _require_all(arguments, kept)
    arguments.do(kept, arguments)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg quarantine",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=ManualFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="list|show|export")
    listing = commands.add_parser("list", help="one line per entry", description="List the entries, oldest first.")
    listing.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
    listing.set_defaults(do=_list, ids=[])
    showing = commands.add_parser("show", help="what is in entries", description="Show what is in entries.")
    showing.add_argument("ids", nargs="+", metavar="ID", help="as 'list' gives them")
    showing.add_argument("--raw", action="store_true", help="the bytes as they are, to standard output")
    showing.set_defaults(do=_show)
    exporting = commands.add_parser(
        "export",
        help="all of it, for programs",
        description="Write entries as JSON, one object a line, with what they hold and its raw bytes in base64.",
    )
    exporting.add_argument("ids", nargs="*", metavar="ID", help="as 'list' gives them (default: all)")
    exporting.add_argument("-o", "--output", type=Path, metavar="FILE", help="a file (default: standard output)")
    exporting.set_defaults(do=_export)
    for each in (listing, showing, exporting):
        which_buffer.add_arguments(each)
        each.add_argument("--reason", help="only entries with this reason")
        each.add_argument("--address", help="only entries whose feed address has this in it")
    return parser


def entries_in(directory: Path) -> Iterator[Kept]:
    """Yield the entries of a buffer directory's quarantine, oldest first."""
    for path in quarantine_files(directory):
        try:
            for number, entry in enumerate(read_entries(path), start=1):
                yield Kept(id=f"{int(path.stem)}.{number}", entry=entry)
        except FileNotFoundError:
            # The recorder discards the oldest file when there is no more room.
            continue


def _is_wanted(kept: Kept, arguments: argparse.Namespace) -> bool:
    return (
        (not arguments.ids or kept.id in arguments.ids)
        and arguments.reason in (None, kept.entry.reason)
        and (arguments.address or "") in kept.entry.address
    )


def _require_all(arguments: argparse.Namespace, kept: list[Kept]) -> None:
    missing = set(arguments.ids) - {each.id for each in kept}
    if missing:
        raise NoSuchEntryError(", ".join(sorted(missing)))


def _head(kept: Kept) -> dict[str, Any]:
    entry = kept.entry
    return {
        "id": kept.id,
        "sequence": entry.sequence,
        "received_ns": entry.received_ns,
        "reason": entry.reason,
        "address": entry.address,
        "block": entry.block,
        "field": entry.field,
        "size_bytes": len(entry.content),
    }


def _list(kept: list[Kept], arguments: argparse.Namespace) -> None:
    if arguments.json:
        sys.stdout.write(json.dumps([_head(each) for each in kept], indent=1) + "\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    if kept:
        console.print(_table(kept))
    total = size_text(sum(len(each.entry.content) for each in kept))
    console.print(
        f"{len(kept):,} {'entry' if len(kept) == 1 else 'entries'}, {total}" if kept else "nothing in quarantine"
    )


def _table(kept: list[Kept]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("id", "received (UTC)", "reason"):
        table.add_column(title, no_wrap=True)
    for title in ("feed", "block", "field"):
        table.add_column(title, overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    for each in kept:
        entry = each.entry
        names = (entry.reason, entry.address, entry.block, entry.field)
        table.add_row(each.id, _received(entry), *map(harmless, names), size_text(len(entry.content)))
    return table


def _received(entry: Entry) -> str:
    return utc(entry.received_ns // NS_PER_G3) if entry.received_ns else "-"


def _show(kept: list[Kept], arguments: argparse.Namespace) -> None:
    if arguments.raw:
        for each in kept:
            sys.stdout.buffer.write(each.entry.content)
        return
    for each in kept:
        entry = each.entry
        place = " ".join(word for word in (entry.address, entry.block, entry.field) if word)
        line = f"{each.id}  {entry.reason}  {place}  received {_received(entry)}, record {entry.sequence}"
        sys.stdout.write(printable(line) + "\n")
        sys.stdout.write(json.dumps(plain_content(entry.content), indent=1) + "\n")


def _export(kept: list[Kept], arguments: argparse.Namespace) -> None:
    if arguments.output is None:
        _write_lines(kept, sys.stdout)
        return
    descriptor = os.open(arguments.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        _write_lines(kept, stream)
    sys.stderr.write(f"{plural(len(kept), 'line')} in {printable(str(arguments.output))}\n")


def _write_lines(kept: list[Kept], stream: IO[str]) -> None:
    for each in kept:
        content = each.entry.content
        line = {
            **_head(each),
            "content": plain_content(content),
            "raw_base64": base64.b64encode(content).decode(),
        }
        stream.write(json.dumps(line, allow_nan=False) + "\n")
