"""Orders to supervisord about one process, given without waiting for what comes of them."""

from __future__ import annotations

from collections.abc import Callable

from supervisor_healer.core.news import OrderFailed
from supervisor_healer.core.orders import Signal, Start, Stop
from supervisor_healer.listener import probes
from supervisor_healer.listener.supervisor_client import SupervisorClient


class Dispatch:
    """Gives orders. `log` writes one line for a person: what supervisord has not accepted, and why."""

    def __init__(self, client: SupervisorClient, log: Callable[[str], None]) -> None:
        self._client = client
        self._log = log

    def give(self, order: Stop | Start | Signal, started: float) -> OrderFailed | None:
        """Give one order about a process that was `started` then (wall), and say if supervisord refuses it for good.

        Raises UnreachableError and ProtocolError, as the client does.
        """
        match order:
            case Stop():
                verb, answer = "stop", self._client.stop_worker(order.address, order.pid)
                if answer["outcome"] == "accepted" and order.pid:
                    self._wake_frozen(order, started)
            case Start():
                verb, answer = "start", self._client.start_worker(order.address)
            case Signal():
                verb = f"SIG{order.signal}"
                answer = self._client.signal_worker(order.address, order.pid, order.signal)
        if answer["outcome"] != "accepted":
            self._log(f"{order.worker}: {verb}: {answer['outcome']} {answer['reason']}".rstrip())
        if isinstance(order, Signal) or answer["outcome"] != "failed" or answer["statename"] == "STOPPING":
            return None
        return OrderFailed(order.worker, answer["reason"])

    def _wake_frozen(self, order: Stop, started: float) -> None:
        """A process stopped by SIGSTOP cannot see the stop request; awake, it goes at once, not after stopwaitsecs."""
        if probes.frozen(order.pid) and probes.resume(order.pid, started):
            self._log(f"{order.worker}: pid {order.pid} was frozen: sent SIGCONT after the stop request")
