from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aggregator.ledger import LedgerEntry, LedgerWriter
from tests.support.archives import ADDRESS, START_S, block, head, rows, write_file
from tests.support.reading import data_frames
from writer.audit.command import audit, main, verdict_line
from writer.audit.tally import FeedTally
from writer.audit.users_view import UsersView

SECONDS = (0.5, 1.5, 2.5)
COLUMNS: dict[str, list[Any]] = {
    "kelvin": [4.0, math.nan, math.inf],
    "count": [1, 2, 2**53 + 1],
    "on": [True, False, True],
    "state": ["on", "µ", ""],
}


def message(
    columns: dict[str, list[Any]] = COLUMNS,
    seconds: Sequence[float] = SECONDS,
    *,
    address: str = ADDRESS,
    certain: bool = True,
) -> LedgerEntry:
    """Make an entry of one block, "temps"."""
    times = [START_S + second for second in seconds]
    data = {"temps": {"block_name": "temps", "timestamps": times, "data": columns}}
    return LedgerEntry(data=data, feed={"address": address, "session_id": "1700000000.5"}, certain=certain)


def archive(data_dir: Path, columns: dict[str, list[Any]] = COLUMNS, seconds: Sequence[float] = SECONDS) -> Path:
    """Write an archive of one data frame with that block and give its directory."""
    write_file(data_dir, [*head(), rows(1, block("temps", seconds, **columns))])
    return data_dir


def first(count: int) -> dict[str, list[Any]]:
    return {name: values[:count] for name, values in COLUMNS.items()}


def test_an_archive_that_holds_every_published_value_once_passes(tmp_path: Path) -> None:
    verdict = audit(archive(tmp_path), [message()])
    assert verdict.holds
    assert verdict.feeds == {ADDRESS: FeedTally(published=3, values=12, archived=3)}
    assert verdict_line(verdict) == (
        "Every one of 12 published values (3 rows of 1 feeds) is in the archive exactly once, and nothing else is."
    )


def test_a_missing_row_is_found(tmp_path: Path) -> None:
    verdict = audit(archive(tmp_path, first(2), SECONDS[:2]), [message()])
    assert not verdict.holds
    assert verdict.total == FeedTally(published=3, values=12, archived=2, missing=1)


def test_a_missing_feed_is_found(tmp_path: Path) -> None:
    other = "observatory.other.feeds.feed"
    verdict = audit(archive(tmp_path), [message(), message(address=other)])
    assert not verdict.holds
    assert verdict.feeds[other].missing == 3


def test_a_row_that_is_there_twice_is_found(tmp_path: Path) -> None:
    again = rows(2, block("temps", SECONDS[:1], **first(1)))
    write_file(tmp_path, [*head(), rows(1, block("temps", SECONDS, **COLUMNS)), again])
    verdict = audit(tmp_path, [message()])
    assert not verdict.holds
    assert verdict.total == FeedTally(published=3, values=12, archived=4, doubled=1)


def test_a_row_that_was_published_twice_must_be_there_twice(tmp_path: Path) -> None:
    assert audit(archive(tmp_path), [message(), message()]).total.missing == 3


@pytest.mark.parametrize(("column", "wrong"), [("kelvin", 4.0000001), ("count", 7), ("on", False), ("state", "onn")])
def test_a_changed_value_is_found(tmp_path: Path, column: str, wrong: object) -> None:
    changed = COLUMNS | {column: [wrong, *COLUMNS[column][1:]]}
    verdict = audit(archive(tmp_path, changed), [message()])
    assert not verdict.holds
    assert verdict.total == FeedTally(published=3, values=12, archived=3, changed=1)


def test_a_row_moved_by_a_microsecond_is_found(tmp_path: Path) -> None:
    verdict = audit(archive(tmp_path, {"x": [1.5]}, [1e-6]), [message({"x": [1.5]}, [0.0])])
    assert not verdict.holds
    assert (verdict.total.missing, verdict.total.invented) == (1, 1)


def test_an_invented_row_is_found(tmp_path: Path) -> None:
    longer = {name: [*values, values[0]] for name, values in COLUMNS.items()}
    verdict = audit(archive(tmp_path, longer, [*SECONDS, 9.5]), [message()])
    assert not verdict.holds
    assert verdict.total == FeedTally(published=3, values=12, archived=4, invented=1)


def test_a_feed_that_nobody_published_is_found(tmp_path: Path) -> None:
    excluded = "observatory.acu.feeds.excluded"
    known = rows(1, block("temps", SECONDS, **COLUMNS))
    unknown = rows(1, block("b", [1], x=[1]), prov_id=1, address=excluded)
    write_file(tmp_path, [*head((0, ADDRESS), (1, excluded)), known, unknown])
    verdict = audit(tmp_path, [message()])
    assert not verdict.holds
    assert verdict.feeds[excluded] == FeedTally(archived=1, invented=1)


def test_a_field_that_is_missing_from_a_block_is_found(tmp_path: Path) -> None:
    fewer = {name: values for name, values in COLUMNS.items() if name != "on"}
    assert audit(archive(tmp_path, fewer), [message()]).total.missing == 3


@pytest.mark.parametrize(
    ("published", "archived"),
    [
        ([1, 2, 3], [1.0, 2.0, 3.0]),
        ([True, False, True], [1, 0, 1]),
        ([1, 2, 3], ["1", "2", "3"]),
        (["1", "2", "3"], [1.0, 2.0, 3.0]),
        ([0, 1, 1], [False, True, True]),
    ],
)
def test_a_column_of_a_type_that_nothing_published_asks_for_is_found(
    tmp_path: Path, published: list[Any], archived: list[Any]
) -> None:
    assert not audit(archive(tmp_path, {"x": archived}), [message({"x": published})]).holds


@pytest.mark.parametrize(
    ("published", "archived"),
    [
        ([1, 2.5, None], [1.0, 2.5, math.nan]),
        ([True, 2, 3], [1, 2, 3]),
        ([1.0, "off", 3], [1.0, math.nan, 3.0]),
        (["on", None, 3], ["on", "", "3"]),
        ([None, None, None], [math.nan] * 3),
        ([1, 2**53 + 1, 2**70], [1.0, float(2**53), float(2**70)]),
        (["a\ud800", [1], b"x"], ["a?", "", ""]),
    ],
)
def test_values_that_the_rules_for_types_widen_or_replace_pass(
    tmp_path: Path, published: list[Any], archived: list[Any]
) -> None:
    verdict = audit(archive(tmp_path, {"x": archived}), [message({"x": published})])
    assert verdict.holds, (verdict.total, verdict.faults)


def test_a_column_that_narrows_again_is_found(tmp_path: Path) -> None:
    first_frame = rows(1, block("temps", [0.5, 1.5], x=[1.0, 2.5]))
    write_file(tmp_path, [*head(), first_frame, rows(2, block("temps", [2.5], x=[3]))])
    assert audit(tmp_path, [message({"x": [1, 2.5, 3]})]).total.mistyped == 1


def test_names_are_expected_as_the_recorder_mends_them(tmp_path: Path) -> None:
    assert audit(archive(tmp_path, {"a_b": [1, 2, 3]}), [message({"a b": [1, 2, 3]})]).holds


def test_rows_in_doubt_may_be_there_or_not_but_not_twice(tmp_path: Path) -> None:
    doubtful = message({"x": [1, 2, 3]}, certain=False)
    certain = message({"y": [1, 2, 3]})
    with_doubtful = archive(tmp_path / "with", {"y": [1, 2, 3]})
    assert audit(with_doubtful, [certain, doubtful]).holds
    both = [block("temps", SECONDS, y=[1, 2, 3]), block("temps", SECONDS, x=[1, 2, 3])]
    frames = [*head((0, ADDRESS), (1, ADDRESS)), rows(1, both[0]), rows(1, both[1], prov_id=1)]
    write_file(tmp_path / "both", frames)
    assert audit(tmp_path / "both", [certain, doubtful]).holds
    write_file(tmp_path / "twice", [*frames, rows(2, both[1], prov_id=1)])
    assert audit(tmp_path / "twice", [certain, doubtful]).total.doubled == 3


def test_what_no_archive_can_hold_is_not_missed(tmp_path: Path) -> None:
    unequal = message({"x": [1, 2]})
    out_of_time = message({"x": [1, 2, 3]}, [math.nan, 1e12, -1e12])
    verdict = audit(archive(tmp_path), [message(), unequal, out_of_time])
    assert verdict.holds
    assert verdict.total.unfit == 6


def test_a_file_that_breaks_a_rule_of_its_readers_is_found(tmp_path: Path) -> None:
    path = next(archive(tmp_path).rglob("*.g3"))
    path.write_bytes(path.read_bytes() + b"torn")
    verdict = audit(tmp_path, [message()])
    assert not verdict.holds
    assert str(path) in verdict.faults[0]


def test_an_archive_without_anything_published_proves_nothing(tmp_path: Path) -> None:
    write_file(tmp_path, head())
    verdict = audit(tmp_path, [])
    assert not verdict.holds
    assert "nothing in the ledgers" in verdict_line(verdict)


def test_the_exit_code_says_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger, data = tmp_path / "ledger", archive(tmp_path / "data")
    entry = message()
    with LedgerWriter(ledger) as writer:
        writer.add(entry.data, entry.feed)
        assert main(["--ledger", str(ledger), str(data)]) == 0
        writer.add(entry.data, entry.feed)
        assert main(["--ledger", str(ledger), str(data)]) == 1
    assert main(["--ledger", str(tmp_path / "none"), str(data)]) == 2
    assert main(["--ledger", str(ledger), str(tmp_path / "none")]) == 2
    said = capsys.readouterr()
    assert "exactly once" in said.out
    assert "NOT what was published: 3 rows missing" in said.out
    assert len(said.err.splitlines()) == 2


def test_a_script_gets_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = message()
    with LedgerWriter(tmp_path / "ledger") as writer:
        writer.add(entry.data, entry.feed)
    main(["--json", "--ledger", str(tmp_path / "ledger"), str(archive(tmp_path / "data"))])
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is True
    assert report["total"]["published"] == report["feeds"][ADDRESS]["archived"] == 3


@pytest.mark.parametrize(
    ("loaded", "fault"),
    [
        ({"y": [1, 2, 3]}, "with nothing in it"),
        ({"x": [1, 2, 4]}, "with other values"),
        ({"x": [1, 2]}, "with 2 rows instead of 3"),
    ],
)
def test_what_users_would_get_otherwise_than_the_frames_say_is_found(
    tmp_path: Path, loaded: dict[str, list[Any]], fault: str
) -> None:
    view = UsersView()
    for frame in data_frames(archive(tmp_path / "frames", {"x": [1, 2, 3]})):
        view.take(frame)
    assert view.faults(tmp_path / "frames") == []
    users = archive(tmp_path / "users", loaded, SECONDS[: len(next(iter(loaded.values())))])
    assert [each for each in view.faults(users) if fault in each]
