"""The door that supervisord opens, without the house: its real RPC handler over process groups that run nothing.

Everything between the bytes of a request body and those of the answer is Supervisor's and ours; only what would
touch a process (fork, kill, wait) is not there. So thousands of requests a second can be tried.
"""

from __future__ import annotations

import warnings
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_supervisord import publication

from supervisor_healer import protocol, words

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # supervisor 4.2.5 imports pkg_resources, which warns of itself
    from supervisor import events
    from supervisor.options import ServerOptions
    from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
    from supervisor.states import ProcessStates
    from supervisor.supervisord import Supervisor
    from supervisor.xmlrpc import Faults, SystemNamespaceRPCInterface, supervisor_xmlrpc_handler

from supervisor_healer.supervisord import make_healer_rpcinterface, make_main_rpcinterface

CONF = """[supervisord]
logfile=%(here)s/supervisord.log
childlogdir=%(here)s
[program:wa]
command=/nonexistent/wa
stdout_logfile=NONE
stderr_logfile=NONE
[program:wb]
command=/nonexistent/wb
stdout_logfile=NONE
stderr_logfile=NONE
autostart=false
[program:many]
command=/nonexistent/many
process_name=%(process_num)d
numprocs=2
[eventlistener:healer]
command=/nonexistent/healer
events=REMOTE_COMMUNICATION
"""

PIDS = {"healer": 4242, "wa": 4243}
LONGEST_FAULT = 8192  # characters: the longest text that may be quoted, and words around it
CODES = {code for name, code in vars(Faults).items() if not name.startswith("_")}


@dataclass(frozen=True)
class Answer:
    """What came back: an HTTP status, and the value or the fault if it is 200. `deferred`: it would come later."""

    status: int
    value: object = None
    fault: xmlrpc.client.Fault | None = None
    deferred: bool = False


class _Log:
    """supervisord's logger, of which only what it should never have to say is kept."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def critical(self, text: str, **_: object) -> None:
        self.complaints.append(text)

    warn = critical

    def error(self, text: str, **_: object) -> None:
        """A malformed request is no surprise."""

    info = debug = trace = blather = error


class _Request(dict[str, object]):
    """A request of medusa, as far as the handler knows it."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer | None = None
        self.channel = self

    def error(self, status: int) -> None:
        self.answer = Answer(status)

    def push(self, body: bytes) -> None:
        try:
            (value,), _ = xmlrpc.client.loads(body)
            self.answer = Answer(200, value)
        except xmlrpc.client.Fault as fault:
            self.answer = Answer(200, fault=fault)

    def push_with_producer(self, _: object) -> None:
        self.answer = Answer(200, deferred=True)

    def done(self) -> None:
        """The answer is complete."""


class Door:
    """One supervisord object and the handler of its /RPC2. `plain` has Supervisor's own namespace in place of ours."""

    def __init__(self, folder: Path, *, plain: bool = False) -> None:
        self._conf = folder / "supervisord.conf"
        self._conf.write_text(CONF)
        self._plain = plain
        self.log = _Log()

    def __enter__(self) -> Door:
        events.clear()
        options = ServerOptions()
        options.realize(["-c", str(self._conf)], doc="")
        options.logger = self.log
        options.kill = lambda *_: None
        self.supervisord = Supervisor(options)
        self.supervisord.reap = lambda: None
        for config in options.process_group_configs:
            self.supervisord.add_process_group(config)
        main = (SupervisorNamespaceRPCInterface if self._plain else make_main_rpcinterface)(self.supervisord)
        namespaces = [("supervisor", main), ("healer", make_healer_rpcinterface(self.supervisord))]
        namespaces.append(("system", SystemNamespaceRPCInterface(namespaces)))
        self.namespaces = dict(namespaces)
        self._handler = supervisor_xmlrpc_handler(self.supervisord, namespaces)
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        events.clear()

    def settle(self) -> None:
        """Leave nothing of the input before: healer and wa RUNNING, wa and wb published, no request open."""
        for name, pid in PIDS.items():
            process = self.supervisord.process_groups[name].processes[name]
            process.pid, process.state, process.killing, process.laststart = pid, ProcessStates.RUNNING, False, 1.7e9
            self.supervisord.options.pidhistory[pid] = process
        done = {"state": "done", "exit_status": 0, "steps": [], "reason": ""}
        taken = protocol.decode(self.call("takeRequests").value)
        self.publish(requests=[{"id": one["id"], **done} for one in taken])

    def publish(self, **changes: Any) -> Answer:
        """Publish as the healer; by default a full publication of workers wa and wb."""
        return self.call("publish", protocol.encode(publication(**{"pid": PIDS["healer"], **changes})))

    def call(self, method: str, *params: Any) -> Answer:
        """A call of the healer's namespace."""
        return self.post(xmlrpc.client.dumps(params, f"healer.{method}", allow_none=True))

    def post(self, body: str) -> Answer:
        """What is answered to this body."""
        request = _Request()
        self._handler.continue_request(body, request)
        assert request.answer is not None
        return request.answer

    def assert_sound(self, answer: Answer) -> None:
        """It is a value, a fault that says what is wrong, or a 400; and supervisord has nothing to complain of."""
        assert not self.log.complaints, self.log.complaints
        assert answer.status in (200, 400)
        assert_clean(answer.value)
        if answer.fault is not None:
            assert_sound_fault(answer.fault)

    def assert_usable(self) -> None:
        """Whatever is held in memory can be read, by every method that reads, in bytes that XML can carry."""
        everything = [self.call(f"getAll{kind}Health").value for kind in ("Worker", "Consumer", "File")]
        names = [one["name" if "name" in one else "path"] for some in everything for one in some]  # type: ignore[attr-defined]
        reads: list[tuple[Any, ...]] = [("getReport",), ("getListenerState",), ("getHistory", "", 0), ("takeRequests",)]
        reads += [(method, name) for name in ("wa", *names[:3]) for method in ("explain", "getWorkerHealth")]
        reads += [(method, name) for name in names[:3] for method in ("getConsumerHealth", "getFileHealth")]
        reads += [("getHistory", name, 3) for name in names[:3]]
        for method, *params in reads:
            self.assert_sound(self.call(method, *params))
        for name in ("wa", "wb", "many:0"):
            self.assert_sound(self.post(xmlrpc.client.dumps((name,), "supervisor.getProcessInfo")))


def assert_clean(value: object) -> None:
    """No text in this answer writes into anything but a text."""
    if isinstance(value, dict):
        assert_clean([*value, *value.values()])
    elif isinstance(value, list):
        for one in value:
            assert_clean(one)
    elif isinstance(value, str):
        assert value == words.clean(value)


def assert_sound_fault(fault: xmlrpc.client.Fault) -> None:
    """A fault that Supervisor knows, in one clean line that says more than its name where we have made it."""
    assert fault.faultCode in CODES, fault
    assert "bug in supervisor_healer" not in fault.faultString
    assert fault.faultString == words.clean(fault.faultString)
    assert len(fault.faultString) < LONGEST_FAULT
    if fault.faultCode in (Faults.INCORRECT_PARAMETERS, Faults.FAILED, Faults.NOT_RUNNING, Faults.BAD_NAME):
        assert ": " in fault.faultString, fault
