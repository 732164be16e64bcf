"""The index of the newest files goes on as they grow, and reads only so much at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archives import ADDRESS, START_S, block, head, rows, write_clean_archive, write_file
from writer.monitor.archive_index import ArchiveIndex
from writer.monitor.field_plot import FieldQuery, read_field

NOW_NS = (START_S + 500) * 1_000_000_000


def query(block_name: str, field: str, *, bins: int = 1000) -> FieldQuery:
    return FieldQuery(address=ADDRESS, block=block_name, field=field, from_s=START_S, to_s=START_S + 500, bins=bins)


def test_files_are_listed_newest_first_with_their_rows(tmp_path: Path) -> None:
    first, second = write_clean_archive(tmp_path)
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    listing = index.listing()
    assert [file["name"] for file in listing] == [f"{path.parent.name}/{path.name}" for path in (second, first)]
    assert [file["rows"] for file in listing] == [3, 8]
    assert all(file["known"] and not file["fault"] for file in listing)


def test_only_what_was_added_is_read_again(tmp_path: Path) -> None:
    path = write_file(tmp_path, [*head(), rows(1, block("b", [1.0], x=[1.0]))])
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    more = rows(2, block("b", [2.0, 3.0], x=[2.0, 3.0]))
    with path.open("ab") as file:
        file.write(more[: len(more) // 2])
    index.look(tmp_path, NOW_NS)
    assert index.files[0].rows == 1
    assert "whole frame" in index.files[0].fault
    with path.open("ab") as file:
        file.write(more[len(more) // 2 :])
    index.look(tmp_path, NOW_NS)
    assert (index.files[0].rows, index.files[0].fault) == (3, "")
    assert index.take_news()[ADDRESS]["b"].fields == ("x",)
    assert index.take_news() == {}


def test_a_file_that_was_cut_back_is_read_anew(tmp_path: Path) -> None:
    first = [*head(), rows(1, block("b", [1.0], x=[1.0]))]
    path = write_file(tmp_path, [*first, rows(2, block("b", [2.0], x=[2.0]))])
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    path.write_bytes(b"".join(first))
    index.look(tmp_path, NOW_NS)
    index.look(tmp_path, NOW_NS)
    assert index.files[0].rows == 1


def test_a_small_budget_is_spent_on_the_newest_file_first(tmp_path: Path) -> None:
    write_clean_archive(tmp_path)
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS, budget_bytes=1)
    newest, older = index.files
    assert newest.known_bytes > 0
    assert older.known_bytes == 0


def test_strangers_in_the_archive_are_left_alone(tmp_path: Path) -> None:
    write_clean_archive(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "17000" / "old.g3").write_text("mine")
    (tmp_path / "17000" / "1.g3").symlink_to("/etc/passwd")
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    assert len(index.files) == 2


def test_an_archive_that_is_gone_is_empty(tmp_path: Path) -> None:
    index = ArchiveIndex()
    index.look(tmp_path / "nowhere", NOW_NS)
    assert index.listing() == []


def test_a_field_is_read_from_all_files_in_order(tmp_path: Path) -> None:
    write_clean_archive(tmp_path)
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    told = read_field(index.files, query("temps", "kelvin"))
    assert [value for value in told["values"] if value is not None] == [4.0, 4.1, 4.2, 4.3, 5.0, 5.1, 5.2]
    assert told["times"] == sorted(told["times"])
    assert (told["rows"], told["changes"], told["cut"]) == (7, [], False)


def test_a_text_is_told_by_its_changes(tmp_path: Path) -> None:
    write_clean_archive(tmp_path)
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    told = read_field(index.files, query("temps", "state"))
    assert [text for _, text in told["changes"]] == ["on", "off", "µ", "on"]
    assert told["times"] == []


def test_few_points_still_have_every_extreme(tmp_path: Path) -> None:
    seconds = [n / 100 for n in range(10_000)]
    values = [0.0] * len(seconds)
    values[5432] = 99.0
    values[7654] = -99.0
    write_file(tmp_path, [*head(), rows(100, block("b", seconds, x=values))])
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    told = read_field(index.files, query("b", "x", bins=50))
    assert told["decimated"]
    assert len(told["times"]) <= 200
    assert max(told["values"]) == 99
    assert min(told["values"]) == -99


@pytest.mark.parametrize("field", ["no-such-field", ""])
def test_a_field_that_no_file_has_is_empty(tmp_path: Path, field: str) -> None:
    write_clean_archive(tmp_path)
    index = ArchiveIndex()
    index.look(tmp_path, NOW_NS)
    assert read_field(index.files, query("temps", field))["rows"] == 0
