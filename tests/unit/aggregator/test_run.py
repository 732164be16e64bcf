"""`hkagg run` checks everything that would otherwise be restarted for ever, and hands supervisord what it was given."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aggregator import run
from aggregator.errors import BufferDirectoryError, LockHeldError, SettingsError, SupervisorMissingError
from aggregator.locks import INGEST_LOCK, WRITER_LOCK, ProcessLock

ODD = ["--data-dir", "/d a;t#a/100%", "--site-file", 'it\'s "odd"', "--realm", "a ; b # c"]


class Became(BaseException):
    """Instead of becoming supervisord."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What ingest answers when asked for its buffer directory."""
    answer: dict[str, Any] = {"returncode": 0, "stdout": f"some library's chatter\n{tmp_path / 'buffer'}\n"}

    def ask(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        answer["command"] = command
        return subprocess.CompletedProcess(command, answer["returncode"], answer["stdout"])

    def become(settings: dict[str, str]) -> NoReturn:
        raise Became(settings)

    monkeypatch.setattr(subprocess, "run", ask)
    monkeypatch.setattr(run, "_become_supervisord", become)
    return answer


def settings_of(*arguments: str) -> dict[str, str]:
    with pytest.raises(Became) as became:
        run.main(arguments)
    return became.value.settings


@pytest.mark.usefixtures("answer")
def test_both_processes_are_told_the_same_buffer_directory(tmp_path: Path) -> None:
    settings = settings_of(*ODD)
    buffer = str(tmp_path / "buffer")
    ingest, writer = shlex.split(settings["HKAGG_RUN_INGEST"]), shlex.split(settings["HKAGG_RUN_WRITER"])
    assert ingest == [sys.executable, "-m", "ingest", *ODD, "--writer", "external", "--buffer-dir", buffer]
    assert writer == [sys.executable, "-m", "writer", "--buffer-dir", buffer]


def test_ingest_itself_is_asked_because_only_it_reads_site_files(answer: dict[str, Any]) -> None:
    settings_of("--data-dir", "d", "--instance-id", "north")
    assert answer["command"][1:] == ["-m", "ingest.preflight", "--data-dir", "d", "--instance-id", "north"]


def test_a_mistake_in_the_arguments_ends_it_before_anything_is_started(answer: dict[str, Any]) -> None:
    answer["returncode"] = 2
    assert run.main(["--nonsense"]) == 2


@pytest.mark.usefixtures("answer")
@pytest.mark.parametrize("held", [INGEST_LOCK, WRITER_LOCK])
def test_a_second_recorder_on_one_buffer_is_refused(held: str, tmp_path: Path) -> None:
    (tmp_path / "buffer").mkdir()
    lock = ProcessLock(tmp_path / "buffer" / held)
    lock.acquire()
    with pytest.raises(LockHeldError, match="already works on"):
        run.main([])
    lock.release()


def test_a_directory_too_deep_for_a_socket_is_refused(answer: dict[str, Any], tmp_path: Path) -> None:
    answer["stdout"] = str(tmp_path / ("x" * run.LONGEST_SOCKET_DIRECTORY))
    with pytest.raises(BufferDirectoryError, match="too long"):
        run.main([])


@pytest.mark.usefixtures("answer")
def test_a_missing_supervisord_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SupervisorMissingError, match="pip install supervisor"):
        run.main([])


@pytest.mark.usefixtures("answer")
def test_logs_are_rotated_files_or_standard_output(tmp_path: Path) -> None:
    in_buffer = settings_of()
    assert in_buffer["HKAGG_RUN_INGEST_LOG"] == str(tmp_path / "buffer" / "ingest.log")
    elsewhere = settings_of("--log-dir", str(tmp_path / "logs"))
    assert elsewhere["HKAGG_RUN_WRITER_LOG"] == str(tmp_path / "logs" / "writer.log")
    assert int(elsewhere["HKAGG_RUN_LOG_BYTES"]) == run.LOG_BYTES
    here = settings_of("--log-dir", "-")
    assert (here["HKAGG_RUN_INGEST_LOG"], here["HKAGG_RUN_LOG_BYTES"]) == ("/dev/stdout", "0")


@pytest.mark.usefixtures("answer")
def test_a_log_directory_that_cannot_be_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="--log-dir"):
        run.main(["--log-dir", str(tmp_path / "file" / "logs")])


def test_supervisord_reads_the_configuration_as_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = pytest.importorskip("supervisor.options")
    for name, value in run.supervisor_environment(tmp_path, tmp_path, ODD).items():
        monkeypatch.setenv(name, value)
    server = options.ServerOptions()
    section = server.read_config(str(run.CONFIGURATION))
    programs = {group.name: group.process_configs[0] for group in section.process_group_configs}
    assert shlex.split(programs["ingest"].command)[3:-4] == ODD
    # The highest priority is started last and stopped first.
    assert programs["ingest"].priority > programs["writer"].priority
    assert programs["ingest"].stopwaitsecs + programs["writer"].stopwaitsecs < 10
    assert {config["chmod"] for config in section.server_configs} == {0o700}
