from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from aggregator.demo.patience import Patience
from aggregator.demo.router import RouterSettings, router_configuration
from aggregator.demo.screen import Scene, Screen, sparkline
from aggregator.demo.site_file import Instance, write_site_file
from aggregator.errors import DemoError
from aggregator.health import Health, State
from aggregator.observation import Observation, Process
from aggregator.status_view import Look

SECOND_NS = 1_000_000_000


class Clock:
    """Goes on by itself, a second a look."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


@pytest.fixture
def signals() -> Iterator[None]:
    """Put the handlers of signals back as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def scene(second: int, received: int) -> Scene:
    ingest = {"now_ns": second * SECOND_NS, "counters": {"received": received}, "feeds": 3}
    seen = Observation(ingest=Process(alive=True, snapshot=ingest), writer=Process(alive=True, snapshot={}))
    look = Look(seen=seen, health=Health(state=State.RECORDING), now_ns=second * SECOND_NS)
    return Scene(elapsed_s=second, length_s=60, look=look, programs=[("router", True), ("ingest", False)])


def test_waiting_ends_when_the_condition_holds() -> None:
    answers = iter([False, False, True])
    Patience(Clock()).until(lambda: next(answers), 100, "the third answer")


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(DemoError, match="waited 3 s in vain for a miracle"):
        Patience(Clock()).until(lambda: False, 3, "a miracle")


@pytest.mark.usefixtures("signals")
def test_a_request_for_an_end_breaks_waiting_off_and_a_patient_wait_needs_two() -> None:
    patience = Patience(Clock())
    patience.hear_signals()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        patience.until(lambda: False, 100, "nothing")
    with pytest.raises(DemoError):
        patience.until(lambda: False, 1, "nothing", requests=2)
    assert list(patience.ticks(100, 0.01)) == []
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        patience.until(lambda: False, 100, "nothing", requests=2)


def test_ticks_end_with_the_time() -> None:
    assert list(Patience(Clock()).ticks(3.5, 0.001)) == [1, 2, 3]


def test_a_site_file_is_yaml_that_names_hub_and_agents(tmp_path: Path) -> None:
    router = RouterSettings(port=4321)
    agents = [Instance(agent_class="FakeDataAgent", instance_id="fake", arguments=("--mode", "acq"))]
    site = yaml.safe_load(write_site_file(tmp_path / "site", router, agents).read_text())
    assert site["hub"] == {
        "wamp_server": "ws://127.0.0.1:4321/ws",
        "wamp_http": "http://127.0.0.1:4321/call",
        "wamp_realm": "test_realm",
        "address_root": "observatory",
    }
    listed = {"agent-class": "FakeDataAgent", "instance-id": "fake", "arguments": ["--mode", "acq"]}
    assert site["hosts"] == {"localhost": {"agent-instances": [listed]}}
    assert yaml.safe_load(write_site_file(tmp_path, router, []).read_text())["hosts"]["localhost"]


def test_the_router_listens_on_loopback_and_serves_only_its_own_address_root() -> None:
    configuration: Any = router_configuration(RouterSettings(port=4321, address_root="lab"))
    (worker,) = configuration["workers"]
    (transport,) = worker["transports"]
    assert transport["endpoint"] == {"type": "tcp", "port": 4321, "interface": "127.0.0.1"}
    assert {each["uri"] for role in worker["realms"][0]["roles"] for each in role["permissions"]} == {"lab."}


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▃▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


def test_off_a_terminal_a_line_now_and_then_tells_how_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(Console(width=200)).stage() as stage:
        for second in range(12):
            stage.show(scene(second, received=20 * second))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("  10 s: recording, 3 feeds, 200 messages (20/s)")


def test_on_a_terminal_a_picture_shows_who_runs(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=120, force_terminal=True, color_system=None)
    with Screen(console).stage() as stage:
        stage.show(scene(3, received=60))
    picture = capsys.readouterr().out
    assert "● router" in picture
    assert "○ ingest" in picture
    assert "3 of 60 s" in picture
