"""The command line finds its commands, starts only what it needs and says errors in one line."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Sequence

import pytest

from aggregator import __version__, cli
from aggregator.errors import SettingsError


def run(*arguments: str) -> int:
    return cli.main(arguments, clock_ns=lambda: 5)


def install(monkeypatch: pytest.MonkeyPatch, name: str, main: object) -> None:
    module = types.ModuleType(name)
    module.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"hkagg {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name} " in out
        assert command.summary in out


def test_without_a_command_the_help_is_shown_and_the_exit_code_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == cli.USAGE_ERROR
    assert capsys.readouterr().out == cli.overview() + "\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("stats", "hkagg: there is no command 'stats': did you mean 'status'?\n"),
        ("frobnicate", "hkagg: there is no command 'frobnicate': see 'hkagg --help'\n"),
    ],
)
def test_an_unknown_command_is_one_line_on_stderr(name: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name) == cli.USAGE_ERROR
    assert capsys.readouterr() == ("", line)


def test_arguments_go_to_the_command_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def main(argv: Sequence[str]) -> None:
        seen.append((list(argv), list(sys.argv)))

    install(monkeypatch, "writer.__main__", main)
    monkeypatch.setattr(sys, "argv", ["hkagg"])
    assert run("writer", "--buffer-dir", "b", "--help") == 0
    assert seen == [(["--buffer-dir", "b", "--help"], ["hkagg writer", "--buffer-dir", "b", "--help"])]


def test_a_command_without_a_clock_is_told_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "aggregator.status_command", lambda _argv, clock_ns: clock_ns())
    monkeypatch.setattr(sys, "argv", ["hkagg"])
    assert run("status") == 5


def test_a_users_mistake_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(_argv: Sequence[str]) -> int:
        raise SettingsError("that is too small")

    install(monkeypatch, "aggregator.run", main)
    monkeypatch.setattr(sys, "argv", ["hkagg"])
    assert run("run") == cli.USAGE_ERROR
    assert capsys.readouterr() == ("", "hkagg run: that is too small\n")


def test_help_starts_without_the_libraries_of_the_processes() -> None:
    program = (
        "import sys; sys.argv = ['hkagg', '--help']; from aggregator.__main__ import main; main(); "
        "heavy = {'numpy', 'so3g', 'ocs', 'autobahn', 'twisted', 'zmq', 'rich', 'argparse'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
