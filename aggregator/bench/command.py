"""`hkagg bench`: its command line."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from aggregator.bench import chart, plan, table
from aggregator.bench.figures import STOCK, Result
from aggregator.bench.plan import Bench, Plan
from aggregator.bench.report import to_json
from aggregator.bench.workloads import WORKLOADS, workload_named
from aggregator.errors import SettingsError
from aggregator.manual import ManualFormatter

VOID = 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of `hkagg bench`."""
    known = "\n".join(f"  {each.name:<9} {each.summary}; {each.messages:,} messages" for each in WORKLOADS.values())
    parser = argparse.ArgumentParser(
        prog="hkagg bench",
        formatter_class=ManualFormatter,
        description="Measure what this machine can record and what that costs. Every archive is read back and "
        "compared value by value; a run that lost or doubled anything has no figures.",
        epilog=f"workloads:\n{known}\n\n"
        "stages:\n  writer    from a full log to the archive, without a network\n"
        "  wire      replayed WAMP messages into the whole recorder, without the cost of a router\n"
        "  floor     what transport and the G3 library take alone, for the same messages\n"
        "  router    through a real Crossbar.io, publishers included, at rising rates\n"
        "  stall     the writer stands still for a while, as on a frozen disk",
    )
    add = parser.add_argument
    add(
        "workloads",
        nargs="*",
        metavar="WORKLOAD",
        help="see below, or a shape FEEDSxFIELDSxROWS (default: all of them)",
    )
    add(
        "--stage", action="append", choices=[*plan.STAGES, "all"], help="may be repeated (default: writer, wire, floor)"
    )
    add("--peer", choices=[STOCK], help="at stage wire, alternate with OCS's own aggregator agent")
    add("--rounds", type=_positive, default=3, metavar="N", help="runs of each kind (default: %(default)s)")
    add("--messages", type=_positive, metavar="N", help="messages of a run (default: by workload)")
    add("--stall-seconds", type=_positive, default=10, metavar="S", help="length of stage stall (default: %(default)s)")
    add("--work-dir", type=Path, metavar="DIR", help="where archives are written meanwhile (default: $TMPDIR)")
    add("--json", type=Path, metavar="FILE", help="write the results for scripts; '-' for standard output")
    add("--plot", type=Path, metavar="FILE", help="draw a bar chart, such as bench.png")
    return parser


def main(argv: Sequence[str], *, clock_ns: Callable[[], int]) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str
        Its arguments.
    clock_ns : callable
        Returns the time now, Unix nanoseconds.

    Returns
    -------
    int
        0, or 1 when a result is void.

    Raises
    ------
    HkaggError
        When something cannot be run or written.
    """
    arguments = make_parser().parse_args(argv)
    chosen = make_plan(arguments)
    if arguments.plot:
        # To learn after ten minutes that there is nothing to draw with would be unkind.
        chart.load_pyplot()
    # Ended by `timeout` or a service manager, it must leave no recorder running either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: list[Result] = []
    try:
        _run(chosen, clock_ns, results)
    finally:
        # What was measured before something failed, or somebody lost patience, is worth as much as ever.
        if results:
            _publish(results, arguments)
    return VOID if any(result.why_void for result in results) else 0


def _run(chosen: Plan, clock_ns: Callable[[], int], results: list[Result]) -> None:
    progress = Console(stderr=True)
    with progress.status("starting") as status:

        def say(text: str) -> None:
            status.update(text)
            if not progress.is_terminal:
                progress.print(text, markup=False, highlight=False)

        for result in Bench(chosen, clock_ns=clock_ns, say=say).results():
            results.append(result)  # noqa: PERF402 - what came before an error must stay


def _publish(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    to_stdout = arguments.json is not None and str(arguments.json) == "-"
    table.show(results, Console(stderr=to_stdout, highlight=False))
    if arguments.json:
        _write(arguments.json, json.dumps(to_json(results), indent=1) + "\n", to_stdout=to_stdout)
    if arguments.plot:
        chart.draw(results, arguments.plot)


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Return what parsed arguments ask for.

    Raises
    ------
    SettingsError
        When there is no such workload or directory.
    """
    if arguments.work_dir is not None and not arguments.work_dir.is_dir():
        raise SettingsError(f"there is no directory {arguments.work_dir}: make it, or leave --work-dir out")
    stages = arguments.stage or list(plan.USUAL_STAGES)
    return Plan(
        workloads=tuple(map(workload_named, arguments.workloads or WORKLOADS)),
        stages=plan.STAGES if "all" in stages else tuple(stages),
        with_peer=arguments.peer is not None,
        rounds=arguments.rounds,
        messages=arguments.messages,
        stall_s=float(arguments.stall_seconds),
        work_dir=arguments.work_dir,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def _write(path: Path, text: str, *, to_stdout: bool) -> None:
    if to_stdout:
        Console().out(text, end="", highlight=False)
        return
    try:
        path.write_text(text)
    except OSError as error:
        raise SettingsError(f"cannot write the results to {path}: {error.strerror}") from error
