from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import BufferDirectoryError, NoSuchEntryError
from writer.plain_content import plain_content
from writer.quarantine import Entry, Quarantine
from writer.quarantine_command import main

T_NS = 1_700_012_345 * 10**9


def entry(sequence: int, reason: str, content: bytes, **place: Any) -> Entry:
    return Entry(sequence=sequence, part=1, received_ns=T_NS + sequence, reason=reason, content=content, **place)


@pytest.fixture
def buffer_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "buffer"
    directory.mkdir(mode=0o700)
    quarantine = Quarantine(directory)
    value = msgpack.packb({"timestamp": 1.5, "value": [1, None]})
    quarantine.put(entry(1, "lengths-differ", value, address="a.b.feeds.c", block="temps", field="kelvin"))
    quarantine.put(entry(2, "not-msgpack", b"\xc1\xff"))
    quarantine.put(entry(3, "not-a-number", value, address="a.b.feeds.\x1b[2J", block="[red]"))
    return directory


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_the_list_has_a_line_per_entry_oldest_first(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--buffer-dir", str(buffer_dir)]) == 0
    head, first, second, third, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "received", "(UTC)", "reason", "feed", "block", "field", "size"]
    assert first.split()[:6] == ["1.1", "2023-11-15", "01:39:05", "lengths-differ", "a.b.feeds.c", "temps"]
    assert second.split()[3:] == ["not-msgpack", "2", "bytes"]
    assert "a.b.feeds.\\x1b[2J" in third
    assert "[red]" in third
    assert total.startswith("3 entries, ")


def test_the_list_is_there_for_programs_too(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "list", "--json", "--buffer-dir", str(buffer_dir))
    assert found[1] == {
        "id": "1.2",
        "sequence": 2,
        "received_ns": T_NS + 2,
        "reason": "not-msgpack",
        "address": "",
        "block": "",
        "field": "",
        "size_bytes": 2,
    }


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [(["--reason", "not-a-number"], ["1.3"]), (["--address", "b.feeds"], ["1.1", "1.3"]), (["--reason", "x"], [])],
)
def test_entries_are_chosen_by_reason_and_feed(
    buffer_dir: Path, capsys: pytest.CaptureFixture[str], chosen: list[str], ids: list[str]
) -> None:
    found = as_json(capsys, "list", "--json", "--buffer-dir", str(buffer_dir), *chosen)
    assert [each["id"] for each in found] == ids


def test_an_empty_quarantine_is_said_to_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--buffer-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "nothing in quarantine\n"


def test_an_entry_is_shown_with_what_it_holds(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "1.1", "--buffer-dir", str(buffer_dir)]) == 0
    head, _, content = capsys.readouterr().out.partition("\n")
    assert head == "1.1  lengths-differ  a.b.feeds.c temps kelvin  received 2023-11-15 01:39:05, record 1"
    assert json.loads(content) == {"timestamp": 1.5, "value": [1, None]}


def test_an_entry_that_is_no_msgpack_is_shown_as_bytes(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "1.2", "--buffer-dir", str(buffer_dir)]) == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2]) == {"bytes": base64.b64encode(b"\xc1\xff").decode()}


def test_raw_bytes_come_as_they_are(buffer_dir: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["show", "--raw", "1.2", "--buffer-dir", str(buffer_dir)]) == 0
    assert capfdbinary.readouterr().out == b"\xc1\xff"


def test_an_entry_that_is_not_there_is_one_clear_error(buffer_dir: Path) -> None:
    with pytest.raises(NoSuchEntryError, match=r"9\.9 is not in quarantine"):
        main(["show", "1.1", "9.9", "--buffer-dir", str(buffer_dir)])


def test_a_recorder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BufferDirectoryError):
        main(["list", "--buffer-dir", str(tmp_path / "nowhere")])


def test_all_of_it_is_exported_for_this_user_only(
    buffer_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.jsonl"
    assert main(["export", "-o", str(output), "--buffer-dir", str(buffer_dir)]) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["1.1", "1.2", "1.3"]
    assert base64.b64decode(lines[1]["raw_base64"]) == b"\xc1\xff"
    assert lines[0]["content"] == {"timestamp": 1.5, "value": [1, None]}
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert capsys.readouterr().err == f"3 lines in {output}\n"


def test_chosen_entries_are_exported_to_standard_output(buffer_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "1.2", "--buffer-dir", str(buffer_dir)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["id"] == "1.2"


def test_ids_stay_when_the_oldest_file_is_discarded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = Quarantine(tmp_path, limit_bytes=4000)
    for sequence in range(1, 30):
        quarantine.put(entry(sequence, "too-deep", bytes(300)))
    found = as_json(capsys, "list", "--json", "--buffer-dir", str(tmp_path))
    assert quarantine.discarded == 30 - 1 - len(found)
    assert not found[0]["id"].startswith("1.")
    assert [each["sequence"] for each in found] == list(range(30 - len(found), 30))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, -0.5, True, None, "é"]}, {"a": [1, -0.5, True, None, "é"]}),
        (float("nan"), {"float": "nan"}),
        ([float("inf"), float("-inf")], [{"float": "inf"}, {"float": "-inf"}]),
        (b"\0\1", {"bytes": "AAE="}),
        (msgpack.ExtType(5, b"\0\1"), {"ext": [5, "AAE="]}),
        ({1: "a", "b": 2}, {"map": [[1, "a"], ["b", 2]]}),
        (2**64 - 1, 2**64 - 1),
        (msgpack.Timestamp(1, 5), {"timestamp": "Timestamp(seconds=1, nanoseconds=5)"}),
    ],
)
def test_whatever_json_does_not_know_is_written_so_that_it_can_be_told(value: Any, plain: Any) -> None:
    assert plain_content(msgpack.packb(value)) == plain


def test_a_key_that_comes_twice_is_not_lost() -> None:
    assert plain_content(b"\x82\xa1a\x01\xa1a\x02") == {"map": [["a", 1], ["a", 2]]}


def test_depth_has_an_end() -> None:
    assert "deep" in json.dumps(plain_content(b"\x91" * 500 + b"\x01"))


@given(st.binary(max_size=300))
def test_any_bytes_become_strict_json(content: bytes) -> None:
    json.dumps(plain_content(content), allow_nan=False)
