"""Who ingest is to a router: its name there, and a secret that comes from a file."""

from __future__ import annotations

import argparse
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregator.errors import SettingsError


class Method(str, enum.Enum):
    """WAMP's ways to authenticate that need a secret."""

    TICKET = "ticket"
    CRA = "wampcra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who ingest is to the router.

    Parameters
    ----------
    auth_id : str
        The name that the router knows it by.
    method : Method
        How it shows that it is.
    secret_file : Path
        Holds the ticket or the key; read for each connection, so that a new one needs no restart.

    Raises
    ------
    SettingsError
        When the secret cannot be read.
    """

    auth_id: str
    method: Method
    secret_file: Path

    def __post_init__(self) -> None:
        self.secret()

    def secret(self) -> str:
        """Return the secret without the line's end.

        Raises
        ------
        SettingsError
            When it cannot be read or there is none.
        """
        try:
            secret = self.secret_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingsError(
                f"cannot read the secret in {self.secret_file} ({reason}): see --wamp-secret-file"
            ) from None
        if not secret:
            raise SettingsError(f"there is no secret in {self.secret_file}: see --wamp-secret-file")
        return secret

    def join_options(self) -> dict[str, Any]:
        """Return what autobahn's `join` wants to know."""
        return {"authmethods": [self.method.value], "authid": self.auth_id}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this module to ingest's."""
    group = parser.add_argument_group("Router Options")
    add = group.add_argument
    add("--wamp-auth-id", metavar="ID", help="the name that the router knows this agent by (default: none, anonymous)")
    add(
        "--wamp-auth-method",
        default=Method.TICKET.value,
        choices=[method.value for method in Method],
        help="how it shows that it is the one (default: ticket)",
    )
    add("--wamp-secret-file", type=Path, metavar="FILE", help="file that holds the ticket or the WAMP-CRA key")
    add(
        "--tls-ca-file",
        type=Path,
        metavar="FILE",
        help="certificates, PEM, by which a router at a wss URL is known (default: the system's)",
    )


def read_credentials(arguments: argparse.Namespace) -> Credentials | None:
    """Return the credentials that parsed arguments mean; None for an anonymous agent.

    Raises
    ------
    SettingsError
        When only half of them is given, or the secret cannot be read.
    """
    auth_id, secret_file = arguments.wamp_auth_id, arguments.wamp_secret_file
    if auth_id is None and secret_file is None:
        return None
    if auth_id is None or secret_file is None:
        raise SettingsError("--wamp-auth-id and --wamp-secret-file belong together: give both or none")
    method = Method(arguments.wamp_auth_method)
    return Credentials(auth_id=auth_id, method=method, secret_file=secret_file.expanduser().absolute())
