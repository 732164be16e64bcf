from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import LogFormatError, LogSpaceError
from aggregator.layout import CONTINUED, RecordKind, segment_name
from aggregator.log import LogAppender, LogReader, peek_log_id
from aggregator.segment import create_spare, list_segments
from aggregator.settings import SMALLEST_SEGMENT_BYTES, BufferSettings

SMALL = SMALLEST_SEGMENT_BYTES
NOW = 1_700_000_000_000_000_000
MESSAGE = RecordKind.MESSAGE


def small_buffer(directory: Path, segments: int = 4) -> BufferSettings:
    return BufferSettings(directory=directory, size_bytes=segments * SMALL, segment_bytes=SMALL)


def fill(appender: LogAppender, payload: bytes, most: int = 10_000) -> int:
    for count in range(most):
        if appender.append(MESSAGE, payload, received_ns=NOW) is None:
            return count
    raise AssertionError("the log never filled")


def payloads(reader: LogReader, now_ns: int = NOW) -> list[bytes]:
    return [bytes(r.payload) for r in reader.poll(now_ns) if r.kind == MESSAGE]


def test_a_record_is_laid_out_as_documented(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=77)
    sequence = appender.append(MESSAGE, b"hello", received_ns=0x0102030405060708, flags=1)
    appender.close()
    raw = (tmp_path / segment_name(1)).read_bytes()
    header = b"HKAGGLOG" + struct.pack("<IIQQ", 1, SMALL // 1024, 77, 1) + bytes(28)
    assert raw[:64] == header + struct.pack("<I", crc32c(header))
    checked = struct.pack("<HHQQ", 2, 1, 1, 0x0102030405060708) + b"hello"
    assert sequence == 1
    assert raw[64:104] == struct.pack("<QI", 1 << 32 | 6, crc32c(checked)) + checked + bytes(3)
    assert not any(raw[104:])


def test_what_is_appended_is_read_in_order_with_kind_and_flags(tmp_path: Path) -> None:
    appender, reader = LogAppender(small_buffer(tmp_path), now_ns=NOW), LogReader(tmp_path)
    appender.append(RecordKind.SESSION_START, b"s", received_ns=1)
    appender.append(MESSAGE, b"", received_ns=2, flags=1)
    got = reader.poll(NOW)
    assert [(r.sequence, r.kind, r.flags, r.received_ns, bytes(r.payload)) for r in got] == [
        (1, 1, 0, 1, b"s"),
        (2, 2, 1, 2, b""),
    ]
    assert reader.poll(NOW) == []


def test_a_reader_of_an_empty_directory_waits_for_the_log(tmp_path: Path) -> None:
    reader = LogReader(tmp_path)
    assert reader.poll(NOW) == []
    LogAppender(small_buffer(tmp_path), now_ns=NOW).append(MESSAGE, b"x", received_ns=NOW)
    assert payloads(reader) == [b"x"]


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=120), chunk=st.integers(1, 40))
def test_records_of_any_size_cross_segments_whole(
    sizes: list[int], chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("log")
    appender = LogAppender(small_buffer(directory, segments=16), now_ns=NOW)
    reader, got = LogReader(directory), []
    sent = [bytes([i % 251]) * size for i, size in enumerate(sizes)]
    for start in range(0, len(sent), chunk):
        for payload in sent[start : start + chunk]:
            assert appender.append(MESSAGE, payload, received_ns=NOW) is not None
        got += payloads(reader)
    assert got == sent
    assert reader.take_faults() == []


def test_a_full_log_refuses_messages_and_still_takes_control_records(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    stored = fill(appender, bytes(1000))
    assert stored > 200
    assert appender.fill_fraction == 1.0
    assert appender.append(RecordKind.GAP, bytes(500), received_ns=NOW) == stored + 1
    reader = LogReader(tmp_path)
    assert len(reader.poll(NOW)) == stored + 1


def test_released_segments_make_room_again(tmp_path: Path) -> None:
    appender, reader = LogAppender(small_buffer(tmp_path), now_ns=NOW), LogReader(tmp_path)
    fill(appender, bytes(1000))
    read = len(reader.poll(NOW))
    assert reader.release(read + 1) == 3
    assert len(list_segments(tmp_path)) == 1
    assert appender.append(MESSAGE, b"again", received_ns=NOW) == read + 1
    assert payloads(reader) == [b"again"]


def test_the_newest_segment_is_never_released(tmp_path: Path) -> None:
    LogAppender(small_buffer(tmp_path), now_ns=NOW)
    assert LogReader(tmp_path).release(1 << 60) == 0
    assert len(list_segments(tmp_path)) == 1


def test_a_segment_with_a_needed_record_is_not_released(tmp_path: Path) -> None:
    appender, reader = LogAppender(small_buffer(tmp_path), now_ns=NOW), LogReader(tmp_path)
    fill(appender, bytes(1000))
    second = list_segments(tmp_path)[1][0]
    assert reader.release(second - 1) == 0
    assert reader.release(second) == 1


def test_a_restarted_appender_opens_a_new_segment_and_goes_on_counting(tmp_path: Path) -> None:
    first = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    first.append(MESSAGE, b"a", received_ns=NOW)
    second = LogAppender(small_buffer(tmp_path), now_ns=NOW + 5)
    assert second.log_id == first.log_id == NOW
    assert second.append(MESSAGE, b"b", received_ns=NOW) == 2
    assert [n for n, _ in list_segments(tmp_path)] == [1, 2]
    assert payloads(LogReader(tmp_path)) == [b"a", b"b"]


def test_a_restart_without_records_reuses_nothing_and_loses_nothing(tmp_path: Path) -> None:
    LogAppender(small_buffer(tmp_path), now_ns=NOW).close()
    again = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    assert again.append(MESSAGE, b"a", received_ns=NOW) == 1
    assert payloads(LogReader(tmp_path)) == [b"a"]


def test_a_reader_follows_an_appender_that_restarted_before_its_first_record(tmp_path: Path) -> None:
    LogAppender(small_buffer(tmp_path), now_ns=NOW).close()
    reader = LogReader(tmp_path)
    assert reader.poll(NOW) == []
    again = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    again.append(MESSAGE, b"a", received_ns=NOW)
    assert payloads(reader) == [b"a"]
    assert reader.take_faults() == []


def test_a_reader_resumes_after_a_sequence_number(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path, segments=8), now_ns=NOW)
    for i in range(300):
        appender.append(MESSAGE, b"%04d" % i + bytes(900), received_ns=NOW)
    reader = LogReader(tmp_path, after_sequence=150)
    assert [r.sequence for r in reader.poll(NOW)] == list(range(151, 301))


def test_each_further_segment_repeats_the_session_start(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    appender.set_preamble(b"session")
    fill(appender, bytes(1000))
    heads = [r for r in LogReader(tmp_path).poll(NOW) if r.kind == RecordKind.SESSION_START]
    assert [(bytes(r.payload), r.flags) for r in heads] == [(b"session", CONTINUED)] * 3


def test_a_message_as_large_as_the_log_says_fits(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    appender.set_preamble(b"session")
    largest = bytes(appender.max_payload_bytes)
    assert appender.append(MESSAGE, largest, received_ns=NOW) is not None
    assert appender.append(MESSAGE, largest, received_ns=NOW) is not None
    assert appender.append(MESSAGE, largest + b"x", received_ns=NOW) is None
    assert payloads(LogReader(tmp_path)) == [largest, largest]


def test_the_next_segment_can_be_made_ahead(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    assert not appender.wants_next
    while not appender.wants_next:
        appender.append(MESSAGE, bytes(1000), received_ns=NOW)
    appender.prepare_next()
    assert not appender.wants_next
    fill(appender, bytes(1000))
    assert len(list_segments(tmp_path)) == 4
    appender.close()
    assert not list(tmp_path.glob("*.tmp"))


def damage(path: Path, offset: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes([byte]))


@pytest.mark.parametrize("offset", [64 + 8, 64 + 12, 64 + 16, 64 + 24, 64 + 32])
def test_a_damaged_record_is_passed_over_once_it_stays_damaged(tmp_path: Path, offset: int) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    for payload in (b"one", b"two"):
        appender.append(MESSAGE, payload, received_ns=NOW)
    damage(tmp_path / segment_name(1), offset, 0xFF)
    reader = LogReader(tmp_path)
    assert payloads(reader, NOW) == []
    assert payloads(reader, NOW + 49_000_000) == []
    assert reader.take_faults() == []
    assert payloads(reader, NOW + 50_000_000) == [b"two"]
    (fault,) = reader.take_faults()
    assert (fault.reason, fault.segment, fault.offset, fault.first_sequence, fault.count) == (
        "corrupt",
        segment_name(1),
        64,
        1,
        1,
    )


def test_behind_a_damaged_commit_word_reading_goes_on_at_the_next_segment(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    stored = fill(appender, bytes(1000))
    second = list_segments(tmp_path)[1][0]
    damage(tmp_path / segment_name(1), 64 + 5, 0xFF)
    reader = LogReader(tmp_path)
    reader.poll(NOW)
    got = [r.sequence for r in reader.poll(NOW + 50_000_000)]
    assert got == list(range(second, stored + 1))
    corrupt, missing = reader.take_faults()
    assert (corrupt.reason, corrupt.count) == ("corrupt", 0)
    assert (missing.reason, missing.first_sequence, missing.count) == ("missing", 1, second - 1)


def test_a_lost_segment_is_a_counted_hole(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    fill(appender, bytes(1000))
    (_, (second, path), (third, _), _) = list_segments(tmp_path)
    path.unlink()
    reader = LogReader(tmp_path)
    got = [r.sequence for r in reader.poll(NOW)]
    assert second - 1 in got
    assert third in got
    (fault,) = reader.take_faults()
    assert (fault.reason, fault.first_sequence, fault.count) == ("missing", second, third - second)


def test_a_damaged_segment_header_costs_that_segment_only(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    fill(appender, bytes(1000))
    (_, (second, path), (third, _), _) = list_segments(tmp_path)
    damage(path, 20, 0xFF)
    reader = LogReader(tmp_path)
    got = {r.sequence for r in reader.poll(NOW)}
    assert not got & set(range(second, third))
    assert third in got
    assert sum(f.count for f in reader.take_faults()) == third - second


def test_an_appender_never_reuses_sequence_numbers_behind_damage(tmp_path: Path) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    for _ in range(10):
        appender.append(MESSAGE, b"x", received_ns=NOW)
    damage(tmp_path / segment_name(1), 64 + 40 + 5, 0xFF)
    again = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    sequence = again.append(MESSAGE, b"y", received_ns=NOW)
    assert sequence is not None
    assert sequence > 10


def test_a_newer_format_version_is_refused_by_name(tmp_path: Path) -> None:
    LogAppender(small_buffer(tmp_path), now_ns=NOW).close()
    damage(tmp_path / segment_name(1), 8, 9)
    with pytest.raises(LogFormatError, match="version 9"):
        LogReader(tmp_path).poll(NOW)
    with pytest.raises(LogFormatError, match="version 9"):
        LogAppender(small_buffer(tmp_path), now_ns=NOW)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / segment_name(1)).write_bytes(b"something else" * 1000)
    with pytest.raises(LogFormatError, match="not a segment"):
        LogReader(tmp_path).poll(NOW)


def test_another_log_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    LogAppender(small_buffer(tmp_path), now_ns=1).append(MESSAGE, b"a", received_ns=NOW)
    reader = LogReader(tmp_path)
    reader.poll(NOW)
    create_spare(tmp_path / "x", SMALL).activate(tmp_path, log_id=2, first_sequence=2)
    with pytest.raises(LogFormatError, match="another log"):
        reader.poll(NOW)


def test_the_log_id_can_be_asked_for_without_reading(tmp_path: Path) -> None:
    assert peek_log_id(tmp_path) is None
    LogAppender(small_buffer(tmp_path), now_ns=42).close()
    assert peek_log_id(tmp_path) == 42


def test_a_full_file_system_is_one_clear_error(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from aggregator.segment import create_spare; from aggregator.errors import LogSpaceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "p = Path(sys.argv[1])\n"
        "try:\n    create_spare(p, 65536)\nexcept LogSpaceError:\n    print('refused', p.exists())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused False\n", done.stderr


def test_a_killed_appender_leaves_every_committed_record_readable(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from aggregator.settings import BufferSettings\n"
        "from aggregator.layout import RecordKind; from aggregator.log import LogAppender\n"
        "s = BufferSettings(directory=Path(sys.argv[1]), size_bytes=1 << 20, segment_bytes=1 << 16)\n"
        "a = LogAppender(s, now_ns=1)\n"
        "for i in range(500):\n    a.append(RecordKind.MESSAGE, b'%d' % i, received_ns=i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert payloads(LogReader(tmp_path)) == [b"%d" % i for i in range(500)]


def test_the_appender_reports_when_there_is_no_room_for_a_first_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(LogSpaceError):
        LogAppender(small_buffer(tmp_path), now_ns=NOW)


def test_a_directory_that_cannot_be_read_costs_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appender = LogAppender(small_buffer(tmp_path), now_ns=NOW)
    reader = LogReader(tmp_path)
    assert reader.poll(NOW) == []
    appender.append(MESSAGE, b"a", received_ns=NOW)

    def refuse(_: Path) -> list[tuple[int, Path]]:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as broken:
        broken.setattr("aggregator.log.reader.list_segments", refuse)
        assert payloads(reader) == [b"a"]
        with pytest.raises(OSError, match=os.strerror(5)):
            reader.poll(NOW)
    appender.append(MESSAGE, b"b", received_ns=NOW)
    assert payloads(reader) == [b"b"]
