"""What would make a recorder end at once is found before anybody starts it again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.buffer import default_directory
from ingest import preflight

SITE = """
hub:
  wamp_server: ws://localhost:8001/ws
  wamp_http: http://localhost:8001/call
  wamp_realm: test_realm
  address_root: observatory
hosts:
  localhost:
    agent-instances:
      - {agent-class: AggregatorAgent, instance-id: north, arguments: ARGUMENTS}
"""


@pytest.fixture(autouse=True)
def _no_site_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INSTANCE_ID", "OCS_CONFIG_DIR", "SITE_HUB", "SITE_HTTP", "SITE_HOST", "CROSSBAR_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


def ask(tmp_path: Path, site_arguments: str, *arguments: str) -> int:
    site_file = tmp_path / "site.yaml"
    site_file.write_text(SITE.replace("ARGUMENTS", site_arguments))
    return preflight.main(["--site-file", str(site_file), "--site-host", "localhost", *arguments])


def test_a_buffer_directory_in_the_site_file_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, f"[--data-dir, {tmp_path}, --buffer-dir, /b]") == 0
    assert capsys.readouterr().out == "/b\n"


def test_the_instance_in_the_site_file_names_the_default_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, f"[--data-dir, {tmp_path}]") == 0
    assert capsys.readouterr().out == f"{default_directory('north')}\n"


def test_a_mistake_is_one_line_and_not_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "[]") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hkagg run: ")
    assert err.count("\n") == 1
