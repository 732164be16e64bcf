from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator.errors import SettingsError
from aggregator.locks import INGEST_LOCK, ProcessLock
from aggregator.settings import MIB, FsyncPolicy
from ingest.__main__ import main
from ingest.arguments import make_parser, read_settings

SITE = """
hub:
  wamp_server: ws://127.0.0.1:1/ws
  wamp_http: http://127.0.0.1:1/call
  wamp_realm: realm
  address_root: observatory
hosts:
  localhost:
    agent-instances:
      - {agent-class: HKAggregatorAgent, instance-id: aggregator, arguments: [%s]}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site file with one agent, found by OCS_CONFIG_DIR."""
    for variable in ("INSTANCE_ID", "SITE_HUB", "SITE_HTTP", "SITE_HOST", "CROSSBAR_TIMEOUT", "LOGLEVEL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OCS_CONFIG_DIR", str(tmp_path))
    (tmp_path / "default.yaml").write_text(SITE % "")
    return tmp_path


@pytest.fixture
def usual(site: Path) -> list[str]:
    """Arguments with which ingest would start."""
    data_dir, buffer_dir = str(site / "hk"), str(site / "buffer")
    return ["--instance-id", "aggregator", "--data-dir", data_dir, "--buffer-dir", buffer_dir]


def test_the_defaults_are_those_of_the_documentation(usual: list[str], site: Path) -> None:
    settings = read_settings(usual)
    assert settings.recorder.data_dir == site / "hk"
    assert settings.recorder.time_per_file_s == 3600
    assert settings.recorder.max_file_bytes == 10**9
    assert settings.recorder.fsync is FsyncPolicy.ROTATE
    assert not settings.record_on_start
    assert settings.spawn_writer
    assert settings.buffer_bytes is None
    assert settings.site.agent_class == "AggregatorAgent"
    assert settings.site.site_hub == "ws://127.0.0.1:1/ws"
    assert settings.site.address_root == "observatory"


def test_arguments_of_the_site_file_count_and_the_command_line_wins(usual: list[str], site: Path) -> None:
    listed = "'--initial-state', 'record', '--time-per-file', '600', '--fsync', 'frame'"
    (site / "default.yaml").write_text(SITE % listed)
    settings = read_settings([*usual, "--time-per-file", "60"])
    assert settings.record_on_start
    assert settings.recorder.time_per_file_s == 60
    assert settings.recorder.fsync is FsyncPolicy.FRAME


def test_the_environment_counts_as_in_ocs_agent_cli(usual: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTANCE_ID", "aggregator")
    monkeypatch.setenv("SITE_HUB", "ws://elsewhere:2/ws")
    monkeypatch.setenv("CROSSBAR_TIMEOUT", "7")
    settings = read_settings(usual[2:])
    assert settings.site.instance_id == "aggregator"
    assert settings.site.site_hub == "ws://elsewhere:2/ws"
    assert settings.site.crossbar_timeout == 7
    assert read_settings([*usual, "--site-hub", "ws://here:3/ws"]).site.site_hub == "ws://here:3/ws"


def test_the_default_buffer_is_in_shared_memory_by_instance(usual: list[str]) -> None:
    assert read_settings(usual[:4]).buffer_dir == Path("/dev") / "shm" / "hkagg-aggregator"


@pytest.mark.parametrize(("text", "size"), [("1000", 1000), ("64M", 64 * MIB), ("1g", 1024 * MIB), ("2 MiB", 2 * MIB)])
def test_sizes_may_have_units(usual: list[str], text: str, size: int) -> None:
    assert read_settings([*usual, "--buffer-size", text]).buffer_bytes == size


def test_an_existing_parser_gets_the_arguments_added() -> None:
    parser = argparse.ArgumentParser(prog="x")
    assert make_parser(parser) is parser
    assert "--data-dir" in parser.format_help()


WRONG = [
    (["--data-dir", "-"], "--data-dir"),
    (["--time-per-file", "soon"], "--time-per-file"),
    (["--time-per-file", "0"], "--time-per-file"),
    (["--time-per-file", "nan"], "--time-per-file"),
    (["--max-file-size", "-1"], "--max-file-size"),
    (["--buffer-size", "huge"], "--buffer-size"),
    (["--buffer-size", "5"], "--buffer-size"),
    (["--initial-state", "asleep"], "--initial-state"),
    (["--fsync", "maybe"], "--fsync"),
    (["--writer", "never"], "--writer"),
    (["--no-such-option", "1"], "--no-such-option"),
    (["--instance-id", "nobody"], "--instance-id"),
    (["--site-host", "nowhere-else", "--site-file", "/nowhere/site.yaml"], "--site-file"),
    (["--crossbar-timeout", "long"], "--crossbar-timeout"),
    (["--data-dir", "/proc/nowhere"], "/proc/nowhere"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_wrong_use_gets_one_line_and_an_exit_code(
    usual: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    complete = [*usual, *arguments] if arguments != ["--data-dir", "-"] else usual[:2]
    with pytest.raises(SystemExit) as stopped:
        main(complete)
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("hkagg ingest: ")
    assert printed.count("\n") == 1
    assert said in printed


def test_no_site_configuration_is_said_in_one_line(
    usual: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OCS_CONFIG_DIR")
    with pytest.raises(SystemExit):
        main(usual)
    assert "set OCS_CONFIG_DIR" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "hub: [", "hub: {}\nhosts: {}", "- 5", "hosts: {localhost: {}}"])
def test_a_useless_site_file_is_said_in_one_line(
    usual: list[str], site: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (site / "default.yaml").write_text(content)
    with pytest.raises(SystemExit):
        main(usual)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_buffer_inside_the_archive_is_refused(usual: list[str], site: Path) -> None:
    with pytest.raises(SystemExit):
        main([*usual, "--buffer-dir", str(site / "hk" / "buffer")])


def test_a_second_instance_is_refused_before_it_touches_anything(
    usual: list[str], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    buffer_dir = site / "buffer"
    buffer_dir.mkdir(mode=0o700)
    lock = ProcessLock(buffer_dir / INGEST_LOCK)
    lock.acquire()
    with pytest.raises(SystemExit):
        main(usual)
    lock.release()
    assert f"pid {os.getpid()}" in capsys.readouterr().err
    assert [path.name for path in buffer_dir.iterdir()] == [INGEST_LOCK]


def test_an_unknown_log_level_is_refused(usual: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "loud")
    with pytest.raises(SettingsError, match="LOGLEVEL=loud"):
        read_settings(usual)


def test_help_needs_no_site_and_is_no_error() -> None:
    command = [sys.executable, "-m", "ingest", "--help"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OCS_CONFIG_DIR": ""}
    )
    assert done.returncode == 0
    assert "--buffer-dir" in done.stdout
    assert "--site-file" in done.stdout
    assert done.stderr == ""
