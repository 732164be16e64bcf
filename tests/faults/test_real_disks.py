"""Real file systems and system calls refuse under a real writer process."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from aggregator.locks import WRITER_LOCK, is_held
from aggregator.status import WRITER, read_snapshot
from tests.support.campaign import Plan, committed_payloads
from tests.support.children import finish, start_publisher
from tests.support.mounts import mounted
from tests.support.oracle import assert_conserved, assert_counters_add_up
from tests.support.recording import REPOSITORY
from tests.support.tally import tried
from tests.support.wait import wait_until

FILL_BYTES = 64 << 10


def make_plan(root: Path, **changes: object) -> Plan:
    plan = Plan(root=root, seed=3, start_s=int(time.time()), messages=1200, pause_s=0.002)
    plan.buffer.mkdir(mode=0o700)
    return replace(plan, **changes)  # type: ignore[arg-type]


def assert_all_is_there(plan: Plan) -> None:
    status = finish(plan)
    assert_conserved(committed_payloads(plan), plan.data)
    malformed = sum(plan.is_malformed(k) for k in range(plan.messages))
    assert_counters_add_up(status, committed=plan.messages, quarantined=malformed)


@contextmanager
def real_writer(plan: Plan, *wrapper: str, file_size: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Run `hkagg writer` as its own program, under a wrapper or a limit."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))

    with (plan.root / "writer.log").open("ab") as log:
        child = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "writer", "--buffer-dir", str(plan.buffer)],
            cwd=REPOSITORY,
            stderr=log,
            preexec_fn=limit if file_size else None,  # noqa: PLW1509 - the child must have the limit, not this process
        )
    try:
        yield child
    finally:
        # A wrapper that is killed leaves its program running, so the program goes first.
        pid = (read_snapshot(plan.buffer, WRITER) or {}).get("pid", child.pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if wrapper:
            wait_until(lambda: not is_held(plan.buffer / WRITER_LOCK), 20, "the writer under a wrapper to be gone")
        child.kill()
        child.wait()


def is_in_trouble(plan: Plan) -> bool:
    return bool((read_snapshot(plan.buffer, WRITER) or {}).get("disk_error"))


def test_a_limit_on_the_size_of_files_loses_nothing(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    with real_writer(plan, file_size=30_000) as writer:
        start_publisher(plan).join(60)
        wait_until(lambda: is_in_trouble(plan), 30, "the writer to meet the limit")
        assert writer.poll() is None
        resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: not is_in_trouble(plan), 40, "the writer to go on by itself")
    assert_all_is_there(plan)
    tried("limits of file size")


def test_a_full_data_disk_loses_nothing_and_recording_goes_on_when_there_is_room(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    with mounted(plan.data, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        ballast = plan.data / "ballast"
        ballast.write_bytes(bytes((1 << 20) - FILL_BYTES))
        with real_writer(plan) as writer:
            start_publisher(plan).join(60)
            wait_until(lambda: is_in_trouble(plan), 30, "the disk to be full")
            assert writer.poll() is None
            ballast.unlink()
            wait_until(lambda: not is_in_trouble(plan), 40, "the writer to go on by itself")
        assert_all_is_there(plan)
    tried("full disks")


CALLS = {
    "write to the archive": ("pwrite64", "2+71"),
    "make durable": ("fdatasync", "3+41"),
    "make a name durable": ("fsync", "1+5"),
    "open": ("openat", "3+31"),
    "give a name": ("linkat", "1+2"),
    "rename": ("rename", "1+2"),
    "remove": ("unlink", "1+2"),
    "make a directory": ("mkdir", "1"),
}
"""System calls of a writer, and which of them fail: the n-th and each so many later.

One try of a writer that has fallen behind makes dozens of them, and must come through between two failures.
"""
CODES = ("ENOSPC", "EIO")


@pytest.mark.parametrize("what", CALLS)
def test_no_refused_system_call_costs_a_row(what: str, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("LOUD: strace is not installed: errors of system calls are not injected in this run")
    call, when = CALLS[what]
    with ExitStack() as stack:
        plans = []
        for code in CODES:
            (tmp_path / code).mkdir()
            plan = make_plan(tmp_path / code, messages=500, fsync="frame")
            stack.enter_context(traced_writer(plan, call, code, when))
            plans.append(plan)
        for publisher in [start_publisher(plan) for plan in plans]:
            publisher.join(60)
        for plan in plans:
            wait_until(partial(has_come_far, plan), 40, "the writer to come to the end of the log")
    for plan in plans:
        tried("errors injected into system calls", (plan.root / "trace").read_text().count("(INJECTED)"))
        assert_all_is_there(plan)


def test_an_fsync_that_takes_two_seconds_holds_up_nobody(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("LOUD: strace is not installed: slow system calls are not tried in this run")
    plan = make_plan(tmp_path, messages=1500, fsync="frame")
    delay = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=2000000:when=4+40"]
    with real_writer(plan, "strace", "-f", "-qq", "-o", str(tmp_path / "trace"), *delay) as writer:
        publisher = start_publisher(plan)
        publisher.join(60)
        assert publisher.exitcode == 0
        wait_until(partial(has_come_far, plan), 40, "the writer to come to the end of the log")
        assert writer.poll() is None, said(plan)
    tried("slow fsyncs", (tmp_path / "trace").read_text().count("(DELAYED)"))
    assert_all_is_there(plan)


@contextmanager
def traced_writer(plan: Plan, call: str, code: str, when: str) -> Iterator[None]:
    trace = ["strace", "-f", "-qq", "-o", str(plan.root / "trace"), "-e", f"trace={call}"]
    if call in ("openat", "mkdir", "unlink", "rename"):
        # Only what is in the archive and the buffer: a Python that starts opens a thousand files.
        folders = [plan.data / str(int(time.time()))[:5], plan.data, plan.buffer / "writer.json", plan.buffer]
        trace += [argument for folder in folders for argument in ("-P", str(folder))]
    with real_writer(plan, *trace, "-e", f"inject={call}:error={code}:when={when}") as writer:
        yield
        if "ptrace" in said(plan):
            pytest.skip("LOUD: strace may not trace here: errors of system calls are not injected in this run")
        assert writer.poll() is None, said(plan)


def has_come_far(plan: Plan) -> bool:
    if "Traceback" in said(plan) or "ptrace" in said(plan):
        return True
    return bool((read_snapshot(plan.buffer, WRITER) or {}).get("sequence", 0) >= plan.messages)


def said(plan: Plan) -> str:
    return (plan.root / "writer.log").read_text()
