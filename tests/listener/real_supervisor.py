"""A real supervisord in a temporary folder, whose event listener records every event it gets.

The listener reads with the product's own `EventChannel`; tests call with the product's own client, and
with Supervisor's own transport where they play the operator.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import warnings
import xmlrpc.client
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import waiting
from fakes.client import AskingClient

from supervisor_healer.errors import UnreachableError
from supervisor_healer.listener.events import Event

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # supervisor 4.2.5 imports pkg_resources, which warns of itself
    import supervisor.xmlrpc

LISTENER = """
import json, os, select, sys
from supervisor_healer.listener.events import EventChannel, claim_streams
channel = EventChannel(*claim_streams())
channel.start()
print("a stray print of the listener")
os.system("echo a stray print of its child")
log = open(sys.argv[1], "a", buffering=1)
while not channel.closed:
    select.select([channel], [], [])
    for event in channel.receive():
        log.write(json.dumps([event.name, event.serial, event.pool_serial, dict(event.headers), event.body]) + "\\n")
"""

WORKER = """
import os, signal, sys, time
name, exit_now, stop_delay = sys.argv[1], sys.argv[2], float(sys.argv[3])
if exit_now != "-":
    os._exit(int(exit_now))
signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
signal.signal(signal.SIGUSR2, lambda *_: os._exit(3))
signal.signal(signal.SIGHUP, lambda *_: os._exit(1))
def stop(*_):
    time.sleep(stop_delay)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
with open(name + ".tmp", "w") as f:
    f.write(str(os.getpid()))
os.replace(name + ".tmp", name + ".ready")
while True:
    signal.pause()
"""

CONF = """[supervisord]
nodaemon=true
identifier={identifier}
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
{servers}
{rpc}
[eventlistener:healer]
command={python} %(here)s/listener.py %(here)s/events.log
events={events}
buffer_size={buffer_size}
startsecs=0
stderr_logfile=%(here)s/listener.err
{programs}
"""

RPC = """[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_main_rpcinterface
[rpcinterface:healer]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_healer_rpcinterface
"""
PLAIN_RPC = """[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


class RealSupervisor:
    """One supervisord and its folder; a context manager."""

    def __init__(
        self,
        programs: str = "",
        *,
        rpc: str = RPC,
        identifier: str = "test",
        events: str = "PROCESS_STATE,TICK_5,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE",
        buffer_size: int = 1024,
        password: str = "",
        inet: int = 0,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hl-"))
        self.password = password
        auth = f"username=u\npassword={password}\n" if password else ""
        servers = f"[unix_http_server]\nfile=%(here)s/s.sock\n{auth}"
        if inet:
            servers += f"[inet_http_server]\nport=127.0.0.1:{inet}\n{auth}"
        for name, text in {"listener.py": LISTENER, "worker.py": WORKER, **(files or {})}.items():
            (self.folder / name).write_text(text)
        conf = CONF.format(
            identifier=identifier, servers=servers, rpc=rpc, python=sys.executable, events=events,
            buffer_size=buffer_size, programs=programs.replace("{python}", sys.executable),
        )  # fmt: skip
        (self.folder / "supervisord.conf").write_text(conf)
        self.environ = {"SUPERVISOR_SERVER_URL": f"unix://{self.folder}/s.sock"}
        if password:
            self.environ |= {"SUPERVISOR_USERNAME": "u", "SUPERVISOR_PASSWORD": password}
        self.client = AskingClient(self.environ, timeout=20)
        self._transport = supervisor.xmlrpc.SupervisorTransport(
            "u" if password else None, password or None, self.environ["SUPERVISOR_SERVER_URL"]
        )
        self.rpc: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transport)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RealSupervisor:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.folder / "supervisord.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        until(lambda: self.client.state() == "RUNNING", "supervisord answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._transport.close()
        if self.process is not None:
            self.process.kill()  # a shutdown in order takes supervisord several rounds of its loop
            self.process.wait(10)
        for pid in map(int, re.findall(r"spawned: '[^']+' with pid (\d+)", self.log)):
            with contextlib.suppress(OSError):
                if str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    @property
    def log(self) -> str:
        try:
            return (self.folder / "supervisord.log").read_text()
        except OSError:
            return ""

    def events(self) -> list[Event]:
        """The events that the listener got so far."""
        try:
            text = (self.folder / "events.log").read_text()
        except OSError:
            return []
        return [Event(*json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def last_body(self) -> str:
        """The payload of the newest event, '' before the first."""
        events = self.events()
        return events[-1].body if events else ""

    def ready_pid(self, address: str) -> int:
        """The pid of a worker once it handles its signals; 0 before."""
        pid = int(self.rpc.supervisor.getProcessInfo(address)["pid"])
        try:
            ready = int((self.folder / f"{address.rpartition(':')[2]}.ready").read_text())
        except OSError:
            return 0
        return pid if ready == pid else 0


def program(
    name: str, *, exits: int | None = None, stop_delay: float = 0.0, autostart: bool = False, **options: object
) -> str:
    """A section of supervisord.conf for worker.py: one that exits at once with a code, or runs until a signal."""
    lines = [
        f"[program:{name}]",
        f"command={{python}} %(here)s/worker.py {name} {'-' if exits is None else exits} {stop_delay}",
        "directory=%(here)s",
        f"autostart={str(autostart).lower()}",
        *(f"{key}={value}" for key, value in options.items()),
    ]
    return "\n".join(lines) + "\n"


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a condition; a supervisord that does not answer may do so later."""
    waiting.until(condition, what, seconds, (OSError, xmlrpc.client.Error, UnreachableError))
