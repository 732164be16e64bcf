"""A router that offers every way in: TLS, secrets, RawSocket, one serializer only."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aggregator.demo.router import Router, RouterSettings, free_port, router_configuration
from tests.support.router import start_and_wait

AUTH_ID = "hk-recorder"
LEAST = "least-rights"
TICKET = "a ticket for the front row"
CRA_KEY = "a key for the back door"


class ManyDoors(Router):
    """A router with further transports beside the usual one.

    Parameters
    ----------
    settings : RouterSettings
        Of the usual one.
    directory : Path
        Takes the certificate and the UNIX socket, too.
    """

    def __init__(self, settings: RouterSettings, directory: Path) -> None:
        super().__init__(settings, directory)
        self.tls_port = free_port()
        self.raw_port = free_port()
        self.socket = directory / "router.sock"
        self.certificate = directory / "certificate.pem"

    @property
    def urls(self) -> dict[str, str]:
        """Every way in, by name."""
        plain = f"ws://{self.settings.host}:{self.settings.port}"
        return {
            "cbor": f"{plain}/cbor",
            "json": f"{plain}/json",
            "ticket": f"{plain}/ticket",
            "wampcra": f"{plain}/wampcra",
            "tls": f"wss://{self.settings.host}:{self.tls_port}/ws",
            "rawsocket": f"rs://{self.settings.host}:{self.raw_port}",
            "unix": f"rs://unix:{self.socket}",
        }

    def start(self) -> None:
        """Start the router and return at once; poll `is_ready`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        write_certificate(self.certificate, self._directory / "key.pem", self.settings.host)
        (self._directory / "config.json").write_text(json.dumps(self._configuration()))
        self._child.start()

    def _configuration(self) -> dict[str, Any]:
        configuration: Any = router_configuration(self.settings)
        configuration["workers"][0]["realms"][0]["roles"].append(self._least_role("ticket", "wampcra"))
        transports: list[dict[str, Any]] = configuration["workers"][0]["transports"]
        (web,) = transports
        # The usual WebSocket comes last: it is what `is_ready` waits for.
        usual = web["paths"].pop("ws")
        for name in ("cbor", "json"):
            web["paths"][name] = {**usual, "serializers": [name]}
        for name, secret in (("ticket", {"ticket": TICKET}), ("wampcra", {"secret": CRA_KEY})):
            key = "principals" if name == "ticket" else "users"
            known = {"type": "static", key: {AUTH_ID: {"role": LEAST, **secret}}}
            web["paths"][name] = {**usual, "auth": {name: known}}
        web["paths"]["ws"] = usual
        transports[:0] = [self._tls(usual), *self._raw(usual["auth"])]
        return configuration  # type: ignore[no-any-return]

    def _least_role(self, *instance_ids: str) -> dict[str, Any]:
        """Return the role that docs/how-to/ocs-site.md recommends for a recorder."""
        root = self.settings.address_root
        hears = {"subscribe": True, "call": False, "publish": False, "register": False}
        own = {"subscribe": True, "call": False, "publish": True, "register": True}
        permissions = [{"uri": f"{root}.", "match": "prefix", "allow": hears}]
        permissions += [{"uri": f"{root}.{name}", "match": "prefix", "allow": own} for name in instance_ids]
        return {"name": LEAST, "permissions": permissions}

    def _tls(self, websocket: dict[str, Any]) -> dict[str, Any]:
        tls = {"key": str(self._directory / "key.pem"), "certificate": str(self.certificate)}
        endpoint = {"type": "tcp", "port": self.tls_port, "interface": self.settings.host, "tls": tls}
        return {"type": "web", "endpoint": endpoint, "paths": {"info": {"type": "nodeinfo"}, "ws": websocket}}

    def _raw(self, auth: dict[str, Any]) -> list[dict[str, Any]]:
        endpoints = [
            {"type": "tcp", "port": self.raw_port, "interface": self.settings.host},
            {"type": "unix", "path": str(self.socket)},
        ]
        return [
            {"type": "rawsocket", "endpoint": endpoint, "serializers": ["msgpack"], "auth": auth}
            for endpoint in endpoints
        ]


@contextmanager
def router_of_many_doors(directory: Path) -> Iterator[ManyDoors]:
    """Run such a router; it is gone afterwards."""
    router = ManyDoors(RouterSettings(port=free_port()), directory)
    try:
        start_and_wait(router)
        yield router
    finally:
        router.stop()


def write_certificate(certificate: Path, key: Path, host: str) -> None:
    """Write a key and a certificate that it has signed itself, for an IP address, good for a day."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
