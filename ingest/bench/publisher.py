"""Publishes a tape through a router at rising rates: ``python -m ingest.bench.publisher TAPE --url URL ...``.

Each step ends when the router has acknowledged its last message, and is told of in one line of JSON: `rate` asked
for, `messages` published so far, `seconds` taken and `achieved` rate.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import msgpack
from autobahn.twisted.util import sleep
from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import PublishOptions
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, ensureDeferred

from aggregator.bench.tape import Tape, load_tape
from ingest.transport import websocket_options

TICK_S = 0.005
ENOUGH = 0.9
"""Share of the rate asked for under which something is saturated."""

LARGEST_MESSAGE_BYTES = 16 << 20
reactor: Any = default_reactor


class Ladder:
    """Publishes the messages of a tape, step by step.

    Parameters
    ----------
    tape : Tape
        What is published, in order, each message once.
    rates : sequence of float
        Messages per second, one for each step.
    step_s : float
        How long a step takes, in seconds.
    told : TextIO
        Where each step is told of.
    """

    def __init__(self, tape: Tape, rates: Sequence[float], step_s: float, told: TextIO) -> None:
        self._told = told
        self._messages = _decoded(tape)
        self._left = tape.messages
        self._rates = rates
        self._step_s = step_s
        self._published = 0

    async def climb(self, session: ApplicationSession) -> None:
        """Publish until a step is not achieved or the tape has ended."""
        for rate in self._rates:
            count = min(self._left, max(1, int(rate * self._step_s)))
            if not count:
                return
            begun = perf_counter()
            await self._publish(session, count, rate)
            seconds = perf_counter() - begun
            self._tell(rate=rate, messages=self._published, seconds=seconds, achieved=count / seconds)
            if seconds * ENOUGH > count / rate:
                return

    async def _publish(self, session: ApplicationSession, count: int, rate: float) -> None:
        begun, sent = perf_counter(), 0
        while sent < count:
            due = min(count, int((perf_counter() - begun) * rate) + 1)
            for _ in range(due - sent):
                last: Any = self._publish_one(session, acknowledge=sent == count - 1)
                sent += 1
            if sent < count:
                await sleep(TICK_S)  # type: ignore[no-untyped-call]
        await last

    def _publish_one(self, session: ApplicationSession, *, acknowledge: bool) -> Any:
        topic, pair = next(self._messages)
        self._left -= 1
        self._published += 1
        options = PublishOptions(acknowledge=acknowledge)  # type: ignore[no-untyped-call] # autobahn types only a part
        return session.publish(topic, pair, options=options)

    def _tell(self, **step: float) -> None:
        self._told.write(json.dumps(step) + "\n")
        self._told.flush()


def _decoded(tape: Tape) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for payload in tape.payloads():
        data, feed = msgpack.unpackb(payload)
        yield feed["address"], (data, feed)


def _session(ladder: Ladder) -> type[ApplicationSession]:
    class Publisher(ApplicationSession):
        def onJoin(self, details: object) -> Deferred[None]:  # noqa: N802, ARG002 - autobahn's name and argument
            return ensureDeferred(self._work())

        async def _work(self) -> None:
            try:
                await ladder.climb(self)
            except Exception:  # noqa: BLE001 - autobahn would log it at a level that nobody sees
                traceback.print_exc()
            reactor.stop()

    return Publisher


def main(argv: Sequence[str]) -> int:
    """Run until the top of the ladder or until something is saturated."""
    parser = argparse.ArgumentParser(prog="python -m ingest.bench.publisher")
    parser.add_argument("tape", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--realm", required=True)
    parser.add_argument("--rates", type=lambda text: [float(rate) for rate in text.split(",")], required=True)
    parser.add_argument("--step", type=float, required=True, metavar="S")
    arguments = parser.parse_args(argv)
    # Logging takes sys.stdout over as soon as the runner runs.
    ladder = Ladder(load_tape(arguments.tape), arguments.rates, arguments.step, sys.stdout)
    serializers: list[Any] = [MsgPackSerializer()]  # type: ignore[no-untyped-call]
    options = websocket_options(LARGEST_MESSAGE_BYTES)
    runner = ApplicationRunner(arguments.url, arguments.realm, serializers=serializers, websocket_options=options)
    runner.run(_session(ladder), log_level="error")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
