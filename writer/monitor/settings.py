"""What a monitor is told: where to listen, and who may come."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from aggregator.errors import RemoteHostError, SettingsError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What a browser on this machine may call it; the form is that of a Host header."""

HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """The settings of a monitor.

    Parameters
    ----------
    directory : Path
        The buffer directory of the recorder.
    host : str
        Address to listen on.
    port : int
        TCP port; 0 takes a free one.
    allow_remote : bool
        Whether other machines may ask.

    Raises
    ------
    RemoteHostError
        When the host is not this machine's own and remote access was not allowed.
    SettingsError
        When there is no such port.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 8080
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= HIGHEST_PORT:
            raise SettingsError(f"there is no port {self.port}: give --port a number up to {HIGHEST_PORT}")
        if not self.allow_remote and not is_loopback(self.host):
            raise RemoteHostError(self.host)

    @property
    def accepted_names(self) -> frozenset[str] | None:
        """Names in a request's Host header that are answered; None for any.

        A page of another site whose name is made to point to this machine cannot read what is told only to these.
        """
        return None if self.allow_remote else LOOPBACK_NAMES | {self.host, f"[{self.host}]"}


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
