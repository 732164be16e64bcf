"""`hkagg monitor`: a web page, metrics and JSON about a recorder."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from aggregator import which_buffer
from aggregator.cli import Clock
from aggregator.errors import MonitorStartError
from writer.monitor.settings import MonitorSettings

NICENESS = 10
"""Looking must never take the processor from recording."""

DESCRIPTION = (
    "Serve a web page about the recorder on this machine, with /metrics for Prometheus, /status.json and /healthz. It "
    "only reads: it can be started, stopped or killed at any time, and the recorder does not notice."
)
EPILOG = "examples: hkagg monitor --instance-id aggregator; ssh -L 8080:localhost:8080 SITE hkagg monitor"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog="hkagg monitor", description=DESCRIPTION, epilog=EPILOG)
    which_buffer.add_arguments(parser)
    parser.add_argument("--port", type=int, default=8080, help="TCP port (default: %(default)s; 0 takes a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let other machines ask; whoever can reach the port then sees everything, without a password",
    )
    return parser


def main(argv: Sequence[str], *, clock_ns: Clock) -> int:
    """Run the command until it is interrupted.

    Parameters
    ----------
    argv : sequence of str
        Its arguments.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.
    """
    arguments = make_parser().parse_args(argv)
    settings = MonitorSettings(
        directory=which_buffer.find(arguments),
        host=arguments.host,
        port=arguments.port,
        allow_remote=arguments.allow_remote,
    )
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    asyncio.run(_serve(settings, clock_ns))
    return 0


async def _serve(settings: MonitorSettings, clock_ns: Clock) -> None:
    try:
        # Their libraries are an extra that may be missing.
        from writer.monitor.monitor import Monitor  # noqa: PLC0415
        from writer.monitor.serving import serve  # noqa: PLC0415
        from writer.monitor.watcher import Watcher  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MonitorStartError(
            f"the monitor needs the Python package {error.name}: install it with pip install 'hkagg[monitor]'"
        ) from error
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(Monitor(Watcher(settings.directory), clock_ns), settings, stop, _announce)


def _announce(url: str) -> None:
    sys.stdout.write(f"hkagg monitor: {url}\n")
    sys.stdout.flush()
