"""The calls that an OCS client makes, and what two recorders answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ocs
from ocs.ocs_client import OCSReply

from tests.support.both import OURS, STOCK
from tests.support.wait import wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Attributes
    ----------
    text : str
        How a user writes it.
    make : callable
        Makes it with an OCSClient.
    settled : bool
        Whether the session in the answer is at rest, so that it can be compared too.
    exception : str
        Why the answers differ, where they do.
    """

    text: str
    make: Callable[[Any], Any]
    settled: bool = False
    exception: str = ""


def _raw(*arguments: Any) -> Callable[[Any], Any]:
    return lambda client: OCSReply(*client._client.request(*arguments))


def _start_with(**parameters: Any) -> Callable[[Any], Any]:
    return lambda client: client.record.start(**parameters)


def _file_is_there(client: Any) -> Any:
    wait_until(lambda: client.record.status().session["data"].get("current_file"), 20)
    return client.record.status()


def _start_and_end_elsewhere(client: Any) -> Any:
    reply = client.record.start(time_per_file=60.0)
    if reply.status == ocs.OK:
        client.record.stop()
        client.record.wait(timeout=20)
    return reply


CALLS = (
    Call(text="`client.record.status()`", make=lambda client: client.record.status()),
    Call(text="`client.record.stop()` before any start", make=lambda client: client.record.stop()),
    Call(text="`client.record.wait()` before any start", make=lambda client: client.record.wait()),
    Call(text="`client.record.start(colour='blue')`", make=_start_with(colour="blue")),
    Call(text="`client.record.start(test_mode='yes')`", make=_start_with(test_mode="yes")),
    Call(
        text="`client.record.start(time_per_file=60.0)`",
        make=_start_and_end_elsewhere,
        exception="OCS's page promises `time_per_file` and `data_dir` as parameters",
    ),
    Call(text="`client.record.start()`", make=lambda client: client.record.start()),
    Call(text="`client.record.start()` again", make=lambda client: client.record.start()),
    Call(text="`client.record.status()` while it runs", make=lambda client: client.record.status()),
    Call(text="`client.record.status()` once a file is open", make=_file_is_there, settled=True),
    Call(text="`client.record.wait(timeout=0.1)`", make=lambda client: client.record.wait(timeout=0.1)),
    Call(text="abort `record`, which is no task", make=_raw("abort", "record")),
    Call(text="start `replay`, which there is not", make=_raw("start", "replay")),
    Call(text="`client.record.stop()`", make=lambda client: client.record.stop()),
    Call(text="`client.record.stop()` again, at once", make=lambda client: client.record.stop()),
    Call(text="`client.record.wait()`", make=lambda client: client.record.wait(timeout=20), settled=True),
    Call(text="`client.record.status()` afterwards", make=lambda client: client.record.status(), settled=True),
    Call(text="`client.record.start(test_mode=True)`", make=_start_with(test_mode=True)),
    Call(text="`client.record.wait()` after that", make=lambda client: client.record.wait(timeout=20), settled=True),
)
"""In this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the two recorders answered to a call, without what may differ from run to run."""

    call: Call
    answers: Mapping[str, str]

    @property
    def equal(self) -> bool:
        """Whether both said the same."""
        return self.answers[STOCK] == self.answers[OURS]

    def row(self) -> str:
        """Return a row of the table."""
        ours = "equal" if self.equal else f"{self.answers[OURS]} ({self.call.exception})"
        return f"| {self.call.text} | {self.answers[STOCK]} | {ours} |"


HEAD = ("| call | the stock aggregator's answer | hkagg's |", "|---|---|---|")


def ask(call: Call, clients: Mapping[str, Any]) -> Answers:
    """Make a call to both."""
    said = {recorder: _said(call.make(client), settled=call.settled) for recorder, client in clients.items()}
    return Answers(call=call, answers=said)


def _said(reply: Any, *, settled: bool) -> str:
    # Whether the end of `record` was quicker than the second call is chance.
    message = reply.msg.replace("already done", "already stopping")
    said = f"{ocs.ResponseCode(reply.status).name}: {message}"
    session = reply.session or {}
    if not session:
        return f"{said}; no session"
    if not settled:
        return f"{said}; session of {session['op_name']}"
    told = ", ".join(f"{key} {session[key]}" for key in ("op_name", "status", "success", "degraded"))
    texts = [text for _, text in session["messages"] if not text.startswith("Status is now")]
    last = f', message "{texts[-1]}"' if session["status"] == "done" else ""
    return f"{said}; {told}{last}; {_data(session['data'])}"


def _data(data: Mapping[str, Any]) -> str:
    return f"data: {', '.join(key for key in ('current_file', 'providers') if key in data)}"
