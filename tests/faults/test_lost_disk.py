"""The file system of the archive goes away under the writer, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.campaign import Plan
from tests.support.mounts import mounted, run
from tests.support.oracle import assert_conserved
from tests.support.recording import SECOND, T0, Recording
from tests.support.tally import tried


@pytest.mark.parametrize("dies", [False, True], ids=["and the writer waits", "and the writer dies meanwhile"])
def test_a_data_disk_that_is_unmounted_is_waited_for(dies: bool, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "-t", "tmpfs", "tmpfs"):
        recording = Recording(tmp_path)
        plan = Plan(root=tmp_path, seed=2, start_s=T0 // SECOND, messages=1000)
        payloads: list[bytes] = []

        def publish(messages: int) -> None:
            for _ in range(messages):
                payloads.append(plan.payload(8 + len(payloads) % 80 + 89 * (len(payloads) // 80)))
                recording.raw(payloads[-1])
                recording.advance(0.05)
                service.step(recording.now_ns)

        with mounted(recording.data, "--bind", str(disk)):
            recording.start()
            service = recording.service()
            publish(40)
            run("umount", "-l", str(recording.data))
            publish(40)
            recording.advance(5)
            service.step(recording.now_ns)
            assert service.trouble.reason
            assert not list(recording.data.iterdir())
            if dies:
                service = recording.service()
                publish(10)
                assert service.trouble.reason
                assert not list(recording.data.iterdir())
            run("mount", "--bind", str(disk), str(recording.data))
            recording.advance(31)
            publish(20)
            recording.stop()
            recording.advance(40)
            recording.drain(service)
            assert service.trouble.reason is None
            assert_conserved(payloads, recording.data)
    tried("lost disks")


def test_a_data_directory_that_is_moved_away_and_back_loses_nothing(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    plan = Plan(root=tmp_path, seed=2, start_s=T0 // SECOND, messages=1000)
    recording.start()
    service = recording.service()
    payloads = []
    elsewhere = tmp_path / "elsewhere"
    for k in range(8, 68):
        if k == 30:
            recording.data.rename(elsewhere)
            recording.data.mkdir()
        if k == 50:
            for path in elsewhere.rglob("*.g3"):
                target = recording.data / path.relative_to(elsewhere)
                target.parent.mkdir(exist_ok=True)
                path.rename(target)
        payloads.append(plan.payload(k))
        recording.raw(payloads[-1])
        recording.advance(0.1)
        service.step(recording.now_ns)
    recording.stop()
    recording.drain(service)
    assert_conserved(payloads, recording.data)
    tried("lost disks")
