"""A real supervisord in a temporary folder, with a listener that only acknowledges events.

What a healer would publish is published by the test itself, over XML-RPC, with the pid of that listener: so the
plugin meets a real process, real events and a real wire, and the test decides what the healer says.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import waiting

from supervisor_healer import protocol

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # supervisor 4.2.5 imports pkg_resources, which warns of itself
    import supervisor.xmlrpc

LISTENER = """
import os, sys
log = open(sys.argv[1], "a", buffering=1)
while True:
    sys.stdout.write("READY\\n"); sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    header = dict(pair.split(":", 1) for pair in line.split())
    payload = sys.stdin.read(int(header["len"]))
    log.write(header["eventname"] + " " + " ".join(payload.split()) + "\\n")
    sys.stdout.write("RESULT 2\\nOK"); sys.stdout.flush()
"""

WORKER = """
import signal, sys, time
if len(sys.argv) > 1 and sys.argv[1] == "slow":
    signal.signal(signal.SIGTERM, lambda *_: None)
if len(sys.argv) > 1 and sys.argv[1] == "exit":
    sys.exit(3)
signal.signal(signal.SIGUSR1, lambda *_: None)  # the mark of being ready
while True:
    signal.pause() if len(sys.argv) < 2 else time.sleep(0.05)
"""

IMPATIENT = """
from supervisor.supervisord import main
from supervisor_healer import protocol
for name, seconds in {waits}.items():
    assert hasattr(protocol, name)
    setattr(protocol, name, seconds)
main()
"""

CONF = """[supervisord]
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
nodaemon=true
[unix_http_server]
file=%(here)s/s.sock
{auth}
{inet}
[supervisorctl]
serverurl=unix://%(here)s/s.sock
{auth}
{rpc}
[ctlplugin:healer]
supervisor.ctl_factory=supervisor_healer.supervisorctl:make_healer_controllerplugin
[eventlistener:healer]
command={python} %(here)s/listener.py %(here)s/events.log
events=PROCESS_STATE,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE
buffer_size=1024
autostart={listener}
autorestart=false
startsecs=0
stopwaitsecs=2
"""

RPC = """[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_main_rpcinterface
[rpcinterface:healer]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_healer_rpcinterface
"""

PROGRAMS = """[program:wa]
command={python} %(here)s/worker.py
startsecs=0
autorestart=true
[program:wb]
command={python} %(here)s/worker.py
startsecs=0
autorestart=false
[program:never]
command={python} %(here)s/worker.py
autostart=false
startsecs=0
autorestart=unexpected
exitcodes=0,7
[program:slow]
command={python} %(here)s/worker.py slow
startsecs=0
stopwaitsecs=1
autorestart=false
[program:crash]
command={python} %(here)s/worker.py exit
startsecs=0
autorestart=false
autostart=false
[program:flapping]
command={python} %(here)s/worker.py exit
startsecs=5
startretries=20
autostart=false
[program:many]
command={python} %(here)s/worker.py
process_name=%(process_num)d
numprocs=2
startsecs=0
autostart=false
"""


class _Transport(supervisor.xmlrpc.SupervisorTransport):  # type: ignore[misc]
    """Supervisor's transport, which leaves no half-open connection behind when a call fails."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().request(*args, **kwargs)
        except OSError:
            self.close()
            raise


class Supervisord:
    """One supervisord and its folder; a context manager."""

    def __init__(
        self, *, listener: bool = True, inet: int = 0, password: str = "", rpc: str = RPC, **impatience: float
    ) -> None:
        """`impatience`: waits of the protocol, such as SILENT_AFTER, that this supervisord has shorter."""
        self.folder = Path(tempfile.mkdtemp(prefix="healer-"))
        self.password = password
        (self.folder / "listener.py").write_text(LISTENER)
        (self.folder / "worker.py").write_text(WORKER)
        auth = f"username=u\npassword={password}" if password else ""
        server = f"[inet_http_server]\nport=127.0.0.1:{inet}\n{auth}" if inet else ""
        conf = CONF.format(
            auth=auth, inet=server, rpc=rpc, python=sys.executable, listener="true" if listener else "false"
        )
        self.conf = self.folder / "supervisord.conf"
        self.conf.write_text(conf + PROGRAMS.replace("{python}", sys.executable))
        (self.folder / "impatient.py").write_text(IMPATIENT.format(waits=impatience))
        self._process: subprocess.Popen[bytes] | None = None
        self._transports: list[_Transport] = []
        self.rpc = self.server_at(self.url)

    def __enter__(self) -> Supervisord:
        self._process = subprocess.Popen(
            [sys.executable, str(self.folder / "impatient.py"), "-n", "-c", str(self.conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        until(lambda: self.rpc.supervisor.getState()["statename"] == "RUNNING", "supervisord answers")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        for transport in self._transports:
            transport.close()
        self._process.kill()  # a shutdown in order takes supervisord several rounds of its loop
        self._process.wait(5)
        for pid in map(int, re.findall(r"spawned: '[^']+' with pid (\d+)", self.log)):
            with contextlib.suppress(OSError):
                if str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    def settle(self) -> None:
        """Leave nothing of the test before: the healer and its workers RUNNING and healthy, no request open."""
        self.start("healer", "wa", "wb")
        self.publish()
        for request in self.take():
            self.progress(request["id"], "done")

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/s.sock"

    def server_at(self, url: str) -> Any:
        """A proxy for this supervisord, reached by another of its addresses."""
        who = ("u", self.password) if self.password else (None, None)
        self._transports.append(_Transport(*who, serverurl=url))
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transports[-1])

    @property
    def typed(self) -> str:
        """How supervisorctl has to be typed for this one."""
        return f"supervisorctl -c {self.conf}"

    def ctl(self, *args: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """`supervisorctl` with these arguments."""
        return subprocess.run(
            [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.conf), *args],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @property
    def log(self) -> str:
        return (self.folder / "supervisord.log").read_text()

    @property
    def events(self) -> list[str]:
        """The events that the listener got, one line each."""
        return (self.folder / "events.log").read_text().splitlines()

    def info(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.rpc.supervisor.getProcessInfo(name)
        return answer

    def description(self, name: str) -> str:
        return str(self.info(name)["description"])

    def pid(self, name: str) -> int:
        return int(self.info(name)["pid"])

    def until_state(self, name: str, statename: str) -> None:
        until(lambda: self.info(name)["statename"] == statename, f"{name} is {statename}")

    def start(self, *names: str) -> None:
        """Have these RUNNING, whatever they were."""
        for name in names:
            if self.info(name)["statename"] not in ("RUNNING", "STARTING"):
                self.rpc.supervisor.startProcess(name)
            self.until_state(name, "RUNNING")
            if name != "healer":
                pid = self.pid(name)
                until(lambda pid=pid: _ready(pid), f"{name} is ready")  # type: ignore[misc]

    def kill(self, name: str) -> None:
        """Kill the process without a word to supervisord, who may not have noticed when this returns."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        until(lambda: _gone(pid), f"{name} is dead")

    def publish(self, **changes: Any) -> dict[str, Any]:
        """Publish as the healer; by default a full publication of workers wa and wb."""
        news = publication(**{"pid": self.pid("healer"), **changes})
        answer: dict[str, Any] = protocol.decode(self.rpc.healer.publish(protocol.encode(news)))
        return answer

    def take(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = protocol.decode(self.rpc.healer.takeRequests())
        return answer

    def progress(self, request_id: str, state: str, *steps: str, status: int = 0, reason: str = "") -> None:
        """Publish how far a request is, and nothing else."""
        self.publish(
            full=False,
            workers=[],
            requests=[
                {
                    "id": request_id,
                    "state": state,
                    "exit_status": status,
                    "steps": [{"at": 1.0, "text": text} for text in steps],
                    "reason": reason,
                }
            ],
        )

    def table(self) -> dict[str, dict[str, Any]]:
        rows = protocol.decode(self.rpc.healer.getProcessTable())
        return {f"{row['group']}:{row['name']}": row for row in rows}

    def order(self, verb: str, address: str, pid: int = 0, **more: str) -> dict[str, Any]:
        call = getattr(self.rpc.healer, verb)
        answer: dict[str, Any] = protocol.decode(call(protocol.encode({"address": address, "pid": pid, **more})))
        return answer


def _gone(pid: int) -> bool:
    """Whether the process is dead, be it reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _ready(pid: int) -> bool:
    """Whether a worker runs its own program. (A signal before that is lost: supervisord's handler swallows it.)"""
    with contextlib.suppress(OSError):
        caught = re.search(r"SigCgt:\t(\w+)", Path(f"/proc/{pid}/status").read_text())
        return (
            caught is not None
            and "worker.py" in Path(f"/proc/{pid}/cmdline").read_text()
            and bool(int(caught[1], 16) & (1 << (signal.SIGUSR1 - 1)))
        )
    return False


def until(condition: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Wait for a condition; a supervisord that does not answer may do so later."""
    waiting.until(condition, what, seconds, (OSError, xmlrpc.client.Error))


@contextlib.contextmanager
def fault(code: int, *texts: str) -> Iterator[None]:
    """The block is answered by a fault with this code, whose text holds these texts."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        yield
    assert caught.value.faultCode == code, caught.value
    for text in texts:
        assert text in caught.value.faultString


def file(path: str, freshness: str = "fresh", age: float = 1.0, producer: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "path": path,
        "freshness": freshness,
        "aged_mono": time.monotonic() - age if age else 0.0,
        "max_age": 300.0,
        "grace": 150.0,
        "producer": producer,
        "note": "",
        "critical": False,
        "config": False,
        "ground": "",
        **changes,
    }


def worker(name: str, state: str = "healthy", reason: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": f"{name}:{name}",
        "state": state,
        "since": 1700000000.5,
        "reason": reason,
        "critical": False,
        "inputs": [],
        "outputs": [file(f"{name}.jsonl")],
        "blocked_by": [],
        "attempts": 0,
        "budget_left": 6,
        "next_attempt_mono": 0.0,
        "last_heal": {"at": 0.0, "outcome": "", "reason": ""},
        "explanation": [f"{name} is {state}"],
        "outlook": ["next: nothing"],
        **changes,
    }


def consumer(name: str, state: str = "healthy", reason: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "since": 1700000000.5,
        "reason": reason,
        "critical": False,
        "inputs": [],
        "blocked_by": [],
        "explanation": ["next: nothing"],
        **changes,
    }


def publication(pid: int, **changes: Any) -> dict[str, Any]:
    """A full publication of workers wa and wb; keys of the listener's news may be given, too."""
    listener = {
        "pid": pid,
        "started": 1700000000.0,
        "mode": "heal",
        "architecture": "architecture.yaml",
        "architecture_errors": [],
        "warnings": [],
        "loaded": True,
        "restarts_left": 5,
    }
    news = {
        "listener": listener,
        "full": True,
        "workers": [worker("wa"), worker("wb")],
        "gone": [],
        "consumers": [],
        "files": [],
        "files_gone": [],
        "ages": {},
        "history": [],
        "requests": [],
        "report": {},
    }
    for key, value in changes.items():
        (listener if key in listener else news)[key] = value
    return news
