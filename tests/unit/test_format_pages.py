"""The pages on formats list what the formats hold: no key that is not there, none left out."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from aggregator.layout import RecordKind
from aggregator.records import Gap, SessionStart
from writer.checkpoint import Checkpoint

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def keys_after(page: str, heading: str) -> set[str]:
    """Return the keys of the first table behind a text of a page."""
    table = (REFERENCE / page).read_text().split(heading, 1)[1].split("|---", 1)[1].split("\n\n", 1)[0]
    first_cells = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    return {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("page", "heading", "content"),
    [
        ("checkpoint.md", "## Payload", Checkpoint),
        ("record.md", "`SESSION_START` holds", SessionStart),
        ("record.md", "`GAP` says", Gap),
    ],
)
def test_the_table_of_a_payload_has_its_keys(page: str, heading: str, content: type) -> None:
    assert keys_after(page, heading) == {field.name for field in fields(content)}


def test_every_kind_of_record_is_listed_with_its_number() -> None:
    text = (REFERENCE / "record.md").read_text()
    listed = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert listed == [(str(kind.value), kind.name) for kind in RecordKind]
