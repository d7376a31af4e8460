"""The real supervisord that the demonstration plays on: started, asked, and stopped without leaving a process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import xmlrpc.client
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from supervisor_healer.demo.checkout import Checkout
from supervisor_healer.errors import HealerError

STARTS_WITHIN = STOPS_WITHIN = 20.0  # seconds
SPAWNED = re.compile(r"^(\S+ \S+) INFO spawned: '([^']+)' with pid (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Spawn:
    """One start of a process, as supervisord logged it (`at` in epoch seconds)."""

    name: str
    pid: int
    at: float


class Stage:
    """supervisord with conf/supervisord.conf of one checkout."""

    def __init__(self, place: Checkout) -> None:
        self.place = place
        self._process: subprocess.Popen[bytes] | None = None

    # --- asking ---------------------------------------------------------------------------------------------

    def call(self, method: str, *arguments: object) -> Any:
        """What supervisord answers to an XML-RPC `method`, over a connection of its own."""
        transport = SupervisorTransport(None, None, self.place.server_url)
        try:
            proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy, method)(*arguments)
        finally:
            transport.close()

    def pid(self) -> int:
        """The pid of the supervisord that answers on the demonstration's socket, or 0."""
        try:
            return int(self.call("supervisor.getPID"))
        except (OSError, xmlrpc.client.Error):
            return 0

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `supervisorctl ARGUMENTS` says, and its exit status."""
        return subprocess.run(
            [*program("supervisorctl"), "-c", str(self.place.conf), *arguments],
            env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False,
        )  # fmt: skip

    def pid_of(self, name: str) -> int:
        """The pid of worker `name`, 0 if it does not run."""
        return int(self.call("supervisor.getProcessInfo", name)["pid"])

    def spawns(self) -> list[Spawn]:
        """Every start that supervisord has logged, in order."""
        text = (self.place.run_folder / "supervisord.log").read_text(encoding="utf-8", errors="replace")
        return [
            Spawn(name, int(pid), datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").timestamp())
            for at, name, pid in SPAWNED.findall(text)
        ]

    def starts(self) -> Counter[str]:
        """How often each process was started."""
        return Counter(spawn.name for spawn in self.spawns())

    # --- starting and stopping ------------------------------------------------------------------------------

    def refuse_a_second(self) -> None:
        """Raise HealerError if an earlier demonstration still runs here, saying how to end it."""
        pid = self.pid()
        if pid:
            raise HealerError(
                f"the demonstration pipeline already runs here (supervisord, pid {pid}); stop it first:"
                " make stop, or: supervisor-healer demo --stop"
            )
        pid = self._logged_pid()
        if pid:
            raise HealerError(
                f"supervisord of an earlier demonstration (pid {pid}) is alive but does not answer on"
                f" {self.place.server_url}; end it first: kill -CONT {pid}; kill -TERM {pid}"
            )

    def start(self, *, background: bool = False) -> int:
        """Start supervisord and return its pid as soon as it answers.

        In the foreground it is our child in a session of its own, so that a Ctrl-C reaches it only through us.
        """
        self.place.link()
        out = self.place.run_folder / "supervisord.out"
        command = [*program("supervisord"), "-c", str(self.place.conf)]
        with out.open("wb") as stream:
            self._process = subprocess.Popen(
                command if background else [*command, "--nodaemon"],
                env=environment(), cwd=self.place.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=stream, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            pid = self.pid()
            if pid:
                if background:
                    self._process.wait(STARTS_WITHIN)  # supervisord has gone on without it
                return pid
            if self._process.poll() not in (None, 0) or (self._process.poll() == 0 and not background):
                break
            time.sleep(0.05)
        said = out.read_text(encoding="utf-8", errors="replace").strip()
        raise HealerError(f"supervisord did not start; it said:\n{said or '(nothing)'}")

    def healer_watches(self) -> bool:
        """Whether the healer publishes what it sees, within a start's time."""
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            if self.call("healer.getListenerState")["state"] == "running":
                return True
            time.sleep(0.05)
        return False

    def stop(self) -> list[int]:
        """Stop supervisord and all it started, frozen ones too; return the pids that had to be killed.

        A supervisord that answers is asked; one that we started is ended in any case.
        """
        pid = self.pid() or (self._process.pid if self._process and self._process.poll() is None else 0)
        if not pid:
            self.place.unlink()
            return []
        try:
            supervisord = psutil.Process(pid)
            family = [supervisord, *supervisord.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        with contextlib.suppress(psutil.Error):
            supervisord.terminate()
        for process in family:  # a frozen one would keep supervisord waiting for its stopwaitsecs
            with contextlib.suppress(psutil.Error):
                process.resume()
        _, alive = psutil.wait_procs(family, timeout=STOPS_WITHIN)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=STOPS_WITHIN)
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOPS_WITHIN)
        self.place.unlink()
        return [process.pid for process in alive]

    def _logged_pid(self) -> int:
        """The pid in supervisord's pid file, if that is a living supervisord of this checkout; else 0."""
        try:
            pid = int((self.place.run_folder / "supervisord.pid").read_text(encoding="ascii"))
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return 0
        return pid if any(str(self.place.conf) in part for part in command) else 0


def program(name: str) -> list[str]:
    """How to run Supervisor's `name` with the Python that runs us."""
    script = Path(sys.executable).with_name(name)
    module = f"import sys; sys.argv[0] = {name!r}; from supervisor.{name} import main; main()"
    return [str(script)] if script.is_file() else [sys.executable, "-c", module]


def environment() -> dict[str, str]:
    """Our environment, with the folder of our own Python first on PATH: conf/ names its programs without a folder.

    Raises HealerError if they are not there.
    """
    folder = Path(sys.executable).parent
    for name in ("supervisor-healer", "python"):
        if shutil.which(name, path=str(folder)) is None:
            raise HealerError(
                f"no `{name}` in {folder}: use `make demo`, or install the project in a virtual environment"
            )
    return {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}
