"""A pipeline of small workers under a real supervisord with a real healer, in a folder of its own.

A worker appends a line to each of its outputs whenever all of its inputs have moved (without inputs: all the time).
Files named after it tell it to misbehave: see `Site.hang`, `Site.set` and `STAGE`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
import xmlrpc.client
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import waiting
import yaml

import supervisor_healer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # supervisor 4.2.5 imports pkg_resources, which warns of itself
    import supervisor.xmlrpc

USER = os.environ.get("HEALER_TEST_USER", "")  # as whom every healer runs that no test gives a user; '' as we
LOGS = ("*.out", "*.err", "*.log")
PATIENCE = 40.0  # seconds until a condition counts as never met; a busy machine is slow, not wrong

STAGE = """
import os, signal, sys, time

name = os.environ["SUPERVISOR_PROCESS_NAME"]
sinks, sources = (paths.replace("@", name).split() for paths in sys.argv[1:])
flag = lambda what: os.path.exists(f"{name}.{what}")

def stop(*_):
    while flag("slow"):  # a stop takes as long as the test likes
        time.sleep(0.02)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGHUP, lambda *_: open(f"{name}.noticed", "a").write(f"{os.getpid()}\\n"))
open(f"{name}.up.{os.getpid()}", "w").close()
if flag("fail"):
    sys.exit(1)
seen = None
while True:
    if flag("exit"):
        code = int(open(f"{name}.exit").read() or "0")
        os.unlink(f"{name}.exit")
        os._exit(code)
    try:
        moves = [os.stat(source).st_mtime_ns for source in sources]
    except FileNotFoundError:
        moves = seen
    if not flag("mute") and not flag(f"hang.{os.getpid()}") and (not sources or moves != seen):
        seen = moves
        for sink in sinks:
            with open(sink, "a") as file:
                file.write(f"{time.time()} {name} {os.getpid()}\\n")
    time.sleep(0.1)
"""

DAEMON = """
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
{servers}
[supervisorctl]
serverurl=unix://%(here)s/s.sock
{auth}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_main_rpcinterface
[rpcinterface:healer]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_healer_rpcinterface
[ctlplugin:healer]
supervisor.ctl_factory=supervisor_healer.supervisorctl:make_healer_controllerplugin
"""


@dataclass
class Worker:
    """A program of supervisord and its entry in the architecture.

    `writes` '' means ``NAME.jsonl``. `options` are lines of its [program] section, `entry` further keys of its
    architecture entry. One that is not `watched` stands for an outside source: supervisord runs it, but the
    architecture does not know it.
    """

    name: str
    reads: str = ""
    writes: str = ""
    watched: bool = True
    options: Mapping[str, object] = field(default_factory=dict)
    entry: Mapping[str, object] = field(default_factory=dict)

    @property
    def outputs(self) -> list[str]:
        return (self.writes or f"{self.name}.jsonl").split()

    def section(self) -> str:
        files = [paths.replace("%(process_name)s", "@") for paths in (" ".join(self.outputs), self.reads)]
        command = f"{sys.executable} -S -E %(here)s/stage.py '{files[0]}' '{files[1]}'"
        options = {"command": command, "directory": "%(here)s", "startsecs": 0, "stopwaitsecs": 60, **self.options}
        return section(f"program:{self.name}", options)

    def as_entry(self) -> dict[str, object]:
        return {"inputs": self.reads.split(), "outputs": self.outputs, **self.entry}


def section(title: str, options: Mapping[str, object]) -> str:
    """A section of supervisord.conf."""
    return f"[{title}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())


def chain(*names: str, source: str = "", **changes: Any) -> list[Worker]:
    """Workers of which each reads what the one before it writes; the first reads `source` ('': it needs nothing)."""
    workers = []
    for name in names:
        workers.append(Worker(name, source, **changes))
        source = f"{name}.jsonl"
    return workers


def listener_with(constant: str, value: float) -> dict[str, object]:
    """Options of a listener in which one of the product's waits, given by its full name, is another one."""
    module, _, name = constant.rpartition(".")
    python = sys.executable if not USER else as_user(USER)["python"]
    code = (
        f"import sys, {module} as it; it.{name}; it.{name} = {value};"
        " from supervisor_healer.listener.main import run; sys.exit(run(sys.argv[1]))"
    )
    return {"command": f"{python} -c '{code}' %(here)s/architecture.yaml"}


@lru_cache
def as_user(name: str) -> Mapping[str, str]:
    """A `python` that this user may use, and the `path` (PYTHONPATH) on which it finds us. Skips if there is none."""
    if os.getuid() != 0:
        pytest.skip("only root can start a listener as another user")
    path = ":".join(str(Path(str(module.__file__)).parents[1]) for module in (supervisor_healer, yaml))
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [python, "-c", "import supervisor_healer.cli, yaml, psutil, jsonschema"],
                user=name,
                group=pwd.getpwnam(name).pw_gid,
                extra_groups=[],
                env={"PYTHONPATH": path},
                cwd="/",
                check=True,
                capture_output=True,
            )
            return {"python": python, "path": path}
    pytest.skip(f"there is no Python here that {name} may use")


class Site:
    """A folder with a pipeline, its architecture, and a supervisord that runs it with a healer; a context manager.

    On failure the folder is kept and the ends of its logs are printed. On success no process may have left a traceback.
    """

    def __init__(
        self,
        workers: Iterable[Worker],
        *,
        architecture: Mapping[str, object] | None = None,
        defaults: Mapping[str, object] | None = None,
        healer: Mapping[str, object] | None = None,
        conf: str = "",
        inet: int = 0,
        password: str = "",
        socket: str = "",
        waits: Mapping[str, float] | None = None,
        launcher: Iterable[str] = (),
        user: str = USER,
    ) -> None:
        """`architecture` and `defaults` are further keys there, `healer` further options of the listener's section,
        `conf` further sections, `socket` further lines of the unix server's. `waits` are waits of the protocol, such as
        SILENT_AFTER, that this supervisord has shorter. `launcher`: a command that starts it in another way. `user`: as
        whom the healer runs; the folder and what `write` makes in it are his, and so is the group of the socket."""
        self.folder = Path(tempfile.mkdtemp(prefix="healer-it-"))
        self.workers = list(workers)
        self.architecture = dict(architecture or {})
        self.defaults = {"max_age": "1s", "grace": "1s", "startup_grace": "1s", **(defaults or {})}
        self.healer = dict(healer or {})
        self.password = password
        self._extra, self._inet, self._socket = conf, inet, socket
        self._launcher = list(launcher)
        self._owner = (-1, -1)
        if user:
            self._be_for(user)
        self.write("stage.py", STAGE)
        self.write("supervisord.py", DAEMON.format(waits=dict(waits or {})))
        self.write_architecture()
        self.write_conf()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._transports: list[supervisor.xmlrpc.SupervisorTransport] = []
        self.rpc = self.server_at(f"unix://{self.folder}/s.sock")

    def _be_for(self, user: str) -> None:
        account, known = pwd.getpwnam(user), as_user(user)
        self._owner = (account.pw_uid, account.pw_gid)
        self.folder.chmod(0o755)
        os.chown(self.folder, *self._owner)
        self._socket = self._socket or f"chmod=0770\nchown=root:{account.pw_gid}\n"
        command = f"{known['python']} -m supervisor_healer.cli listen %(here)s/architecture.yaml"
        own = self.healer.pop("environment", "")
        environment = f'PYTHONPATH="{known["path"]}"' + (f",{own}" if own else "")
        self.healer = {"user": user, "command": command, "environment": environment, **self.healer}

    # --- the files ---------------------------------------------------------------------------------------------

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder, atomically."""
        new = self.folder / f".{name}.new"
        new.write_text(text)
        os.chown(new, *self._owner)
        new.rename(self.folder / name)

    def read(self, name: str) -> str:
        """A file of the folder, '' if there is none."""
        try:
            return (self.folder / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def write_architecture(self) -> None:
        entries = {worker.name: worker.as_entry() for worker in self.workers if worker.watched}
        document = {"version": 1, "workers": entries, **self.architecture, "defaults": self.defaults}
        self.write("architecture.yaml", yaml.safe_dump(document, sort_keys=False))

    def add_conf(self, text: str) -> None:
        """Further sections of supervisord.conf."""
        self._extra += text
        self.write_conf()

    def write_conf(self) -> None:
        auth = f"username=u\npassword={self.password}\n" if self.password else ""
        servers = f"[unix_http_server]\nfile=%(here)s/s.sock\n{auth}{self._socket}"
        if self._inet:
            servers += f"[inet_http_server]\nport=127.0.0.1:{self._inet}\n{auth}"
        listener = {
            "command": f"{sys.executable} -m supervisor_healer.cli listen %(here)s/architecture.yaml",
            "events": "PROCESS_STATE,TICK_5,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE",
            "buffer_size": 1024,
            "stderr_logfile": "%(here)s/healer.err",
            **self.healer,
        }
        parts = [CONF.format(servers=servers, auth=auth), section("eventlistener:healer", listener)]
        self.write("supervisord.conf", "".join([*parts, *(worker.section() for worker in self.workers), self._extra]))

    # --- supervisord -------------------------------------------------------------------------------------------

    def __enter__(self) -> Site:
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for transport in self._transports:
            transport.close()
        self.kill()
        paths = sorted(path for pattern in LOGS for path in self.folder.glob(pattern))
        logs = {path.name: path.read_text(errors="replace") for path in paths}
        bad = [name for name, text in logs.items() if "Traceback" in text]
        if kind is None and not bad:
            shutil.rmtree(self.folder)
            return
        print(f"kept: {self.folder}")
        for name, text in logs.items():
            print(f"--- {name}", *text.splitlines()[-60:], sep="\n")
        if kind is None:
            raise AssertionError(f"tracebacks in {', '.join(bad)}")

    def start(self) -> None:
        """Start supervisord and wait until it answers."""
        conf = self.folder / "supervisord.conf"
        with open(self.folder / "supervisord.out", "a") as out:
            self._daemon = daemon = subprocess.Popen(
                [*self._launcher, sys.executable, self.folder / "supervisord.py", "-n", "-s", "-c", conf],
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )

        def answers() -> bool:
            assert daemon.poll() is None, "supervisord does not start"
            return bool(self.rpc.supervisor.getState()["statename"] == "RUNNING")

        until(answers, "supervisord answers")

    def kill(self) -> None:
        """Kill supervisord and all that it has started."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait_for_the_end(self) -> int:
        """Wait until supervisord has ended by itself; its exit status."""
        assert self._daemon is not None
        return self._daemon.wait(PATIENCE)

    def signal_supervisord(self, number: int) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(number)

    def update(self) -> None:
        """Write the configuration of the workers as they are now, and have supervisord take it: reread and update."""
        self.write_conf()
        done = self.ctl("update")
        assert done.returncode == 0, done.stdout

    def processes(self) -> list[int]:
        """The pids of all processes that run something in this folder."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and str(self.folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def server_at(self, url: str) -> Any:
        """A proxy for this supervisord at another of its addresses."""
        who = ("u", self.password) if self.password else (None, None)
        self._transports.append(_Transport(*who, serverurl=url))
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transports[-1])

    def ctl(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`supervisorctl` with these arguments."""
        return _run("supervisor.supervisorctl", "-c", str(self.folder / "supervisord.conf"), *args)

    def healer_command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`supervisor-healer` with these arguments."""
        return _run("supervisor_healer.cli", *args)

    # --- what is true ------------------------------------------------------------------------------------------

    def starts(self, *names: str) -> dict[str, int]:
        """How often supervisord started each of these programs (none: every worker), by its own log."""
        log = self.read("supervisord.log")
        wanted = names or tuple(worker.name for worker in self.workers)
        return {name: len(re.findall(rf"spawned: '{re.escape(name)}' with pid", log)) for name in wanted}

    def health(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.rpc.healer.getWorkerHealth(name)
        return answer

    def state(self, name: str) -> str:
        return str(self.health(name)["state"])

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.rpc.healer.getAllWorkerHealth()}

    def history(self, name: str = "") -> list[tuple[str, str]]:
        """(event, text) of what was done, oldest first."""
        return [(note["event"], note["text"]) for note in self.rpc.healer.getHistory(name, 0)]

    def events(self, name: str = "") -> list[str]:
        return [event for event, _ in self.history(name)]

    def info(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.rpc.supervisor.getProcessInfo(name)
        return answer

    def pid(self, name: str) -> int:
        return int(self.info(name)["pid"])

    def statename(self, name: str) -> str:
        return str(self.info(name)["statename"])

    def listener(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.rpc.healer.getListenerState()
        return answer

    def report(self) -> dict[str, Any]:
        """The latest report, {} before the first."""
        found: dict[str, Any] = self.rpc.healer.getReport()
        return found

    def said(self, section: str, subject: str) -> str:
        """What a section of the report says of a subject, '' nothing."""
        return "; ".join(one["message"] for one in self.report().get(section, []) if one["subject"] == subject)

    def until_said(self, section: str, subject: str, text: str) -> None:
        until(lambda: text in self.said(section, subject), f"{section} says {text!r} of {subject}")

    def until_checked(self) -> None:
        """Wait until every worker is healthy and the first round is over."""
        self.until_healthy()
        until(self.report, "there is a report")

    def until_state(self, name: str, *states: str) -> None:
        until(lambda: self.state(name) in states, f"{name} is {' or '.join(states)}")

    def until_statename(self, name: str, *names: str) -> None:
        until(lambda: self.statename(name) in names, f"{name} is {' or '.join(names)}")

    def until_healthy(self) -> None:
        """Wait until there are workers, and all are healthy."""
        until(lambda: set(self.states().values()) == {"healthy"}, "every worker is healthy")

    def until_judged_again(self, name: str, times: int = 5) -> None:
        """Have the healer look at this worker and judge it so often from now on: for asserting that nothing happens."""
        for _ in range(times):
            self.heal(name, dry_run=True)

    def until_heal(self, name: str, outcome: str = "healed", *, after: float = 0.0) -> None:
        """Wait until the last attempt on this worker has ended so, later than `after`."""

        def ended() -> bool:
            last = self.health(name)["last_heal"]
            return bool(last["outcome"] == outcome and last["at"] > after)

        until(ended, f"an attempt on {name} ends {outcome}")

    # --- misbehaviour ------------------------------------------------------------------------------------------

    def set(self, name: str, flag: str, value: str = "") -> None:
        """Tell a worker: mute (write nothing, whatever process it is), slow (not to stop while this is set), fail (exit
        at start), exit (exit now, with the code `value`)."""
        self.write(f"{_process(name)}.{flag}", value)

    def clear(self, name: str, flag: str) -> None:
        (self.folder / f"{_process(name)}.{flag}").unlink()

    def hang(self, *names: str) -> None:
        """Let the process that runs now stay alive and write nothing; its successor will be well."""
        for name in names:
            self.set(name, f"hang.{self.pid(name)}")

    def freeze(self, name: str) -> None:
        """SIGSTOP the process, when it is up."""
        self.until_up(name)
        os.kill(self.pid(name), signal.SIGSTOP)

    def noticed(self, name: str) -> list[int]:
        """The pids of this worker's processes that were sent SIGHUP, one for each time."""
        return [int(pid) for pid in self.read(f"{_process(name)}.noticed").split()]

    def until_up(self, name: str) -> None:
        """Wait until its process runs its own program, with its own signal handlers."""

        def up() -> bool:
            return (self.folder / f"{_process(name)}.up.{self.pid(name)}").exists()

        until(up, f"{name} is up")

    # --- people ------------------------------------------------------------------------------------------------

    def ask(self, name: str, **options: bool) -> str:
        """An operator's `heal`: its request id."""
        return str(self.rpc.healer.heal(name, options))

    def answer(self, request_id: str) -> dict[str, Any]:
        """The request, when it is done."""
        found: dict[str, Any] = {}

        def done() -> bool:
            found.update(self.rpc.healer.getRequest(request_id))
            return bool(found["state"] == "done")

        until(done, f"request {request_id} is done")
        return found

    def heal(self, name: str, **options: bool) -> dict[str, Any]:
        """An operator's `heal`, to its end."""
        return self.answer(self.ask(name, **options))

    # --- the healer --------------------------------------------------------------------------------------------

    def kill_healer(self) -> int:
        """SIGKILL the listener, wait until it is dead, and say which pid it had."""
        pid = self.pid("healer")
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in self.processes(), "the healer is dead")
        return pid

    def hup(self) -> None:
        """Tell the listener to read its architecture again."""
        self.rpc.supervisor.signalProcess("healer", "HUP")

    def until_healer(self, *, other_than: int = 0) -> None:
        """Wait until a listener (another than this pid) is at work and has judged every worker."""

        def there() -> bool:
            listener = self.listener()
            return bool(listener["state"] == "running" and listener["loaded"] and listener["pid"] != other_than)

        until(there, "a healer is at work")


def _run(module: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *args], capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )


def _process(name: str) -> str:
    """The process' own name in `name` or ``group:name``."""
    return name.rpartition(":")[2]


class _Transport(supervisor.xmlrpc.SupervisorTransport):  # type: ignore[misc]
    """Supervisor's transport, which leaves no half-open connection behind when a call fails."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().request(*args, **kwargs)
        except Exception:
            self.close()
            raise


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition; a supervisord that does not answer may do so later."""
    waiting.until(condition, what, seconds, (OSError, xmlrpc.client.Error))
