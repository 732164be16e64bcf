"""`hkagg status`: how a recorder is doing, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from aggregator import which_buffer
from aggregator.cli import Clock
from aggregator.health import State, judge
from aggregator.observation import observe
from aggregator.status import finite
from aggregator.status_view import Look, render

EVERY_S = 1.0

EPILOG = "exit codes: " + ", ".join(f"{state.exit_code} {state.label}" for state in State)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="hkagg status", description="Say how the recorder on this machine is doing.", epilog=EPILOG
    )
    which_buffer.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the picture")
    parser.add_argument("--watch", action="store_true", help="go on, once a second, until interrupted")
    return parser


def main(argv: Sequence[str], *, clock_ns: Clock) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str
        Its arguments.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.

    Returns
    -------
    int
        The exit code of the state seen.
    """
    arguments = make_parser().parse_args(argv)
    directory = which_buffer.find(arguments)
    looks = _looks(directory, clock_ns, repeat=arguments.watch)
    show = _show_json if arguments.json else _show_live if arguments.watch else _show_once
    return show(directory, looks)


def _looks(directory: Path, clock_ns: Clock, *, repeat: bool) -> Iterator[Look]:
    never = threading.Event()
    while True:
        now_ns = clock_ns()
        seen = observe(directory)
        yield Look(seen=seen, health=judge(seen, now_ns), now_ns=now_ns)
        if not repeat:
            return
        never.wait(EVERY_S)


def _show_json(directory: Path, looks: Iterator[Look]) -> int:
    for look in looks:
        print(as_json(directory, look), flush=True)
    return look.health.state.exit_code


def _show_once(directory: Path, looks: Iterator[Look]) -> int:
    look = next(looks)
    Console(highlight=False, markup=False, soft_wrap=True).print(render(str(directory), look))
    return look.health.state.exit_code


def _show_live(directory: Path, looks: Iterator[Look]) -> int:
    with Live(console=Console(highlight=False, markup=False), auto_refresh=False) as live:
        for look in looks:
            live.update(render(str(directory), look), refresh=True)
    return look.health.state.exit_code


def as_json(directory: Path, look: Look) -> str:
    """Return one look at a recorder as a line of strict JSON (docs/reference/status.md)."""
    content = {
        "state": look.health.state.value,
        "reasons": list(look.health.reasons),
        "now_ns": look.now_ns,
        "buffer_dir": str(directory),
        "ingest": {"alive": look.seen.ingest.alive, "snapshot": look.seen.ingest.snapshot},
        "writer": {"alive": look.seen.writer.alive, "snapshot": look.seen.writer.snapshot},
    }
    return json.dumps(finite(content), allow_nan=False)
