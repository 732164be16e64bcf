"""How ingest shows a router who it is, and knows a router by its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import autobahn.wamp.auth
import twisted.internet.ssl

from aggregator.errors import SettingsError
from ingest.credentials import Credentials, Method

# Typed in part.
_auth: Any = autobahn.wamp.auth
_ssl: Any = twisted.internet.ssl

_CERTIFICATE_END = b"-----END CERTIFICATE-----"


def answer(credentials: Credentials, challenge: Any) -> str:
    """Return the answer to a router's challenge.

    Parameters
    ----------
    credentials : Credentials
        Of which the router wants to see more.
    challenge : autobahn.wamp.types.Challenge
        Of the method that was offered.
    """
    if credentials.method is Method.TICKET:
        return credentials.secret()
    extra, key = challenge.extra, credentials.secret().encode()
    if "salt" in extra:
        key = _auth.derive_key(key, extra["salt"], extra["iterations"], extra["keylen"])
    signature: bytes = _auth.compute_wcs(key, extra["challenge"].encode())
    return signature.decode("ascii")


def read_trust(path: Path | None) -> Any:
    """Return by which certificates a router is known; None for the system's.

    Raises
    ------
    SettingsError
        When the file holds none.
    """
    if path is None:
        return None
    try:
        parts = path.expanduser().read_bytes().split(_CERTIFICATE_END)[:-1]
        certificates = [_ssl.Certificate.loadPEM(part + _CERTIFICATE_END + b"\n") for part in parts]
    except Exception as error:  # noqa: BLE001 - pyOpenSSL raises its own for each kind of bad certificate
        raise SettingsError(f"cannot read the certificates in {path} ({error}): see --tls-ca-file") from None
    if not certificates:
        raise SettingsError(f"there is no certificate in {path}: see --tls-ca-file")
    return _ssl.trustRootFromCertificates(certificates)
