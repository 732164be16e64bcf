"""What a writer owes at its start and at its end, whatever came before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack

from tests.support.oracle import assert_conserved
from tests.support.recording import Recording, block, feed


def test_a_writer_that_has_not_looked_at_the_log_is_not_done_with_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    recording.message(block("temps", [recording.now_s], ohm=[1.5]), feed())
    recording.stop()
    service = recording.service()
    assert not service.is_complete
    recording.drain(service)
    assert service.is_complete


def test_a_provider_that_went_stale_and_returned_is_not_given_its_old_rows_again(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.start()
    payloads = []

    def publish(name: str, **agg_params: Any) -> None:
        message = [block("temps", [recording.now_s], ohm=[1.5]), feed(name, **agg_params)]
        payloads.append(bytes(msgpack.packb(message)))
        recording.raw(payloads[-1])
        recording.advance(0.1)

    service = recording.service()
    publish("slow", frame_length=1000.0)
    publish("brief", frame_length=1000.0, fresh_time=1.0)
    recording.drain(service)
    recording.advance(5)
    recording.drain(service)
    publish("brief", frame_length=1000.0, fresh_time=1000.0)
    recording.advance(1)
    recording.drain(service)
    service = recording.service()
    recording.drain(service)
    recording.stop()
    recording.drain(service)
    assert_conserved(payloads, recording.data)
    assert service.pending_messages == 0
    assert service.counters.total("archived") == len(payloads)
