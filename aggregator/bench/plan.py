"""Runs workloads through stages, recorders taking turns, and gathers what was measured."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aggregator.bench import router_stage
from aggregator.bench.figures import FLOOR, HKAGG, STOCK, Result, Round
from aggregator.bench.floor_stage import run_floor
from aggregator.bench.recorders import Places
from aggregator.bench.stall_stage import run_stall
from aggregator.bench.tape import Tape, record_tape
from aggregator.bench.wire_stage import run_wire
from aggregator.bench.workloads import Workload, messages, workload_named
from aggregator.bench.writer_stage import run_writer
from aggregator.buffer import SHARED_MEMORY

WRITER, WIRE, FLOORS, ROUTER, STALL = "writer", "wire", "floor", "router", "stall"
STAGES = (WRITER, WIRE, FLOORS, ROUTER, STALL)
USUAL_STAGES = (WRITER, WIRE, FLOORS)
_ONCE = (ROUTER, STALL)
"""Stages that take as long as they take: one round each."""

_PREFIX = "hkagg-bench-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run.

    Parameters
    ----------
    workloads : tuple of Workload
        What is recorded.
    stages : tuple of str
        Some of `STAGES`.
    with_peer : bool
        Whether the stock agent takes its turns at stage `wire`.
    rounds : int
        How often each recorder has its turn.
    messages : int or None
        How many messages, instead of each workload's own number.
    stall_s : float
        How long stage `stall` sends.
    work_dir : Path or None
        Where runs keep their files; a temporary directory when not given.
    """

    workloads: tuple[Workload, ...]
    stages: tuple[str, ...] = USUAL_STAGES
    with_peer: bool = False
    rounds: int = 3
    messages: int | None = None
    stall_s: float = 10.0
    work_dir: Path | None = None

    def turns(self) -> list[tuple[str, str]]:
        """Return stage and recorder of each turn of a round, in order."""
        turns = []
        for stage in (stage for stage in STAGES if stage in self.stages):
            turns.append((stage, FLOOR if stage == FLOORS else HKAGG))
            if stage == WIRE and self.with_peer:
                turns.append((stage, STOCK))
        return turns


class Bench:
    """Works a plan off.

    Parameters
    ----------
    plan : Plan
        What to run.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.
    say : callable
        Told what is being done, for a person who waits.
    """

    def __init__(self, plan: Plan, *, clock_ns: Callable[[], int], say: Callable[[str], None]) -> None:
        self._plan = plan
        self._clock_ns = clock_ns
        self._say = say
        self._overhead: dict[str, dict[str, float]] = {}

    def results(self) -> Iterator[Result]:
        """Run everything; give the results of each workload as soon as it is done.

        Raises
        ------
        BenchError
            When a run comes to nothing.
        """
        for workload in self._plan.workloads:
            with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=self._plan.work_dir) as directory:
                yield from self._results_of(workload, Path(directory))

    def _results_of(self, workload: Workload, directory: Path) -> Iterator[Result]:
        self._say(f"{workload.name}: making the messages")
        tape = record_tape(directory / "tape", messages(workload, self._plan.messages or workload.messages))
        rounds: dict[tuple[str, str], list[Round]] = {turn: [] for turn in self._plan.turns()}
        tapes = {stage: self._tape_for(stage, workload, tape, directory) for stage, _ in rounds}
        for number in range(self._plan.rounds):
            for (stage, recorder), done in rounds.items():
                if number and stage in _ONCE:
                    continue
                of_how_many = 1 if stage in _ONCE else self._plan.rounds
                self._say(f"{workload.name}: {stage}, {recorder}, round {number + 1} of {of_how_many}")
                done.append(self._run(stage, recorder, tapes[stage], directory))
        for (stage, recorder), done in rounds.items():
            sent = tapes[stage].head(done[0].remarks.get("sent", tapes[stage].messages))
            yield Result(
                workload=workload.name,
                stage=stage,
                recorder=recorder,
                messages=sent.messages,
                values=sent.values,
                payload_bytes=sent.payload_bytes,
                rounds=tuple(done),
            )

    def _tape_for(self, stage: str, workload: Workload, tape: Tape, directory: Path) -> Tape:
        if stage != ROUTER or self._plan.messages:
            return tape
        count = router_stage.messages_needed(tape.payload_bytes / tape.messages)
        return record_tape(directory / "router-tape", messages(workload, count))

    def _run(self, stage: str, recorder: str, tape: Tape, directory: Path) -> Round:
        with _places(directory) as places:
            if stage == WRITER:
                return run_writer(tape, places)
            if stage == ROUTER:
                return router_stage.run_router(tape, places)
            if stage == STALL:
                return run_stall(tape, places, self._plan.stall_s)
            if recorder == FLOOR:
                run = run_floor(tape, places, self._clock_ns)
            else:
                run = run_wire(recorder, tape, places, self._clock_ns)
        return self._less_overhead(recorder, run, directory)

    def _less_overhead(self, recorder: str, run: Round, directory: Path) -> Round:
        """Take off what a recorder uses for waiting and ending when there is next to nothing to record."""
        if recorder not in self._overhead:
            self._overhead[recorder] = self._measure_overhead(recorder, directory)
        overhead = self._overhead[recorder]
        less = {name: max(0.0, used - overhead.get(name, 0.0)) for name, used in run.cpu_s.items()}
        return replace(run, cpu_s=less, remarks={**run.remarks, "overhead_cpu_s": overhead})

    def _measure_overhead(self, recorder: str, directory: Path) -> dict[str, float]:
        """Return medians over as many runs as there are rounds: ending takes a varying time, which counts much here."""
        tape = record_tape(directory / "overhead-tape", messages(workload_named("1x1x1"), 1))
        runs = []
        for number in range(self._plan.rounds):
            self._say(f"what {recorder} takes for nothing, {number + 1} of {self._plan.rounds}")
            with _places(directory) as places:
                runs.append(run_wire(recorder, tape, places, self._clock_ns).cpu_s)
        return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


@contextmanager
def _places(directory: Path) -> Iterator[Places]:
    """Make fresh places for one run; they are gone afterwards."""
    shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=directory) as root,
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=shared) as buffer_dir,
    ):
        yield Places(root=Path(root), buffer_dir=Path(buffer_dir))
