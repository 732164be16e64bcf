from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import autobahn.wamp.types
import pytest

from aggregator.errors import SettingsError
from ingest.authentication import answer, read_trust
from ingest.credentials import Credentials, Method, add_arguments, read_credentials

Challenge: Any = autobahn.wamp.types.Challenge  # typed in part


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def credentials(tmp_path: Path, method: Method) -> Credentials:
    (tmp_path / "secret").write_text("open sesame\n")
    return Credentials(auth_id="hk", method=method, secret_file=tmp_path / "secret")


def test_an_agent_is_anonymous_unless_told_otherwise() -> None:
    assert read_credentials(parsed()) is None


def test_a_ticket_is_shown_as_it_stands_in_its_file_at_that_moment(tmp_path: Path) -> None:
    ticket = credentials(tmp_path, Method.TICKET)
    assert ticket.join_options() == {"authmethods": ["ticket"], "authid": "hk"}
    assert answer(ticket, Challenge("ticket")) == "open sesame"
    ticket.secret_file.write_text("a new one")
    assert answer(ticket, Challenge("ticket")) == "a new one"


@pytest.mark.parametrize(
    ("salted", "signature"),
    [
        ({}, "dDr2FGXGQ0Fuj6M+cv5pa/8WoPcp3jm6Y2RtFUvUW38="),
        ({"salt": "salt", "iterations": 1000, "keylen": 32}, "+VKHrF0ZKF911yBg4mmZa1gIXsp7jBbMuft3MCrNDcQ="),
    ],
)
def test_a_key_signs_the_challenge_and_is_not_shown(tmp_path: Path, salted: dict[str, Any], signature: str) -> None:
    challenge = Challenge("wampcra", {"challenge": '{"nonce": "5"}', **salted})
    assert answer(credentials(tmp_path, Method.CRA), challenge) == signature


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wamp-auth-id", "hk"], "belong together"),
        (["--wamp-secret-file", "secret"], "belong together"),
        (["--wamp-auth-id", "hk", "--wamp-secret-file", "missing"], "No such file"),
        (["--wamp-auth-id", "hk", "--wamp-secret-file", "empty"], "there is no secret"),
        (["--wamp-auth-id", "hk", "--wamp-secret-file", "bytes"], "it is not text"),
    ],
)
def test_secrets_that_cannot_be_used_are_a_mistake_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=said):
        read_credentials(parsed(*arguments))


def test_the_systems_certificates_are_trusted_unless_others_are_named() -> None:
    assert read_trust(None) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nothing of the kind", "there is no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot read the certificates"),
    ],
)
def test_a_file_without_certificates_is_a_mistake_said_at_the_start(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(SettingsError, match=said):
        read_trust(tmp_path / "ca.pem")
