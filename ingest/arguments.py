"""The command line of ingest, on top of OCS's site configuration."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from ocs import site_config

from aggregator.buffer import default_directory
from aggregator.errors import SettingsError
from aggregator.settings import LONGEST_FILE_S, FsyncPolicy, RecorderSettings
from ingest.credentials import Credentials, add_arguments, read_credentials

AGENT_CLASS = "AggregatorAgent"
"""What clients, the registry and ocs-web know this agent as."""

SPAWN = "spawn"
EXTERNAL = "external"

_FROM_ENVIRONMENT = {
    "--instance-id": "INSTANCE_ID",
    "--site-hub": "SITE_HUB",
    "--site-http": "SITE_HTTP",
    "--site-host": "SITE_HOST",
    "--crossbar-timeout": "CROSSBAR_TIMEOUT",
}
"""What ocs-agent-cli takes from the environment too."""

_LOG_LEVELS = ("trace", "debug", "info", "warn", "error", "critical")
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """All that is said on ingest's command line.

    Parameters
    ----------
    site : argparse.Namespace
        What OCS's own classes want to see.
    recorder : RecorderSettings
        What a session uses unless its parameters say otherwise.
    record_on_start : bool
        Whether `record` starts as soon as the router is joined.
    buffer_dir : Path
        Where the log lives.
    buffer_bytes : int or None
        Limit of the buffer; None for what the file system suggests.
    spawn_writer : bool
        Whether the writer is a child of ingest.
    log_level : str
        For txaio.
    credentials : Credentials or None
        Who ingest is to the router; None for anybody.
    ca_file : Path or None
        Certificates by which the router is known; None for the system's.
    """

    site: argparse.Namespace
    recorder: RecorderSettings
    record_on_start: bool
    buffer_dir: Path
    buffer_bytes: int | None
    spawn_writer: bool
    log_level: str
    credentials: Credentials | None = None
    ca_file: Path | None = None


def make_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """Return a parser with ingest's own arguments; OCS adds its site arguments to it."""
    if parser is None:
        parser = argparse.ArgumentParser(prog="hkagg ingest", description=__doc__)
    group = parser.add_argument_group("Agent Options")
    add = group.add_argument
    add("--data-dir", required=True, type=Path, metavar="DIR", help="root of the archive; made where it is missing")
    add(
        "--initial-state",
        default="idle",
        choices=["idle", "record"],
        help="whether recording starts as soon as the router is joined (default: idle)",
    )
    add(
        "--time-per-file",
        default=LONGEST_FILE_S,
        type=float,
        metavar="S",
        help="longest time per file in seconds (default: 3600)",
    )
    add(
        "--max-file-size",
        default=10**9,
        type=size_in_bytes,
        metavar="B",
        help="size from which on a new file is begun, in bytes or as 500M, 1G (default: 1000000000)",
    )
    add(
        "--buffer-dir",
        type=Path,
        metavar="DIR",
        help="where messages wait for the archive (default: /dev/shm/hkagg-INSTANCE_ID)",
    )
    add(
        "--buffer-size",
        type=size_in_bytes,
        metavar="B",
        help="limit of the buffer, in bytes or as 256M (default: 512 MiB, or half of what is free there)",
    )
    add(
        "--fsync",
        default=FsyncPolicy.ROTATE.value,
        choices=[policy.value for policy in FsyncPolicy],
        help="when the archive is made durable: never, when a file is closed, after each frame (default: rotate)",
    )
    add(
        "--writer",
        default=SPAWN,
        choices=[SPAWN, EXTERNAL],
        help="whether ingest starts the writer itself and keeps it running (default: spawn)",
    )
    add_arguments(parser)
    return parser


def size_in_bytes(text: str) -> int:
    """Read a size such as 1000000, 64M or 1G (powers of 1024).

    Raises
    ------
    argparse.ArgumentTypeError
        When it is not one.
    """
    number = text.strip().upper().removesuffix("IB").removesuffix("B")
    unit = number[-1:] if number[-1:] in _SIZES else ""
    try:
        size = int(number.removesuffix(unit)) * _SIZES[unit]
    except ValueError:
        size = 0
    if size <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 1000000, 64M or 1G")
    return size


def read_settings(argv: Sequence[str] | None) -> IngestSettings:
    """Read command line, site file and environment.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments instead of the process's own.

    Raises
    ------
    SettingsError
        When they cannot be used, with the one line that says why.
    SystemExit
        When only help was asked for.
    """
    site = _parse(argv)
    return IngestSettings(
        site=site,
        recorder=RecorderSettings(
            data_dir=usable_data_dir(site.data_dir),
            time_per_file_s=site.time_per_file,
            max_file_bytes=site.max_file_size,
            fsync=FsyncPolicy(site.fsync),
        ),
        record_on_start=site.initial_state == "record",
        buffer_dir=site.buffer_dir or default_directory(site.instance_id),
        buffer_bytes=site.buffer_size,
        spawn_writer=site.writer == SPAWN,
        log_level=_log_level(),
        credentials=read_credentials(site),
        ca_file=site.tls_ca_file,
    )


def usable_data_dir(path: Path) -> Path:
    """Make the root of the archive where it is missing and return it, absolute.

    Raises
    ------
    SettingsError
        When it cannot be written to.
    """
    path = path.expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("it is not writable")
    except OSError as error:
        raise SettingsError(
            f"cannot write to the data directory {path} ({error.strerror or error}): mend its permissions, or give "
            "another --data-dir"
        ) from error
    return path


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            arguments: argparse.Namespace = site_config.parse_args(
                agent_class=AGENT_CLASS, parser=make_parser(), args=_with_environment(argv)
            )
    except SystemExit as error:
        if not error.code:
            raise
        raise SettingsError(_last_line(said.getvalue())) from error
    except (OSError, yaml.YAMLError, LookupError, AssertionError, RuntimeError, AttributeError, TypeError) as error:
        raise SettingsError(_why_no_site(error)) from error
    return arguments


def _log_level() -> str:
    level = os.environ.get("LOGLEVEL", "info").lower()
    if level not in _LOG_LEVELS:
        raise SettingsError(f"LOGLEVEL={level} is not one of {', '.join(_LOG_LEVELS)}")
    return level


def _with_environment(argv: Sequence[str] | None) -> list[str] | None:
    given = list(argv) if argv is not None else sys.argv[1:]
    for flag, variable in _FROM_ENVIRONMENT.items():
        value = os.environ.get(variable)
        if value and not any(word == flag or word.startswith(f"{flag}=") for word in given):
            given += [flag, value]
    return given


def _last_line(said: str) -> str:
    """Return argparse's message without its usage text and program name."""
    line = (said.strip().splitlines() or ["the arguments cannot be read"])[-1]
    return line.partition(" error: ")[2] or line


def _why_no_site(error: Exception) -> str:
    """Return in one line why OCS's site configuration gave no agent."""
    if isinstance(error, AssertionError):
        return "there is no site configuration: set OCS_CONFIG_DIR, or give --site-file"
    if isinstance(error, OSError):
        return f"cannot read the site file {error.filename} ({error.strerror}): see OCS_CONFIG_DIR and --site-file"
    if isinstance(error, RuntimeError):
        return "the site file lists no such agent on this host: see --instance-id and --site-host"
    detail = " ".join(str(part) for part in error.args) or type(error).__name__
    return f"the site configuration cannot be used ({' '.join(detail.split())}): see the site file"
