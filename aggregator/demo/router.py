"""A Crossbar.io router of our own, as an OCS network needs it, on free ports and without leftovers.

The configuration is written from Crossbar's documentation of node configuration files, format 2; what OCS
needs of it is in OCS's own documentation: a WebSocket for agents and an HTTP bridge for clients.
"""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from aggregator.demo.child import ChildProcess
from aggregator.errors import RouterMissingError

_LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""The most that Crossbar lets one ask for."""

_PING_BYTES = 12
"""Crossbar since version 26 refuses fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """Where a router listens and what its network is called.

    Attributes
    ----------
    port : int
        TCP port of both the WebSocket and the HTTP bridge.
    host : str
        Interface to listen on.
    realm : str
        WAMP realm.
    address_root : str
        First token of every OCS address.
    """

    port: int
    host: str = "127.0.0.1"
    realm: str = "test_realm"
    address_root: str = "observatory"

    @property
    def websocket_url(self) -> str:
        """Where agents connect (OCS: wamp_server)."""
        return f"ws://{self.host}:{self.port}/ws"

    @property
    def http_url(self) -> str:
        """Where OCS clients post their calls (OCS: wamp_http)."""
        return f"http://{self.host}:{self.port}/call"


def free_port(host: str = "127.0.0.1") -> int:
    """Find a TCP port that nobody listens on.

    Parameters
    ----------
    host : str
        Interface the port shall be free on.

    Returns
    -------
    int
        The port number.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _role(name: str, address_root: str, *, register: bool) -> dict[str, object]:
    allowed = {"call": True, "register": register, "publish": True, "subscribe": True}
    permission = {"uri": f"{address_root}.", "match": "prefix", "allow": allowed, "cache": True}
    return {"name": name, "permissions": [permission]}


def _websocket() -> dict[str, object]:
    return {
        "type": "websocket",
        "auth": {"anonymous": {"type": "static", "role": "agent"}},
        "options": {
            "auto_ping_interval": 10_000,
            "auto_ping_timeout": 5_000,
            "auto_ping_size": _PING_BYTES,
            "max_message_size": _LARGEST_MESSAGE_BYTES,
            "max_frame_size": _LARGEST_MESSAGE_BYTES,
        },
    }


def _web_transport(settings: RouterSettings) -> dict[str, object]:
    bridge = {"realm": settings.realm, "role": "client"}
    return {
        "type": "web",
        "endpoint": {"type": "tcp", "port": settings.port, "interface": settings.host},
        "paths": {
            "info": {"type": "nodeinfo"},
            "call": {"type": "caller", **bridge},
            "publish": {"type": "publisher", **bridge},
            "ws": _websocket(),
        },
    }


def router_configuration(settings: RouterSettings) -> dict[str, object]:
    """Make a Crossbar.io node configuration with one router worker.

    Parameters
    ----------
    settings : RouterSettings
        Where it listens, and its realm.

    Returns
    -------
    dict[str, object]
        The configuration, ready for JSON.
    """
    realm = {
        "name": settings.realm,
        "roles": [
            _role("agent", settings.address_root, register=True),
            _role("client", settings.address_root, register=False),
        ],
    }
    worker = {"type": "router", "realms": [realm], "transports": [_web_transport(settings)]}
    return {"version": 2, "controller": {}, "workers": [worker]}


class Router:
    """A Crossbar.io router in a process group of its own, which can be stopped and started again in place.

    Parameters
    ----------
    settings : RouterSettings
        Where it listens, and its realm.
    directory : Path
        Takes the node's configuration, its key and its log; the caller removes it.

    Raises
    ------
    RouterMissingError
        When Crossbar.io is not installed.
    """

    def __init__(self, settings: RouterSettings, directory: Path) -> None:
        self.settings = settings
        self._directory = directory
        command = [_crossbar(), "start", "--cbdir", str(directory), "--loglevel", "warn", "--color", "false"]
        # Crossbar loads parts of autobahn that warn at length about NumPy's version.
        self._child = ChildProcess(command, log_path=directory / "crossbar.log")

    @property
    def pid(self) -> int:
        """Process id of the node's controller, and of its process group."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the node's controller runs."""
        return self._child.is_running

    def start(self) -> None:
        """Start the router and return at once; poll `is_ready`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = json.dumps(router_configuration(self.settings), indent=2)
        (self._directory / "config.json").write_text(configuration)
        self._child.start()

    def is_ready(self) -> bool:
        """Tell whether agents can connect now."""
        connection = http.client.HTTPConnection(self.settings.host, self.settings.port, timeout=1)
        try:
            connection.request("GET", "/ws")
            # The WebSocket is the last path that the node starts; until then it is not found there.
            return connection.getresponse().status != http.client.NOT_FOUND
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self, timeout_s: float = 15) -> None:
        """Stop the router, frozen or not, and wait until it is gone.

        Parameters
        ----------
        timeout_s : float
            How long it may take before it is killed.
        """
        self.thaw()
        self._child.stop(timeout_s)

    def kill(self) -> None:
        """End the router without a good-bye to anybody."""
        self._child.send_to_group(signal.SIGKILL)
        self._child.stop()

    def freeze(self) -> None:
        """Let the router stand still with all its connections open."""
        self._child.send_to_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen router go on."""
        self._child.send_to_group(signal.SIGCONT)

    def log_tail(self) -> str:
        """Give the last lines of what the router has said."""
        return self._child.log_tail()


def _crossbar() -> str:
    beside_python = Path(sys.executable).with_name("crossbar")
    found = str(beside_python) if beside_python.exists() else shutil.which("crossbar")
    if not found:
        raise RouterMissingError("Crossbar.io is not installed here; install it with: pip install 'hkagg[router]'")
    return found
