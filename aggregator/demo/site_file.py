"""Writes the site file from which OCS's agents and clients learn where their router is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.demo.router import RouterSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One agent of a site.

    Attributes
    ----------
    agent_class : str
        OCS's agent-class.
    instance_id : str
        Second token of the agent's addresses.
    arguments : tuple[str, ...]
        What the agent gets on top of its own command line.
    """

    agent_class: str
    instance_id: str
    arguments: tuple[str, ...] = ()

    def as_yaml(self) -> str:
        """Give the instance as one line of flow-style YAML."""
        entry = {
            "agent-class": self.agent_class,
            "instance-id": self.instance_id,
            "arguments": list(self.arguments),
        }
        return json.dumps(entry)


def write_site_file(directory: Path, router: RouterSettings, instances: Sequence[Instance]) -> Path:
    """Write ``default.yaml`` so that the directory can serve as OCS_CONFIG_DIR.

    Parameters
    ----------
    directory : Path
        Where to; made when it is missing.
    router : RouterSettings
        The network's hub.
    instances : Sequence[Instance]
        The agents, all of them on this host.

    Returns
    -------
    Path
        The file.
    """
    lines = [
        "hub:",
        f"  wamp_server: {router.websocket_url}",
        f"  wamp_http: {router.http_url}",
        f"  wamp_realm: {router.realm}",
        f"  address_root: {router.address_root}",
        "hosts:",
        "  localhost:",
        "    agent-instances:" if instances else "    agent-instances: []",
        *(f"      - {instance.as_yaml()}" for instance in instances),
    ]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "default.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path
