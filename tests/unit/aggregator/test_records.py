from __future__ import annotations

import msgpack
import pytest

from aggregator.errors import RecordPayloadError
from aggregator.records import Gap, SessionStart, SessionStop

START = SessionStart(
    session_id=1 << 60,
    start_ns=5,
    description="HK data",
    data_dir="/data",
    time_per_file_s=3600.0,
    max_file_bytes=10**9,
    fsync="rotate",
    buffer_bytes=1 << 29,
)


@pytest.mark.parametrize(
    "payload", [START, SessionStop(stop_ns=7), Gap(from_ns=1, to_ns=2, reason="buffer-full", counts={"a.b.c.d": 3})]
)
def test_a_control_payload_comes_back_as_it_was(payload: SessionStart | SessionStop | Gap) -> None:
    assert type(payload).from_bytes(payload.to_bytes()) == payload


def test_keys_of_a_newer_version_are_passed_over() -> None:
    newer = msgpack.packb({"stop_ns": 7, "mood": "good"})
    assert SessionStop.from_bytes(newer) == SessionStop(stop_ns=7)


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x01", msgpack.packb([1]), msgpack.packb({"from_ns": 1})])
def test_a_payload_that_cannot_be_read_is_one_clear_error(payload: bytes) -> None:
    with pytest.raises(RecordPayloadError, match="Gap"):
        Gap.from_bytes(payload)
