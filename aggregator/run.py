"""`hkagg run`: ingest and writer as two processes that supervisord watches."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from aggregator.buffer import prepare_directory
from aggregator.errors import BufferDirectoryError, LockHeldError, SettingsError, SupervisorMissingError
from aggregator.locks import INGEST_LOCK, WRITER_LOCK, is_held

CONFIGURATION = Path(__file__).with_name("supervisord.conf")
STANDARD_OUTPUT = Path("/dev/stdout")
LOG_BYTES = 1 << 20
"""Size from which a process's log file is rotated; two older ones are kept, small enough for shared memory."""

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""A folder named `writer` where the user happens to be is not ours to import (Python 3.11 and later)."""

LONGEST_SOCKET_DIRECTORY = 80
"""A socket's path has room for 107 bytes, and supervisord binds it under a longer name first."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments that are not ingest's."""
    parser = argparse.ArgumentParser(
        prog="hkagg run",
        usage="hkagg run [--log-dir DIR] [argument of 'hkagg ingest' ...]",
        description="Record: run ingest and writer as two processes in the foreground, restarted when they end, until "
        "SIGTERM or SIGINT. All other arguments are those of 'hkagg ingest'.",
        epilog="While it runs, 'supervisorctl -s unix://BUFFER_DIR/supervisor.sock' controls the two.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--log-dir",
        metavar="DIR",
        help="where ingest.log and writer.log go, rotated; '-' for standard output (default: the buffer directory)",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; it becomes supervisord when the arguments are good.

    Raises
    ------
    SupervisorMissingError
        When supervisord is not installed.
    LockHeldError
        When a recorder already works on the buffer directory.
    BufferDirectoryError
        When the buffer directory cannot serve.
    """
    arguments, for_ingest = make_parser().parse_known_args(argv)
    if importlib.util.find_spec("supervisor") is None:
        raise SupervisorMissingError("supervisord is not installed: pip install supervisor")
    asked = _ask_buffer_directory(for_ingest)
    if asked.returncode:
        return asked.returncode
    buffer_dir = _free_directory(Path(asked.stdout.splitlines()[-1]))
    log_dir = _log_directory(arguments.log_dir, buffer_dir)
    print(f"hkagg run: buffer {buffer_dir}, logs {log_dir or 'here'}", flush=True)
    return _become_supervisord(supervisor_environment(buffer_dir, log_dir, for_ingest))


def supervisor_environment(buffer_dir: Path, log_dir: Path | None, for_ingest: Sequence[str]) -> dict[str, str]:
    """Return the variables that the packaged configuration is completed with.

    Values are not looked at for comments or percent signs there, as they would be in a file.

    Parameters
    ----------
    buffer_dir : Path
        The buffer directory, absolute.
    log_dir : Path or None
        Where the processes' log files go; None for standard output.
    for_ingest : sequence of str
        The arguments of ingest.
    """
    buffer = ["--buffer-dir", str(buffer_dir)]
    ingest = [sys.executable, "-m", "ingest", *for_ingest, "--writer", "external", *buffer]
    logs = {name: log_dir / f"{name}.log" if log_dir else STANDARD_OUTPUT for name in ("ingest", "writer")}
    return {
        "HKAGG_RUN_BUFFER_DIR": str(buffer_dir),
        "HKAGG_RUN_INGEST": shlex.join(ingest),
        "HKAGG_RUN_WRITER": shlex.join([sys.executable, "-m", "writer", *buffer]),
        "HKAGG_RUN_INGEST_LOG": str(logs["ingest"]),
        "HKAGG_RUN_WRITER_LOG": str(logs["writer"]),
        # Standard output cannot be rotated.
        "HKAGG_RUN_LOG_BYTES": str(LOG_BYTES if log_dir else 0),
    }


def _become_supervisord(settings: Mapping[str, str]) -> NoReturn:
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(CONFIGURATION)]
    os.execve(sys.executable, command, {**os.environ, **SAFE_PATH, **settings})  # noqa: S606 - no shell


def _ask_buffer_directory(for_ingest: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Have ingest check its arguments and the site file, and say where its buffer is.

    Only ingest can read a site file, and a mistake in it must end here, not be restarted for ever.
    """
    command = [sys.executable, "-m", "ingest.preflight", *for_ingest]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env={**os.environ, **SAFE_PATH})  # noqa: S603 - no shell


def _free_directory(path: Path) -> Path:
    directory = prepare_directory(path)
    for lock in (INGEST_LOCK, WRITER_LOCK):
        if is_held(directory / lock):
            raise LockHeldError(f"a recorder already works on {directory}: stop it first, or give this one its own")
    if len(os.fsencode(directory)) > LONGEST_SOCKET_DIRECTORY:
        raise BufferDirectoryError(f"the path {directory} is too long for a socket in it: give a shorter --buffer-dir")
    return directory


def _log_directory(asked: str | None, buffer_dir: Path) -> Path | None:
    if asked == "-":
        return None
    directory = buffer_dir if asked is None else Path(asked).expanduser().resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make the --log-dir {directory}: {error.strerror}") from error
    return directory
