"""A tape: the messages of a workload as ready-made WebSocket frames of WAMP EVENTs, and where their payloads are.

Every stage and every recorder of a run gets the bytes of the same tape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgpack
import numpy as np
from numpy.typing import NDArray

from aggregator.bench.websocket import frame_head
from aggregator.bench.workloads import Message

SUBSCRIPTION = 6_021_023_000_000_001
_FIRST_PUBLICATION = 4_503_599_627_370_496
_EVENT_HEAD = b"\x95\x24\xcf" + SUBSCRIPTION.to_bytes(8, "big") + b"\xcf"
_ONE_ARGUMENT = b"\x91"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """The messages of a run.

    Parameters
    ----------
    path : Path
        The file of WebSocket frames, back to back.
    spans : ndarray
        Shape (messages, 2), int64: where in the file each payload, the msgpack of `[data, feed]`, begins and ends; the
        frame of a message begins where the one before ends.
    received_s : ndarray
        Shape (messages,), float64: when each message comes, in seconds after the workload's start.
    values_each : ndarray
        Shape (messages,), int64: how many values each brings.
    """

    path: Path
    spans: NDArray[np.int64]
    received_s: NDArray[np.float64]
    values_each: NDArray[np.int64]

    @property
    def values(self) -> int:
        """How many values they bring together."""
        return int(self.values_each.sum())

    @property
    def messages(self) -> int:
        """How many messages there are."""
        return len(self.spans)

    @property
    def payload_bytes(self) -> int:
        """Size of all payloads together."""
        return int((self.spans[:, 1] - self.spans[:, 0]).sum())

    def payloads(self) -> Iterator[bytes]:
        """Give the payloads in order, reading no further ahead than the file's buffer."""
        with self.path.open("rb") as file:
            for begin, end in self.spans.tolist():
                file.seek(begin - file.tell(), 1)
                yield file.read(end - begin)

    def head(self, messages: int) -> Tape:
        """Return the beginning of the tape; its file is the same."""
        return replace(
            self,
            spans=self.spans[:messages],
            received_s=self.received_s[:messages],
            values_each=self.values_each[:messages],
        )

    def save(self) -> None:
        """Keep the index beside the file, for other processes."""
        with self.path.with_suffix(".index").open("wb") as file:
            np.savez(file, spans=self.spans, received_s=self.received_s, values_each=self.values_each)


def record_tape(path: Path, messages: Iterable[Message]) -> Tape:
    """Make a tape of messages.

    Parameters
    ----------
    path : Path
        The file to write; its index goes beside it.
    messages : iterable of Message
        At least one.
    """
    spans: list[tuple[int, int]] = []
    received_s: list[float] = []
    values_each: list[int] = []
    position = 0
    with path.open("wb") as file:
        for number, message in enumerate(messages):
            payload = msgpack.packb([message.data, message.feed])
            head = event_head(message.topic, number)
            head = frame_head(len(head) + len(payload)) + head
            file.write(head)
            file.write(payload)
            spans.append((position + len(head), position := position + len(head) + len(payload)))
            received_s.append(message.received_s)
            values_each.append(message.values)
    tape = Tape(
        path=path,
        spans=np.array(spans, dtype=np.int64),
        received_s=np.array(received_s, dtype=np.float64),
        values_each=np.array(values_each, dtype=np.int64),
    )
    tape.save()
    return tape


def load_tape(path: Path) -> Tape:
    """Open a tape that `record_tape` made."""
    with np.load(path.with_suffix(".index")) as index:
        return Tape(path=path, **{name: index[name] for name in ("spans", "received_s", "values_each")})


def event_head(topic: str, number: int) -> bytes:
    """Return the bytes of a WAMP EVENT up to its payload, as Crossbar.io sends it to a wildcard subscription."""
    publication = (_FIRST_PUBLICATION + number).to_bytes(8, "big")
    return _EVENT_HEAD + publication + bytes(msgpack.packb({"topic": topic})) + _ONE_ARGUMENT
