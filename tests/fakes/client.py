"""The product's own client, which also asks what Supervisor itself says: how tests see a process from outside."""

from __future__ import annotations

from typing import NamedTuple

from supervisor_healer.listener.rpc import RefusedError
from supervisor_healer.listener.supervisor_client import SupervisorClient

_BAD_NAME = 10  # supervisor.xmlrpc.Faults


class Sighting(NamedTuple):
    """One process as Supervisor's own namespace describes it. `start` has whole seconds (0.0: never started)."""

    statename: str
    pid: int
    start: float
    spawnerr: str


class AskingClient(SupervisorClient):
    """Its calls raise what the product's do."""

    def state(self) -> str:
        """supervisord's own state, ``RUNNING`` or ``FATAL``; while it shuts down, ShuttingDownError is raised."""
        return str(self._channel.call("supervisor.getState")["statename"])

    def process(self, address: str) -> Sighting | None:
        """How ``group:name`` stands now, None if there is no such process.

        Like any call it also wakes supervisord's loop, which on an idle host would notice a process' end only up to
        a second later.
        """
        try:
            answer = self._channel.call("supervisor.getProcessInfo", address)
        except RefusedError as error:
            if error.code == _BAD_NAME:
                return None
            raise
        return Sighting(answer["statename"], answer["pid"], float(answer["start"]), answer["spawnerr"])
