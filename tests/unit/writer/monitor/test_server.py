"""What the monitor answers, to whom, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aggregator.counters import COUNTERS
from tests.support.recording import T0, block, feed
from tests.support.stand_in import SECOND, StandIn
from writer.monitor.monitor import Monitor
from writer.monitor.serving import serve
from writer.monitor.settings import MonitorSettings
from writer.monitor.watcher import Watcher

Ask = Callable[..., Awaitable[tuple[int, str, Any]]]
Story = Callable[[str, Ask], Awaitable[None]]


def tell(recorder: StandIn, story: Story, **settings: Any) -> None:
    """Serve a recorder for as long as a story takes."""

    async def run() -> None:
        stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
        monitor = Monitor(Watcher(recorder.buffer), lambda: recorder.now_ns)
        told = MonitorSettings(directory=recorder.buffer, port=0, **settings)
        serving = asyncio.ensure_future(serve(monitor, told, stop, listening.set_result))
        await asyncio.wait((serving, listening), return_when=asyncio.FIRST_COMPLETED)
        url = await listening

        async def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, str, Any]:
            async with session.request(method, url + path, headers=headers) as response:
                return response.status, await response.text(), response.headers

        async with aiohttp.ClientSession() as session:
            await story(url, ask)
        stop.set()
        await serving

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.fixture
def recorder(tmp_path: Path) -> Any:
    with StandIn(tmp_path, now_ns=T0) as made:
        yield made


def record(recorder: StandIn, seconds: int = 20) -> None:
    recorder.start()
    for _ in range(seconds):
        recorder.recording.advance(1)
        now_s = recorder.recording.now_s
        recorder.message(block("temps", [now_s, now_s + 0.5], kelvin=[4.0, 4.5], state=["on", "off"]), feed())
    recorder.step(recorder.now_ns)


def test_health_is_200_only_while_recording_and_says_why_not(recorder: StandIn) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, text, _ = await ask("healthz")
        assert (status, text) == (503, "idle\nit was not told to record\n")
        record(recorder)
        status, text, _ = await ask("healthz")
        assert (status, text) == (200, "recording\n")
        recorder.kill_writer()
        status, text, _ = await ask("healthz")
        assert status == 503
        assert text.startswith("degraded\nthe writer is not running")

    tell(recorder, story)


def test_status_is_what_the_command_says(recorder: StandIn) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, text, headers = await ask("status.json")
        assert status == 200
        assert headers["Content-Type"].startswith("application/json")
        assert set(json.loads(text)) == {"state", "reasons", "now_ns", "buffer_dir", "ingest", "writer"}

    tell(recorder, story)


def test_metrics_have_every_declared_counter(recorder: StandIn) -> None:
    record(recorder)

    async def story(_url: str, ask: Ask) -> None:
        status, text, _ = await ask("metrics")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert status == 200
        assert {f"hkagg_{name}" for name in COUNTERS} <= set(families)
        assert families["hkagg_received"].samples[0].value == 20
        states = {sample.labels["state"]: sample.value for sample in families["hkagg_state"].samples}
        assert states == {"recording": 1, "degraded": 0, "stopped": 0, "idle": 0}

    tell(recorder, story)


def test_every_answer_forbids_all_that_the_page_does_not_need(recorder: StandIn) -> None:
    async def story(_url: str, ask: Ask) -> None:
        for path in ("", "main.js", "metrics", "status.json", "healthz", "plot.json", "no-such-thing"):
            _, _, headers = await ask(path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"

    tell(recorder, story)


def test_the_page_asks_nobody_else(recorder: StandIn) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, page, _ = await ask("")
        assert status == 200
        assert "//" not in page.replace("<!DOCTYPE html>", "")
        assert "style=" not in page
        assert "onclick" not in page

    tell(recorder, story)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]:80"])
def test_a_name_that_is_not_this_machines_is_not_answered(recorder: StandIn, host: str) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, _, _ = await ask("status.json", Host=host)
        assert status == 421

    tell(recorder, story)


def test_with_remote_access_any_name_is_answered(recorder: StandIn) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, _, _ = await ask("status.json", Host="recorder.example")
        assert status == 200

    tell(recorder, story, allow_remote=True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_sent_to_it(recorder: StandIn, method: str) -> None:
    async def story(_url: str, ask: Ask) -> None:
        for path in ("", "status.json", "plot.json"):
            status, _, _ = await ask(path, method)
            assert status == 405

    tell(recorder, story)


@pytest.mark.parametrize(
    "path",
    [
        "plot.json",
        "plot.json?feed=../../etc/passwd&block=0&field=0",
        "plot.json?feed=-1&block=0&field=0",
        "plot.json?feed=0&block=0&field=1e3",
        "plot.json?feed=0&block=0&field=0&from=nan&to=5",
        "plot.json?feed=0&block=0&field=0&from=9&to=5",
        "plot.json?feed=0&block=0&field=0&from=0&to=1e300",
        "plot.json?feed=99999999999999999999&block=0&field=0",
        "events/fields?feeds=1,x",
        "events/fields?feeds=" + ",".join(map(str, range(51))),
        "status.json?" + "a" * 9000,
    ],
)
def test_what_makes_no_sense_is_refused(recorder: StandIn, path: str) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, _, _ = await ask(path)
        assert status in (400, 404, 414)

    tell(recorder, story)


@pytest.mark.parametrize(
    "path", ["../setup.cfg", "%2e%2e/%2e%2e/setup.cfg", "vendor/", "static/index.html", "/etc/passwd"]
)
def test_only_the_pages_own_files_are_served(recorder: StandIn, path: str) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, _, _ = await ask(path)
        assert status == 404

    tell(recorder, story)


def test_a_field_that_is_not_there_is_not_found(recorder: StandIn) -> None:
    async def story(_url: str, ask: Ask) -> None:
        status, text, _ = await ask("plot.json?feed=7&block=0&field=0")
        assert (status, text) == (404, "there is no such field\n")

    tell(recorder, story)


async def events_of(url: str, path: str, wanted: Callable[[str, Any], bool]) -> Any:
    """Listen to a stream until an event is as wanted."""
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        name = ""
        # Lines of a whole page may be long, so they are taken apart here.
        rest = b""
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    name = line[7:].decode()
                elif line.startswith(b"data: ") and wanted(name, told := json.loads(line[6:])):
                    return told
    raise AssertionError("the stream ended")


def test_the_stream_begins_with_everything_and_goes_on_with_what_changes(recorder: StandIn) -> None:
    record(recorder)

    async def story(url: str, _ask: Ask) -> None:
        whole = await events_of(url, "events", lambda name, told: name == "whole" and bool(told["described"]))
        assert whole["state"] == "recording"
        assert whole["described"] == [
            {
                "number": 0,
                "address": "observatory.lab.feeds.temperatures",
                "blocks": [{"name": "temps", "fields": ["kelvin", "state"]}],
            }
        ]
        look = await events_of(url, "events", lambda name, _told: name == "look")
        assert "described" not in look

    tell(recorder, story)


def test_an_open_feed_is_told_its_last_values(recorder: StandIn) -> None:
    record(recorder)

    async def story(url: str, _ask: Ask) -> None:
        (told,) = await events_of(url, "events/fields?feeds=0", lambda _name, told: bool(told))
        assert told["last"] == [4.5, "off"]
        assert told["samples"][-1] == [4.5, None]
        assert told["whole"]

    tell(recorder, story)


def test_too_many_pages_at_once_are_refused(recorder: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("writer.monitor.subscriptions.MOST_STREAMS", 1)

    async def story(url: str, ask: Ask) -> None:
        async with aiohttp.ClientSession() as session, session.get(url + "events") as response:
            assert response.status == 200
            status, _, _ = await ask("events")
            assert status == 503

    tell(recorder, story)


def test_a_plot_is_read_from_the_archive(recorder: StandIn) -> None:
    record(recorder)
    # Past the feed's frame length, so that the rows are in a file.
    recorder.step(recorder.now_ns + 400 * SECOND)
    now_s = recorder.recording.now_s

    async def story(url: str, ask: Ask) -> None:
        await events_of(url, "events", lambda _name, told: any(file["rows"] for file in told.get("files", ())))
        path = f"plot.json?feed=0&block=0&field=0&from={now_s - 3000}&to={now_s}"
        status, text, _ = await ask(path)
        told = json.loads(text)
        assert status == 200
        assert told["rows"] == 40
        assert not told["decimated"]
        assert [value for value in told["values"] if value is not None] == [4.0, 4.5] * 20
        status, text, _ = await ask(path.replace("field=0", "field=1"))
        told = json.loads(text)
        assert told["times"] == []
        assert [change for _, change in told["changes"]] == ["on", "off"] * 20

    tell(recorder, story)


def test_a_monitor_without_a_recorder_says_so(tmp_path: Path) -> None:
    seen, _ = Monitor(Watcher(tmp_path), lambda: T0).observation()
    assert not seen.ingest.alive
