"""What a writer owes at its start and at its end, whatever came before."""

from __future__ import annotations

from pathlib import Path

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
