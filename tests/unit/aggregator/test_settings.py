from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import SettingsError
from aggregator.settings import MIB, BufferSettings, Caps, RecorderSettings


@pytest.mark.parametrize(
    ("size_bytes", "segment_bytes"),
    [(512 * MIB, 16 * MIB), (64 * MIB, 8 * MIB), (1 * MIB, 128 << 10), (256 << 10, 64 << 10)],
)
def test_a_small_buffer_gets_small_segments(size_bytes: int, segment_bytes: int) -> None:
    chosen = BufferSettings.of_size(Path("/b"), size_bytes)
    assert chosen.segment_bytes == segment_bytes
    assert chosen.most_segments * segment_bytes <= size_bytes


@pytest.mark.parametrize("size_bytes", [0, -1, 100, (256 << 10) - 1])
def test_a_buffer_that_holds_no_four_segments_is_refused(size_bytes: int) -> None:
    with pytest.raises(SettingsError, match="--buffer-size"):
        BufferSettings.of_size(Path("/b"), size_bytes)


@pytest.mark.parametrize("segment_bytes", [1000, 4096, (64 << 10) + 1])
def test_an_odd_segment_size_is_refused(segment_bytes: int) -> None:
    with pytest.raises(SettingsError, match="pages"):
        BufferSettings(directory=Path("/b"), size_bytes=MIB, segment_bytes=segment_bytes)


def test_segments_that_the_buffer_cannot_hold_are_refused() -> None:
    with pytest.raises(SettingsError, match="does not hold"):
        BufferSettings(directory=Path("/b"), size_bytes=MIB, segment_bytes=MIB)


@pytest.mark.parametrize("seconds", [0.0, -5.0, float("nan"), float("inf")])
def test_a_rotation_period_that_is_no_period_is_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="--time-per-file"):
        RecorderSettings(data_dir=Path("/d"), time_per_file_s=seconds)


def test_a_file_size_below_a_page_is_refused() -> None:
    with pytest.raises(SettingsError, match="--max-file-size"):
        RecorderSettings(data_dir=Path("/d"), max_file_bytes=10)


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="depth"):
        Caps(depth=0)
