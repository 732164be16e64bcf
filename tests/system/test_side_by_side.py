"""OCS's own aggregator and ours, side by side on one router: the same messages, the same calls."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from aggregator.demo.router import Router
from tests.support.archive_check import assert_archive_is_clean
from tests.support.both import OURS, STOCK, Both, interleaved, sources
from tests.support.calls import CALLS, Answers, ask
from tests.support.calls import HEAD as CALLS_HEAD
from tests.support.comparison import HEAD, Outcome, compare
from tests.support.shared_memory import buffer_in_shared_memory
from tests.support.site import running_site
from tests.support.streams import FATAL, KILLED, LARGE, PEACEFUL, Case, Phases, Published, neighbour

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compared-with-stock.md"
WRITE_PAGE = "HKAGG_WRITE_PAGE"
"""In the environment: write the tables into the page instead of looking whether they are there."""


@pytest.fixture(scope="module")
def both(router: Router, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both recorders, ready and idle."""
    root = tmp_path_factory.mktemp("both")
    with buffer_in_shared_memory(root.name) as buffer_dir, running_site(root / "site", router.settings) as site:
        recorders = Both(site, root, buffer_dir)
        recorders.launch()
        yield recorders
        recorders.close()


@pytest.fixture(scope="module")
def answers(both: Both) -> list[Answers]:
    """What both answer; asked before anything is recorded."""
    return [ask(call, both.clients) for call in CALLS]


@pytest.fixture(scope="module")
def outcomes(answers: list[Answers], both: Both) -> list[Outcome]:  # noqa: ARG001 - the calls come first
    """What became of every stream in both archives."""
    fatal = [record_fatally(both, number, case) for number, case in enumerate(FATAL)]
    return [*record_peacefully(both), *fatal, record_a_large_message(both), record_a_kill(both)]


def record_peacefully(both: Both) -> list[Outcome]:
    """Let both record every stream that the stock one lives through."""
    cases = {f"case_{number:02}": case for number, case in enumerate(PEACEFUL)}
    feeds = sources(list(cases))
    streams: dict[str, Phases] = {name: case.phases(feeds[name]) for name, case in cases.items()}
    both.start()
    for phase in range(3):
        if phase == 2:
            both.stop()
            both.start()
        for name, message in interleaved(streams, phase):
            both.publish(feeds[name].address, [message])
        both.settle(cut=phase == 0)
    both.stop()
    return [outcome(both, case, feeds[name].address, streams[name]) for name, case in cases.items()]


def record_fatally(both: Both, number: int, case: Case) -> Outcome:
    """Let both record a stream that ends the stock recorder's session."""
    feeds = sources([f"good_{number}", f"fatal_{number}"])
    good, fatal = feeds.values()
    streams = [neighbour(good), case.phases(fatal)]
    before = both.committed()
    both.start()
    for feed, phases in zip((good, fatal), streams, strict=True):
        both.publish(feed.address, phases[0])
    both.wait_until_ours_has(before + sum(len(phases[0]) for phases in streams))
    both.wait_until_stock_has_failed()
    both.stop()
    return outcome(both, case, fatal.address, streams[1]) + outcome(both, case, good.address, streams[0])


def record_a_large_message(both: Both) -> Outcome:
    """Let both record a message over the limit that WebSocket clients have by default."""
    (feed,) = sources(["large"]).values()
    before, after = phases = LARGE.phases(feed)
    both.start()
    both.publish(feed.address, before)
    both.wait_until_stock_is_back()
    both.publish(feed.address, after)
    both.settle(cut=False)
    both.stop()
    return outcome(both, LARGE, feed.address, phases)


def record_a_kill(both: Both) -> Outcome:
    """Kill both while they record, and let them go on."""
    (feed,) = sources(["killed"]).values()
    before, after = phases = KILLED.phases(feed)
    both.start()
    both.publish(feed.address, before)
    both.settle(cut=False)
    both.kill()
    both.launch()
    both.start()
    both.publish(feed.address, after)
    both.settle(cut=False)
    both.stop()
    return outcome(both, KILLED, feed.address, phases)


def outcome(both: Both, case: Case, address: str, phases: Phases) -> Outcome:
    """Compare what was published on a feed with both archives."""
    messages: list[Published] = [message for phase in phases for message in phase]
    return compare(case, address, messages, both.archives)


def put_into_page(name: str, head: Sequence[str], rows: Sequence[str]) -> None:
    """Check that a table stands in the page, or put it there when asked to."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    page = PAGE.read_text()
    before, rest = page.split(begin)
    former, after = rest.split(end)
    table = "\n".join(["", *head, *rows, "", ""])
    if os.environ.get(WRITE_PAGE):
        PAGE.write_text(f"{before}{begin}{table}{end}{after}")
    else:
        assert former == table, f"{PAGE} is out of date; run this test with {WRITE_PAGE}=1"


def test_every_call_is_answered_as_by_the_stock_agent_but_for_named_exceptions(answers: list[Answers]) -> None:
    differing = {answer.call.text: answer.answers for answer in answers if not answer.equal}
    assert differing.keys() == {call.text for call in CALLS if call.exception}, differing


def test_both_say_that_they_are_an_aggregator_with_one_process(both: Both) -> None:
    described = [client._client.get_api() for client in both.clients.values()]
    assert [api["agent_class"] for api in described] == ["AggregatorAgent"] * 2
    assert [[name for name, *_ in api["processes"]] for api in described] == [["record"]] * 2
    assert described[0]["tasks"] == described[1]["tasks"] == []
    assert [[name for name, _ in api["feeds"]] for api in described] == [["heartbeat"]] * 2


def test_both_archives_are_equal_but_for_named_exceptions(outcomes: list[Outcome]) -> None:
    differing = {outcome.case.title: outcome.right for outcome in outcomes if not outcome.equal}
    assert differing.keys() == {outcome.case.title for outcome in outcomes if outcome.case.exception}, differing


def test_no_value_that_the_stock_agent_keeps_is_lost_here(outcomes: list[Outcome]) -> None:
    assert [outcome.row() for outcome in outcomes if outcome.right[OURS] < outcome.right[STOCK]] == []


def test_what_we_leave_of_it_all_keeps_every_rule_of_the_archive(outcomes: list[Outcome], both: Both) -> None:
    assert outcomes
    assert_archive_is_clean(both.archives[OURS])


def test_the_tables_in_the_docs_are_those_of_this_comparison(outcomes: list[Outcome], answers: list[Answers]) -> None:
    put_into_page("archives", HEAD, [outcome.row() for outcome in outcomes])
    put_into_page("calls", CALLS_HEAD, [answer.row() for answer in answers])
