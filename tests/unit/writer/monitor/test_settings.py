"""The monitor listens to this machine only, unless it was told that others may come."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import RemoteHostError, SettingsError
from writer.monitor.settings import MonitorSettings

HERE = Path("/nowhere")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_this_machine_needs_no_permission(host: str) -> None:
    settings = MonitorSettings(directory=HERE, host=host)
    assert settings.accepted_names is not None
    assert host in settings.accepted_names


NOT_HERE = ["0.0.0.0", "::", "192.0.2.7", "example.org", "", "127.0.0.1.example.org"]  # noqa: S104 - is refused


@pytest.mark.parametrize("host", NOT_HERE)
def test_any_other_host_needs_permission(host: str) -> None:
    with pytest.raises(RemoteHostError, match="--allow-remote"):
        MonitorSettings(directory=HERE, host=host)
    assert MonitorSettings(directory=HERE, host=host, allow_remote=True).accepted_names is None


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(SettingsError, match="--port"):
        MonitorSettings(directory=HERE, port=port)
