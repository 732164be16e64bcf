from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from crc32c import crc32c
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from writer.block import BlockData
from writer.frames import Session, data_frame, session_frame, status_frame
from writer.framescan import FrameFault, last_whole_frame_end, scan_frames

SESSION = Session(session_id=5, start_time_s=1.5)
BLOCK = BlockData(
    name="b", times_g3=np.arange(50), fields=("x", "s"), columns=(np.linspace(0, 1, 50), [str(n) for n in range(50)])
)
DATA = data_frame(SESSION, prov_id=0, address="a.b.feeds.c", provider_session_id="1", timestamp_s=2.0, blocks=[BLOCK])
FRAMES = (session_frame(SESSION), status_frame(SESSION, 1.5, [(0, "a.b.feeds.c")]), DATA, DATA)
HUGE = 2**64 - 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1700000000.g3"


def faults(path: Path, content: bytes) -> list[FrameFault | None]:
    path.write_bytes(content)
    spans = list(scan_frames(path))
    offset = 0
    for span in spans:
        assert span.offset == offset
        assert span.length > 0
        offset = span.end
    assert offset == len(content)
    assert last_whole_frame_end(path) == max((span.end for span in spans if span.ok), default=0)
    return [span.fault for span in spans]


def handmade_frame(parts: list[tuple[bytes, bytes]], *, kind: int = ord("H")) -> bytes:
    """Build a frame as the format page says, with a bitwise CRC-32C that starts at 0 and is not inverted."""
    body, register = b"", 0
    for name, blob in parts:
        body += struct.pack("<Q", len(name)) + name + struct.pack("<Q", len(blob)) + blob
        for byte in name + blob:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return struct.pack("<BIiI", 1, 1, len(parts), kind) + body + struct.pack("<I", register)


def test_every_frame_of_the_g3_library_is_found_whole(path: Path) -> None:
    path.write_bytes(b"".join(FRAMES))
    spans = list(scan_frames(path))
    assert [span.length for span in spans] == [len(frame) for frame in FRAMES]
    assert all(span.ok and span.type == "H" for span in spans)
    assert last_whole_frame_end(path) == path.stat().st_size


def test_the_checksum_is_crc32c_that_starts_at_zero_and_is_not_inverted(path: Path) -> None:
    assert faults(path, handmade_frame([(b"a", b"xyz"), (b"bc", b"")])) == [None]
    parts = (b"a", b"xyz", b"bc")
    crc = 0xFFFFFFFF
    for part in parts:
        crc = crc32c(part, crc)
    assert struct.pack("<I", crc ^ 0xFFFFFFFF) == handmade_frame([(b"a", b"xyz"), (b"bc", b"")])[-4:]


def test_a_descriptor_does_as_well_as_a_path_and_stays_open(path: Path) -> None:
    path.write_bytes(b"".join(FRAMES) + b"\0")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert last_whole_frame_end(descriptor) == path.stat().st_size - 1
        assert [span.ok for span in scan_frames(descriptor)] == [True] * 4 + [False]
    finally:
        os.close(descriptor)


def test_an_empty_file_has_no_frames(path: Path) -> None:
    assert faults(path, b"") == []
    assert last_whole_frame_end(path) == 0


def test_a_file_that_is_not_there_is_an_os_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        last_whole_frame_end(path)


def test_a_frame_cut_at_any_byte_is_found_out(path: Path) -> None:
    for length in range(1, len(DATA)):
        found = faults(path, FRAMES[0] + DATA[:length])
        assert found[0] is None
        assert found[1:] == [FrameFault.CUT_SHORT]


@pytest.mark.parametrize("zeros", [1, 12, 13, 17, 4096])
def test_a_tail_of_zeros_is_no_frame(path: Path, zeros: int) -> None:
    assert faults(path, FRAMES[0] + bytes(zeros)) == [None, FrameFault.ZEROS]


def test_a_frame_whose_later_pages_are_zeros_is_not_whole(path: Path) -> None:
    for kept in range(13, len(DATA), 7):
        found = faults(path, FRAMES[0] + DATA[:kept] + bytes(len(DATA) - kept))
        assert found[0] is None
        assert found[1] is not None


def test_a_flipped_bit_anywhere_but_in_the_type_is_found_out(path: Path) -> None:
    for position in [*range(9), *range(13, len(FRAMES[1]))]:
        flipped = bytearray(FRAMES[1])
        flipped[position] ^= 0x10
        assert faults(path, bytes(flipped))[0] is not None, position


def test_frames_behind_a_wrong_checksum_are_still_found(path: Path) -> None:
    broken = bytearray(DATA)
    broken[-1] ^= 1
    assert faults(path, FRAMES[0] + broken + DATA) == [None, FrameFault.CHECKSUM, None]


@pytest.mark.parametrize("kind", [0, 128, 0xFFFFFFFF])
def test_a_type_that_no_frame_has_is_refused(path: Path, kind: int) -> None:
    assert faults(path, handmade_frame([(b"a", b"b")], kind=kind)) == [FrameFault.NOT_A_FRAME]


@pytest.mark.parametrize(
    "hostile",
    [
        struct.pack("<BIiI", 1, 0, 1, 72),
        struct.pack("<BIiI", 0, 1, 1, 72),
        struct.pack("<BIiI", 1, 1, -1, 72),
        struct.pack("<BIiI", 1, 1, 2**31 - 1, 72),
        struct.pack("<BIiIQ", 1, 1, 1, 72, HUGE),
        struct.pack("<BIiIQ", 1, 1, 1, 72, 0),
        struct.pack("<BIiIQcQ", 1, 1, 1, 72, 1, b"a", HUGE),
        struct.pack("<BIiIQcQ", 1, 1, 1, 72, 1, b"a", 2**63),
        struct.pack("<BIiIQcQ", 1, 1, 1, 72, 1, b"a", 1001),
        struct.pack("<BIiIQcQ", 1, 1, 2, 72, 1, b"a", 1000),
    ],
)
def test_hostile_sizes_are_refused(path: Path, hostile: bytes) -> None:
    assert faults(path, FRAMES[0] + hostile + b"\x01" * 1000)[1:] in (
        [FrameFault.NOT_A_FRAME],
        [FrameFault.CUT_SHORT],
    )


def test_a_frame_larger_than_any_buffer_is_checked_to_its_end(path: Path) -> None:
    times = np.arange(300_000)
    block = BlockData(name="b", times_g3=times, fields=("x",), columns=(np.linspace(0, 1, len(times)),))
    large = data_frame(
        SESSION, prov_id=0, address="a.b.feeds.c", provider_session_id="1", timestamp_s=2.0, blocks=[block]
    )
    assert faults(path, large + FRAMES[0]) == [None, None]
    broken = bytearray(large)
    broken[-1000] ^= 1
    assert faults(path, bytes(broken) + FRAMES[0]) == [FrameFault.CHECKSUM, None]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, len(DATA)),
    junk=st.binary(max_size=200),
    end=st.integers(0, len(DATA)),
)
def test_no_bytes_whatever_break_the_scan(path: Path, start: int, junk: bytes, end: int) -> None:
    faults(path, FRAMES[0] + DATA[:start] + junk + DATA[end:])


def numbered(rows: int) -> bytes:
    times = np.arange(rows)
    return data_frame(
        SESSION,
        prov_id=rows,
        address="a.b.feeds.c",
        provider_session_id="1",
        timestamp_s=2.0,
        blocks=[BlockData(name="b", times_g3=times, fields=("x",), columns=(np.linspace(0, 1, rows),))],
    )


@pytest.mark.parametrize("sizes", [[1] * 5000, [1, 100_000] * 5, [2, 700, 3000, 90_000, 1] * 20])
def test_frames_of_any_size_are_found_in_any_order(path: Path, sizes: list[int]) -> None:
    frames = {rows: numbered(rows) for rows in set(sizes)}
    path.write_bytes(b"".join(frames[rows] for rows in sizes))
    assert [span.length for span in scan_frames(path)] == [len(frames[rows]) for rows in sizes]
    assert all(span.ok for span in scan_frames(path))


def test_damage_among_many_small_frames_is_told_of_the_right_ones(path: Path) -> None:
    content = bytearray(DATA * 6000)
    broken = [0, 1, 17, 3000, 5998]
    for number in broken:
        content[number * len(DATA) + 500] ^= 4
    found = faults(path, bytes(content) + b"\1" * 30)
    assert [number for number, fault in enumerate(found) if fault] == [*broken, 6000]


def test_bytes_that_look_like_a_frame_inside_of_another_are_part_of_it(path: Path) -> None:
    nested = handmade_frame([(b"a", FRAMES[0] * 3), (b"b", FRAMES[1][:-2])])
    assert faults(path, (nested + FRAMES[0]) * 30) == [None] * 60


def test_frames_with_many_keys_or_of_other_types_are_found_among_the_usual_ones(path: Path) -> None:
    odd = handmade_frame([(bytes([65 + number % 26]), b"x") for number in range(40)])
    scan = handmade_frame([(b"a", b"x")], kind=ord("S"))
    bare = handmade_frame([])
    content = (FRAMES[0] + odd + scan + FRAMES[1] + bare) * 40
    assert faults(path, content) == [None] * 200
    assert {span.type for span in scan_frames(path)} == {"H", "S"}
