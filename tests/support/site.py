"""OCS's own agents and clients beside a recorder, for system tests."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocs.client_http import ControlClientError
from ocs.ocs_client import OCSClient

from aggregator.demo.child import ChildProcess
from aggregator.demo.router import RouterSettings
from aggregator.demo.site_file import Instance, write_site_file
from tests.support.wait import wait_until

_AGENT_MODULES = {
    "FakeDataAgent": "ocs.agents.fake_data.agent",
    "RegistryAgent": "ocs.agents.registry.agent",
    "HostManager": "ocs.agents.host_manager.agent",
}


class Site:
    """An OCS site on this machine: a site file and the agents started from it.

    Parameters
    ----------
    directory : Path
        Becomes OCS_CONFIG_DIR; takes the agents' output as well.
    router : RouterSettings
        The network's hub.
    """

    def __init__(self, directory: Path, router: RouterSettings) -> None:
        self.directory = directory
        self.router = router
        self._instances: dict[str, Instance] = {}
        self._children: list[ChildProcess] = []
        self.site_file = write_site_file(directory, router, [])

    def add(self, agent_class: str, instance_id: str, *arguments: str) -> None:
        """List an agent in the site file; OCS starts none that is not in it."""
        instance = Instance(agent_class=agent_class, instance_id=instance_id, arguments=arguments)
        self._instances[instance_id] = instance
        write_site_file(self.directory, self.router, tuple(self._instances.values()))

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to find this site."""
        return {"OCS_CONFIG_DIR": str(self.directory)}

    @property
    def arguments(self) -> list[str]:
        """The site arguments that any OCS agent takes in place of the environment."""
        return ["--site-file", str(self.site_file), "--site-host", "localhost"]

    def start_module(self, module: str, *arguments: str, name: str = "") -> ChildProcess:
        """Start ``python -m module`` in this site; it is stopped with the site."""
        child = ChildProcess(
            [sys.executable, "-u", "-m", module, *arguments],
            log_path=self.directory / f"{name or module}.log",
            environment=self.environment,
            stop_signal=signal.SIGINT,
        )
        child.start()
        self._children.append(child)
        return child

    def start_agent(self, agent_class: str, instance_id: str, *arguments: str) -> ChildProcess:
        """List one of OCS's own agents in the site file and start it."""
        self.add(agent_class, instance_id, *arguments)
        module = _AGENT_MODULES[agent_class]
        return self.start_module(module, *self.arguments, "--instance-id", instance_id, name=instance_id)

    def client(self, instance_id: str, timeout_s: float = 30) -> Any:
        """Give an OCSClient of an agent as soon as the agent answers."""

        def connect() -> Any:
            try:
                return OCSClient(instance_id, args=self.arguments)
            except (ControlClientError, RuntimeError):
                return None

        return wait_until(connect, timeout_s, lambda: f"agent {instance_id} to answer; said:\n{self.said()}")

    def said(self) -> str:
        """Give the last lines of every program of the site, for the message of a failed test."""
        return "\n".join(f"[{child.log_path.stem}]\n{child.log_tail()}" for child in self._children)

    def stop(self) -> None:
        """Stop every program that still runs, all at once."""
        for child in self._children:
            child.request_stop()
        for child in self._children:
            child.stop()


@contextmanager
def running_site(directory: Path, router: RouterSettings) -> Iterator[Site]:
    """Write a site file and stop whatever was started in it at the end."""
    site = Site(directory, router)
    try:
        yield site
    finally:
        site.stop()
