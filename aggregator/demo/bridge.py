"""Calls an OCS agent through the router's HTTP bridge, as OCS's clients do (OCS: client_http)."""

from __future__ import annotations

import http.client
import json
from typing import Any

from aggregator.demo.router import RouterSettings
from aggregator.errors import DemoError

_TIMEOUT_S = 10


def call_operation(router: RouterSettings, instance_id: str, action: str, operation: str) -> Any:
    """Start, stop or query an operation of an agent.

    Parameters
    ----------
    router : RouterSettings
        The network.
    instance_id : str
        The agent.
    action : str
        start, stop, wait or status.
    operation : str
        The task or process.

    Returns
    -------
    Any
        OCS's answer: a list of status, message and session.

    Raises
    ------
    DemoError
        When the agent does not answer.
    """
    call = {"procedure": f"{router.address_root}.{instance_id}.ops", "args": [action, operation, {}], "kwargs": {}}
    connection = http.client.HTTPConnection(router.host, router.port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", "/call", body=json.dumps(call))
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DemoError(f"agent {instance_id} cannot be called through the router: {error}") from error
    finally:
        connection.close()
    if "error" in answer:
        raise DemoError(f"agent {instance_id} refuses to {action} {operation}: {answer['error']}")
    return answer["args"][0]
