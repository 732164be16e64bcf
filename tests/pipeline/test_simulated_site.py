from __future__ import annotations

from pathlib import Path

from aggregator.ledger import LedgerEntry
from aggregator.simulation import SimulatedSite
from tests.support.recording import SECOND, T0, Recording
from writer.audit.command import audit, verdict_line


def test_every_value_of_a_simulated_site_is_archived_exactly_once(tmp_path: Path) -> None:
    recording = Recording(tmp_path, segment_bytes=1 << 20)
    site = SimulatedSite(7, T0, scale=0.1)
    entries = []
    recording.start(time_per_file_s=30.0)
    writer = recording.service()
    for message in site.messages(T0 + 70 * SECOND):
        if not message.recordable:
            continue
        recording.now_ns = max(recording.now_ns, message.publish_ns)
        recording.message(message.data, message.feed)
        entries.append(LedgerEntry(data=message.data, feed=message.feed))
        writer.step(recording.now_ns)
    recording.stop()
    recording.drain(writer)
    verdict = audit(recording.data, entries)
    assert verdict.holds, (verdict_line(verdict), verdict.total, verdict.faults[:5])
    assert len(verdict.feeds) == len(site.recordable_addresses)
    assert verdict.files > 1
