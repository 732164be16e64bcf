"""What OCS's site files may say, as any other agent takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.arguments import IngestSettings, read_settings

SITE = """
hub: {{wamp_server: "ws://127.0.0.1:1/ws", wamp_http: "http://127.0.0.1:1/call", wamp_realm: realm, address_root: lab}}
hosts:
  localhost:
    log-dir: logs
    crossbar_timeout: 7
    agent-instances:
      - {{agent-class: HKAggregatorAgent, instance-id: hk, arguments: {arguments}}}
"""


def settings(directory: Path, arguments: str, *more: str) -> IngestSettings:
    """Return what a site file with these arguments, as YAML, and a command line mean."""
    path = directory / "default.yaml"
    path.write_text(SITE.format(arguments=arguments))
    return read_settings(["--site-file", str(path), "--instance-id", "hk", *more])


@pytest.mark.parametrize(
    "arguments",
    [
        "[--data-dir, {0}, --time-per-file, 60, --initial-state, record]",
        "[[--data-dir, {0}], [--time-per-file, 60], [--initial-state, record]]",
        "[[--data-dir, {0}, [--time-per-file, '60']], --initial-state, record]",
    ],
)
def test_arguments_may_be_lists_in_lists_and_numbers(tmp_path: Path, arguments: str) -> None:
    read = settings(tmp_path, arguments.format(tmp_path / "hk"))
    assert (read.recorder.data_dir, read.recorder.time_per_file_s) == (tmp_path / "hk", 60)
    assert read.record_on_start


def test_what_the_file_says_of_the_host_counts(tmp_path: Path) -> None:
    site = settings(tmp_path, f"[--data-dir, {tmp_path / 'hk'}]", "--working-dir", "/srv").site
    assert (site.log_dir, site.working_dir, site.crossbar_timeout) == ("logs", "/srv", 7)
    assert (site.address_root, site.site_realm, site.agent_class) == ("lab", "realm", "AggregatorAgent")


def test_a_relative_data_directory_begins_where_the_agent_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings(tmp_path, "[--data-dir, data/hk]").recorder.data_dir == tmp_path / "data" / "hk"


def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings(tmp_path, "[--data-dir, '~/hk']").recorder.data_dir == tmp_path / "hk"
