"""``python -m aggregator.demo``: records a small observatory on this machine and checks the archive."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from aggregator.buffer import SHARED_MEMORY
from aggregator.demo.cast import Cast
from aggregator.demo.patience import Patience
from aggregator.demo.places import Places
from aggregator.demo.router import RouterSettings, free_port
from aggregator.demo.screen import Screen
from aggregator.demo.story import Story
from aggregator.errors import HkaggError

_INTERRUPTED = 130
_PIPED_WIDTH = 160


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the demo's arguments."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Bring up a router, the recorder, an OCS agent and a simulated observatory on this machine, record "
        "for a while, stop everything and check that every published value is in the archive exactly once.",
        epilog="Exit code 0 only if that is so. Ctrl-C ends the recording early; the check is made all the same.",
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long to record (default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the files go (default: ./hkagg-demo-<Unix time>)"
    )
    parser.add_argument("--scale", type=float, default=0.3, help="1 is about 100 feeds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides the simulated values (default: %(default)s)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the demo.

    Parameters
    ----------
    argv : Sequence[str]
        Its arguments.

    Returns
    -------
    int
        0 only when every published value is in the archive exactly once.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    root = (arguments.output or Path(f"hkagg-demo-{int(time.time())}")).absolute()  # noqa: TID251 - owns the clock
    if root.exists() and any(root.iterdir()):
        parser.error(f"{root} is not empty: name another --output")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="hkagg-demo-", dir=shared) as buffer,
        tempfile.TemporaryDirectory() as router,
    ):
        places = Places(root=root, buffer=Path(buffer), router=Path(router))
        return _run(places, arguments, Screen(console))


def _run(places: Places, arguments: argparse.Namespace, screen: Screen) -> int:
    patience = Patience(time.monotonic)  # noqa: TID251 - owns the clock
    patience.hear_signals()
    screen.say(f"hkagg demo: {arguments.seconds:g} seconds of an observatory, recorded and then checked.\n", "bold")
    try:
        cast = Cast(places, RouterSettings(port=free_port()), scale=arguments.scale, seed=arguments.seed)
        story = Story(cast, places, screen, patience, time.time_ns)  # noqa: TID251 - owns the clock
        holds = story.tell(arguments.seconds)
    except HkaggError as error:
        screen.say(f"\nThe demo failed: {error}", "bold red")
        screen.say(f"What the programs said is in {places.logs}")
        return 1
    except KeyboardInterrupt:
        screen.say("\nInterrupted; everything is stopped. Nothing has been checked.", "bold yellow")
        return _INTERRUPTED
    screen.say(f"\nArchive {places.archive}, logs and ledgers beside it.")
    screen.say(f"Look again: {Path(sys.executable).with_name('hkagg')} inspect {places.archive}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
