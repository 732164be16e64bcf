"""Writers and publishers as processes of their own that start in milliseconds, to be killed by the hundred.

They are forked from a server that has imported everything and done nothing, so each is as fresh as a new program.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from aggregator import crash_points
from aggregator.locks import WRITER_LOCK, ProcessLock
from aggregator.status import WRITER, Snapshot, read_snapshot
from tests.support.campaign import Plan, publish
from tests.support.wait import wait_until
from writer.__main__ import Ending, run
from writer.decode import Decoder
from writer.message import Batch, Undecodable

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])


def start_writer(buffer: Path, crash_at: str = "") -> BaseProcess:
    """Start a writer, which dies at a crash point if one is given."""
    return _start(_write, buffer, crash_at)


def start_writer_that_cannot_stand(buffer: Path, poison: bytes) -> BaseProcess:
    """Start a writer that dies whenever it decodes a message with these bytes in it."""
    return _start(_write_poisoned, (buffer, poison), "")


def start_publisher(plan: Plan, crash_at: str = "") -> BaseProcess:
    """Start what stands in for ingest."""
    return _start(_publish, plan, crash_at)


def was_killed(child: BaseProcess) -> bool:
    """Whether a child that has ended was killed."""
    return child.exitcode == -signal.SIGKILL


def kill(child: BaseProcess) -> bool:
    """Kill a child wherever it is; False when it had ended by itself."""
    child.kill()
    child.join(20)
    return was_killed(child)


def end_writer(child: BaseProcess, timeout_s: float = 30) -> int | None:
    """Ask a writer to drain the log and end."""
    assert child.pid is not None
    if child.is_alive():
        os.kill(child.pid, signal.SIGTERM)
    child.join(timeout_s)
    return child.exitcode


def said(buffer: Path) -> str:
    """Return what the processes on a buffer wrote to stderr."""
    path = buffer.parent / "children.log"
    return path.read_text()[-4000:] if path.exists() else ""


def finish(plan: Plan) -> Snapshot:
    """Let fresh children publish what is left and write it, and return the writer's last snapshot."""
    publisher, writer = start_publisher(plan), start_writer(plan.buffer)
    publisher.join(60)
    assert publisher.exitcode == 0, said(plan.buffer)
    wait_until(lambda: (read_snapshot(plan.buffer, WRITER) or {}).get("pid") == writer.pid, 20, "the writer's snapshot")
    assert end_writer(writer, 60) == 0, said(plan.buffer)
    return read_snapshot(plan.buffer, WRITER) or {}


def _start(target: object, where: object, crash_at: str) -> BaseProcess:
    child = _SERVER.Process(target=target, args=(where, crash_at), daemon=True)  # type: ignore[arg-type]
    child.start()
    return child


def _write(buffer: Path, crash_at: str) -> None:
    _prepare(buffer, crash_at)
    lock = ProcessLock(buffer / WRITER_LOCK)
    lock.acquire()
    run(buffer, Ending(None))


def _write_poisoned(where: tuple[Path, bytes], crash_at: str) -> None:
    buffer, poison = where
    decode_batch = Decoder.decode_batch

    def die_of_poison(decoder: Decoder, records: list[tuple[int, int, memoryview]]) -> list[Batch | Undecodable]:
        if any(poison in bytes(payload) for _, _, payload in records):
            os.kill(os.getpid(), signal.SIGKILL)
        return decode_batch(decoder, records)

    Decoder.decode_batch = die_of_poison  # type: ignore[assignment,method-assign]
    _write(buffer, crash_at)


def _publish(plan: Plan, crash_at: str) -> None:
    plan.buffer.mkdir(mode=0o700, parents=True, exist_ok=True)
    _prepare(plan.buffer, crash_at)
    publish(plan)


def _prepare(buffer: Path, crash_at: str) -> None:
    sys.stderr = (buffer.parent / "children.log").open("a", buffering=1)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
    os.environ[crash_points.ENVIRONMENT_NAME] = crash_at
    # Its functions keep looking into the same module, which now reads the environment again.
    importlib.reload(crash_points)
