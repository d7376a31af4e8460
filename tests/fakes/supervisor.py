"""A Supervisor in this process: simulated programs, its own clock, the interface of `AskingClient`, its events.

It moves only when it is told to: `advance` lets time pass, a call answers at once.

`tests/listener/test_supervisor_contract.py` runs the same scenarios against this and against a real supervisord
with the real plugin, which is what makes it worth trusting.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Iterable

from fakes.client import Sighting
from fakes.processes import UP, FakeProcess, FakeProcessTable, Program
from supervisor_healer.errors import UnreachableError
from supervisor_healer.listener.rpc import ShuttingDownError
from supervisor_healer.protocol import RING, OrderAnswer, ProcessRow, Publication, PublishAnswer, WireRequest

NOT_RUNNING, ALREADY_STARTED, BAD_NAME = "NOT_RUNNING", "ALREADY_STARTED", "BAD_NAME"


class FakeSupervisor(FakeProcessTable):
    """supervisord with our plugin in it, the client to it, and the operator.

    `calls` are the orders as they came, (verb, address), `signals` what processes were sent, (address, pid, signal). A
    text in `unreachable` makes every call fail with it.
    """

    def __init__(self, programs: Iterable[Program], wall: float = 1_720_000_000.0, mono: float = 1000.0) -> None:
        self.generation = 0
        self.publications: list[Publication] = []
        self.requests: dict[str, WireRequest] = {}
        self.answers: dict[str, tuple[int, str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.signals: list[tuple[str, int, str]] = []
        self.unreachable = ""
        self._noted: set[str] = set()
        self._ours: set[str] = set()
        super().__init__(programs, wall, mono)

    # --- the client's interface ------------------------------------------------------------------------------

    def publish(self, publication: Publication) -> PublishAnswer:
        self._called()
        self.publications.append(publication)
        for progress in publication["requests"]:
            if progress["state"] == "done" and progress["id"] in self.requests:
                del self.requests[progress["id"]]
                self.answers[progress["id"]] = (progress["exit_status"], progress["reason"])
        return {"requests": len(self.requests), "generation": self.generation, "budget_left": {}}

    def take_requests(self) -> list[WireRequest]:
        self._called()
        return list(self.requests.values())

    def process_table(self) -> list[ProcessRow]:
        self._called()
        return [self._row(process) for process in self.processes.values()]

    def stop_worker(self, address: str, pid: int) -> OrderAnswer:
        self._called()
        self.calls.append(("stop", address))
        process = self.processes.get(address)
        if process is None:
            return _answer("gone", f"supervisord has no process {address!r}")
        if self.stopping:
            return _answer("failed", "supervisord is shutting down", process)
        if process.state not in UP:
            if self._by_operator(process):
                return _answer("operator", "an operator has stopped it", process)
            return _answer("already", f"it is {process.state}", process)
        if pid <= 0:
            return _answer("failed", "no pid was given: which process to stop?", process)
        if process.pid != pid:
            return _answer("changed", f"pid {pid} was meant, it is pid {process.pid} now", process)
        self._ours.add(address)
        self._stop(process)
        self._reap()
        return _answer("accepted", "", process)

    def start_worker(self, address: str) -> OrderAnswer:
        self._called()
        self.calls.append(("start", address))
        process = self.processes.get(address)
        if process is None:
            return _answer("gone", f"supervisord has no process {address!r}")
        if self.stopping:
            return _answer("failed", "supervisord is shutting down", process)
        if process.state in UP:
            return _answer("already", f"it is {process.state}", process)
        if self._by_operator(process):
            return _answer("operator", "an operator has stopped it", process)
        if process.state == "STOPPING":
            return _answer("failed", "still stopping", process)
        self._spawn(process)
        self._transition(process)
        return _answer("accepted", "", process)

    def signal_worker(self, address: str, pid: int, signal: str) -> OrderAnswer:
        self._called()
        self.calls.append(("signal", address))
        process = self.processes.get(address)
        if process is None:
            return _answer("gone", f"supervisord has no process {address!r}")
        if self.stopping:
            return _answer("failed", "supervisord is shutting down", process)
        if self._by_operator(process):
            return _answer("operator", "an operator has stopped it", process)
        if process.state not in {"RUNNING", "STARTING"}:
            return _answer("failed", f"it is {process.state}", process)
        if process.pid != pid:
            return _answer("changed", f"pid {pid} was meant, it is pid {process.pid} now", process)
        if f"SIG{signal.upper().removeprefix('SIG')}" not in signals.Signals.__members__:
            return _answer("failed", f"value {signal!r} is not a valid signal name", process)
        self.signals.append((address, pid, signal))
        if signal in process.program.exits_on:
            process.dies_at, process.code = self.mono, process.program.exits_on[signal]
        return _answer("accepted", "", process)

    def state(self) -> str:
        self._called()
        if self.stopping:
            raise ShuttingDownError("supervisord is shutting down")
        return "RUNNING"

    def process(self, address: str) -> Sighting | None:
        self._called()
        process = self.processes.get(address)
        if process is None:
            return None
        return Sighting(process.state, process.pid, float(int(process.laststart)), "")

    def close(self) -> None:
        pass

    # --- an operator -----------------------------------------------------------------------------------------

    def operator_stop(self, address: str) -> str:
        """`supervisorctl stop`: the name of the fault, '' for none."""
        self._loop()
        process = self.processes.get(address)
        if process is None:
            return BAD_NAME
        if process.state in UP:
            self._stop(process)
            self._reap()
            return ""
        if address not in self._noted:
            self._noted.add(address)
            self.generation += 1
            self.ring()
        return NOT_RUNNING

    def operator_start(self, address: str) -> str:
        """`supervisorctl start`: the name of the fault, '' for none."""
        self._loop()
        process = self.processes.get(address)
        if process is None:
            return BAD_NAME
        if process.state in UP or process.state == "STOPPING":  # the real one trips over STOPPING
            return ALREADY_STARTED
        self._spawn(process)
        self._transition(process)
        return ""

    def ask(self, verb: str, name: str, *, dry_run: bool = False, force: bool = False, seconds: float = 0.0) -> str:
        """A request of an operator, as `supervisorctl heal NAME` makes it; answers its id."""
        request_id = f"{verb}-{len(self.requests) + len(self.answers) + 1}"
        self.requests[request_id] = {
            "id": request_id, "verb": verb, "name": name, "dry_run": dry_run, "force": force, "seconds": seconds,
        }  # fmt: skip
        self.ring()
        return request_id

    def ring(self) -> None:
        """The bell that says "fetch"."""
        self._emit("REMOTE_COMMUNICATION", f"type:{RING}\n")

    # --- the plugin ------------------------------------------------------------------------------------------

    def _called(self) -> None:
        if self.unreachable:
            raise UnreachableError(self.unreachable)
        self._loop()

    def _starting(self, address: str) -> None:
        self._ours.discard(address)
        if address in self._noted:
            self._noted.discard(address)
            self.generation += 1

    def _by_operator(self, process: FakeProcess) -> bool:
        address = process.program.address
        if process.state in UP:
            return False
        if address in self._noted:
            return True
        if not process.laststart:
            return not process.program.autostart
        return process.state in {"STOPPED", "STOPPING"} and address not in self._ours

    def _row(self, process: FakeProcess) -> ProcessRow:
        group, _, name = process.program.address.partition(":")
        return {
            "group": group,
            "name": name,
            "statename": process.state,
            "pid": process.pid,
            "start": process.laststart,
            "autorestart": process.program.autorestart,
            "exitcodes": list(process.program.exitcodes),
            "exitstatus": -1 if process.exitstatus is None else process.exitstatus,
            "by_operator": self._by_operator(process),
            "listener": False,
        }


def _answer(outcome: str, reason: str, process: FakeProcess | None = None) -> OrderAnswer:
    statename, pid = ("", 0) if process is None else (process.state, process.pid)
    return {"outcome": outcome, "reason": reason, "statename": statename, "pid": pid}
