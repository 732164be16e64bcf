"""Each thing that puts data at risk makes a recorder degraded, says why, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from aggregator.health import SECOND_NS, Health, State, judge
from aggregator.observation import Observation, Process

NOW_NS = 1_750_000_000 * SECOND_NS

INGEST = {
    "now_ns": NOW_NS,
    "state": "recording",
    "connected": True,
    "buffer": {"size_bytes": 1000, "used_bytes": 100, "fill": 0.1},
}
WRITER = {"now_ns": NOW_NS, "state": "recording", "pending_messages": 12, "lag_s": 0.1, "disk_error": None}


def seen(
    ingest: dict[str, Any] | None = None,
    writer: dict[str, Any] | None = None,
    *,
    ingest_alive: bool = True,
    writer_alive: bool = True,
) -> Observation:
    """A recorder in good order but for what is given."""
    return Observation(
        ingest=Process(alive=ingest_alive, snapshot=INGEST | (ingest or {})),
        writer=Process(alive=writer_alive, snapshot=WRITER | (writer or {})),
    )


def test_a_recorder_in_good_order_is_recording() -> None:
    assert judge(seen(), NOW_NS) == Health(state=State.RECORDING)


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (seen(writer_alive=False), "the writer is not running: messages wait in the buffer"),
        (seen({"losing": True}), "messages are being dropped: the buffer has no room"),
        (seen({"buffer": {"fill": 0.8}}), "the buffer is 80% full"),
        (seen({"connected": False}), "there is no connection to the router"),
        (seen(writer={"disk_error": "cannot write x"}), "disk trouble: cannot write x"),
        (seen(writer={"lag_s": 75.0}), "the writer is 75 s behind"),
        (seen(writer={"now_ns": NOW_NS - 20 * SECOND_NS}), "the writer has said nothing for 20 s"),
        (seen({"now_ns": NOW_NS - 20 * SECOND_NS}), "ingest has said nothing for 20 s"),
    ],
)
def test_what_puts_data_at_risk_degrades_and_is_said(observation: Observation, reason: str) -> None:
    assert judge(observation, NOW_NS) == Health(state=State.DEGRADED, reasons=(reason,))


def test_several_troubles_are_all_said() -> None:
    observation = seen({"buffer": {"fill": 1.0}, "losing": True}, writer_alive=False)
    assert len(judge(observation, NOW_NS).reasons) == 3


def test_an_agent_that_was_not_told_to_record_is_idle_even_without_a_writer() -> None:
    observation = seen({"state": "idle"}, {"pending_messages": 0}, writer_alive=False)
    assert judge(observation, NOW_NS) == Health(state=State.IDLE, reasons=("it was not told to record",))


def test_an_agent_that_has_not_found_its_router_yet_says_so() -> None:
    observation = seen({"state": "idle", "connected": False}, {"pending_messages": 0})
    assert judge(observation, NOW_NS) == Health(state=State.IDLE, reasons=("there is no connection to the router yet",))


def test_an_idle_agent_whose_last_session_is_not_all_archived_is_degraded_without_a_writer() -> None:
    observation = seen({"state": "idle"}, {"pending_messages": 3}, writer_alive=False)
    assert judge(observation, NOW_NS).state is State.DEGRADED


def test_an_agent_that_has_said_nothing_yet_is_starting() -> None:
    observation = Observation(ingest=Process(alive=True, snapshot=None), writer=Process(alive=True, snapshot=None))
    assert judge(observation, NOW_NS) == Health(state=State.IDLE, reasons=("ingest is starting",))


def test_without_ingest_a_recorder_is_not_running_whatever_its_last_snapshot_said() -> None:
    health = judge(seen(ingest_alive=False), NOW_NS)
    assert health == Health(state=State.STOPPED, reasons=("ingest is not running",))


def test_messages_that_no_process_looks_after_are_mentioned() -> None:
    health = judge(seen(ingest_alive=False, writer_alive=False), NOW_NS)
    assert health.reasons[-1] == "messages wait in the buffer for a writer (it last knew of 12)"


def test_trouble_that_a_dead_writer_last_had_is_not_reported_as_todays() -> None:
    health = judge(seen(writer={"disk_error": "full", "lag_s": 99.0}, writer_alive=False), NOW_NS)
    assert health.reasons == ("the writer is not running: messages wait in the buffer",)


@pytest.mark.parametrize("odd", [{"buffer": None}, {"buffer": {"fill": "x"}}, {"counters": 3}, {"connected": 1}])
def test_a_snapshot_of_another_version_does_not_stop_the_judge(odd: dict[str, Any]) -> None:
    assert judge(seen(odd), NOW_NS).state is State.RECORDING


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert {state.label: state.exit_code for state in State} == {
        "recording": 0,
        "degraded": 1,
        "not running": 2,
        "idle": 3,
    }
