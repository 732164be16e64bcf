"""The command line: finds the command and starts its module, and nothing that another command would need.

The modules of the two processes are started by name: this package imports neither of theirs.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from aggregator import __version__
from aggregator.errors import HkaggError

Clock: TypeAlias = Callable[[], int]

USAGE_ERROR = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of `hkagg`.

    Parameters
    ----------
    module : str
        The module whose `main(argv)` is the command.
    summary : str
        What it does, in one line.
    told_the_time : bool
        Whether its `main` takes a `clock_ns` too, having none of its own.
    """

    module: str
    summary: str
    told_the_time: bool = False


COMMANDS = {
    "run": Command(module="aggregator.run", summary="record: ingest and writer together, watched by supervisord"),
    "ingest": Command(module="ingest.__main__", summary="the OCS agent: take messages off the network into the log"),
    "writer": Command(module="writer.__main__", summary="the archive writer: turn the log into .g3 files"),
    "status": Command(
        module="aggregator.status_command", summary="how a recorder is doing, now or live", told_the_time=True
    ),
    "monitor": Command(
        module="writer.monitor.command", summary="a web page and metrics about a recorder", told_the_time=True
    ),
    "bench": Command(
        module="aggregator.bench.command",
        summary="what this machine can record, and what that costs",
        told_the_time=True,
    ),
    "inspect": Command(module="writer.inspection", summary="what is in .g3 files or folders of them"),
    "verify": Command(module="writer.verification", summary="whether files keep every rule that readers rely on"),
    "repair": Command(module="writer.repair", summary="cut torn ends off files, and keep them", told_the_time=True),
    "plot": Command(module="writer.plot_command", summary="fields against time, to a file or in a window"),
    "quarantine": Command(module="writer.quarantine_command", summary="what the archive could not represent"),
    "gaps": Command(module="writer.gaps_command", summary="which messages are known to be missing"),
}


def main(argv: Sequence[str], *, clock_ns: Clock) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str
        The command's name and its arguments.
    clock_ns : callable
        Returns the time now, Unix nanoseconds, for commands that own no clock.

    Returns
    -------
    int
        The exit code.
    """
    first = argv[0] if argv else "--help"
    if first in ("-h", "--help", "help"):
        print(overview())
        return 0 if argv else USAGE_ERROR
    if first in ("-V", "--version"):
        print(f"hkagg {__version__}")
        return 0
    if first not in COMMANDS:
        return _refuse(f"hkagg: {unknown(first)}")
    try:
        return _start(first, list(argv[1:]), clock_ns)
    except HkaggError as error:
        return _refuse(f"hkagg {first}: {error}")
    except KeyboardInterrupt:
        return INTERRUPTED


def overview() -> str:
    """Return the help text of `hkagg` itself."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        "usage: hkagg COMMAND [ARGUMENT...]\n\n"
        "Records housekeeping data from OCS feeds into G3 files without losing a sample.\n\n"
        f"commands:\n{commands}\n\n"
        "options:\n  -h, --help     this text; 'hkagg COMMAND --help' says more about a command\n"
        "  -V, --version  the version"
    )


def unknown(name: str) -> str:
    """Return the line for a command that does not exist, with the one that was probably meant."""
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    advice = f"did you mean '{near[0]}'?" if near else "see 'hkagg --help'"
    return f"there is no command '{name}': {advice}"


def _start(name: str, arguments: list[str], clock_ns: Clock) -> int:
    command = COMMANDS[name]
    # argparse, in whichever module, takes the program's name for its help from here.
    sys.argv = [f"hkagg {name}", *arguments]
    module = importlib.import_module(command.module)
    exit_code = module.main(arguments, clock_ns=clock_ns) if command.told_the_time else module.main(arguments)
    return int(exit_code or 0)


def _refuse(line: str) -> int:
    print(line, file=sys.stderr)
    return USAGE_ERROR
