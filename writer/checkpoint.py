"""The checkpoint: what the writer has made durable, in two alternating slots; layout in `aggregator.slots`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregator import slots
from aggregator.crash_points import crash_point
from aggregator.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that a writer needs to go on, beside the log.

    Parameters
    ----------
    log_id : int
        The log that the sequence numbers belong to.
    drained : int
        Every record up to this one has been taken from the log at least once; the counters are as of here.
    replay_from : int
        Oldest sequence number that is not durable for every provider.
    session : bytes
        Payload of the open session's SESSION_START; empty when none is open.
    file : str
        The open archive file; empty when none is open.
    valid_length : int
        How many bytes of it are valid.
    mount : str
        Mount point that the data directory is under; empty where no file was begun.
    rebuilds : bool
        Whether the archive may hold rows of the log that this checkpoint does not know of.
    registry : list
        State of the providers (`Registry.to_checkpoint`).
    counters : dict
        `Counters.snapshot` as of `drained`.
    """

    log_id: int
    drained: int = 0
    replay_from: int = 0
    session: bytes = b""
    file: str = ""
    valid_length: int = 0
    mount: str = ""
    rebuilds: bool = False
    registry: list[Any] = field(default_factory=list)
    counters: dict[str, Any] = field(default_factory=dict)


class CheckpointStore:
    """The two slots in the buffer directory.

    Parameters
    ----------
    directory : Path
        The buffer directory.
    """

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / name for name in slots.SLOT_NAMES]
        self._generation = 0
        self.faults: list[str] = []

    def load(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, or None where there is none; `faults` says what was wrong."""
        found, missing = [], []
        for path in self._paths:
            try:
                found.append(read_slot(path))
            except FileNotFoundError:
                missing.append(path)
            except CheckpointError as error:
                self.faults.append(str(error))
        if not found:
            return None
        self._generation, newest = max(found, key=lambda entry: entry[0])
        if self._generation > 1:
            self.faults += [f"{path} is gone" for path in missing]
        return newest

    def save(self, checkpoint: Checkpoint, *, durable: bool = True) -> None:
        """Write the next generation over the older slot.

        Parameters
        ----------
        checkpoint : Checkpoint
            What to keep.
        durable : bool
            Whether to wait until the buffer's disk has it; shared memory has it at once.

        Raises
        ------
        OSError
            When the buffer directory has no room; the other slot is whole then.
        """
        generation = self._generation + 1
        content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
        whole = slots.slot_bytes(generation, content)
        descriptor = os.open(self._paths[generation % 2], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            crash_point("writer.checkpoint-begun")
            written = 0
            while written < len(whole):
                written += os.write(descriptor, memoryview(whole)[written:])
            if durable:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._generation = generation
        crash_point("writer.checkpoint-saved")


def read_slot(path: Path) -> tuple[int, Checkpoint]:
    """Return generation and checkpoint of a slot.

    Raises
    ------
    FileNotFoundError
        When the slot has never been written.
    CheckpointError
        When it is torn, or of a format that this program does not read.
    """
    generation, content = slots.read_slot(path)
    try:
        return generation, Checkpoint(**content)
    except TypeError as error:
        raise CheckpointError(f"{path} holds another kind of checkpoint: {error}") from error
