"""Runs real Monit with each recipe through each incident: `python benchmarks/monit_depends 3 > recorded.json`.

It needs `monit` (Debian: `apt install monit`), no privileges, and three to four minutes for each time that every
incident is played. Each recipe has a Monit of its own; what was started and stopped is read from what the workers were
told, and who is watched at the end from `monit summary`. What came out differently from time to time is all recorded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from recipes import RECIPES, Site

FEED = 0.25  # seconds between two writes of the source
SETTLE = 7.0  # seconds before the incident
OUTAGE = 15.0  # seconds for which the source is silent
AFTERWARDS = 18.0  # seconds until the end is looked at
AT_ONCE = 4.0  # seconds from a stop to a start that make it a restart; Monit waits a cycle for the process to be gone


@dataclass(frozen=True)
class Incident:
    """What befalls the first of so many workers (a signal, 0: nothing), and whether the source falls silent."""

    workers: int
    blow: int
    silent: bool


INCIDENTS = {
    "it hangs": Incident(1, signal.SIGSTOP, False),
    "it hangs while its input is stale": Incident(1, signal.SIGSTOP, True),
    "its input is stale": Incident(1, 0, True),
    "it dies": Incident(1, signal.SIGKILL, False),
    "the first of three hangs": Incident(3, signal.SIGSTOP, False),
    "the source of three is silent": Incident(3, 0, True),
}


@dataclass(frozen=True)
class Outcome:
    """What was done to each worker, each kind of deed once, and which services are not watched at the end."""

    workers: dict[str, list[str]]
    unwatched: list[str]


class Stage:
    """Real Monit over real workers in a folder of their own."""

    def __init__(self, folder: Path, recipe: str, workers: int) -> None:
        self.folder = folder
        self.worker = f"{sys.executable} -SE {Path(__file__).with_name('worker.py')}"
        self.control = folder / "monitrc"
        self.site = Site(folder, self.worker, f"monit -c {self.control}", workers)
        self.names = [f"w{number}" for number in self.site.numbers]
        own = [f"set {what} {folder / what}" for what in ("logfile", "pidfile", "statefile", "idfile")]
        httpd = f"set httpd unixsocket {folder / 'socket'} allow user:pass"
        self.control.write_text("\n".join(["set daemon 1", *own, httpd, *RECIPES[recipe](self.site)]))
        self.control.chmod(0o700)

    @contextmanager
    def source(self, on: threading.Event) -> Iterator[None]:
        """What writes f0 while it is on."""
        over = threading.Event()

        def write() -> None:
            while not over.wait(FEED):
                if on.is_set():
                    (self.folder / "f0").write_text(str(time.time()))

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def running_workers(self) -> Iterator[None]:
        """All of them, begun before Monit is."""
        for name, reads in zip(self.names, ["f0", *(f"{name}.out" for name in self.names)], strict=False):
            for path, text in ((reads, ""), (f"{name}.out", ""), (f"{name}.reads", reads)):
                (self.folder / path).write_text(text)
            subprocess.run([*self.worker.split(), "start", str(self.folder), name], check=True)
        try:
            yield
        finally:
            for name in self.names:
                subprocess.run([*self.worker.split(), "stop", str(self.folder), name], check=True)

    @contextmanager
    def monit(self) -> Iterator[None]:
        """Monit, for so long."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(["monit", "-I", "-c", str(self.control)], **quiet) as process:
            try:
                yield
            finally:
                process.terminate()

    def unwatched(self) -> list[str]:
        """The services that Monit does not monitor."""
        command = ["monit", "-c", str(self.control), "summary", "-B"]
        summary = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return sorted(line.split()[0] for line in summary.splitlines() if "Not monitored" in line)

    def deeds(self, since: float) -> Iterator[tuple[float, str, str]]:
        """(moment, worker, start or stop) since the incident's beginning."""
        for line in (self.folder / "deeds").read_text().splitlines():
            moment, name, deed = line.split()
            if float(moment) >= since:
                yield float(moment), name, deed


def play(recipe: str, incident: Incident) -> Outcome:
    """One recipe through one incident."""
    on = threading.Event()
    on.set()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monit_depends")))
        stage = Stage(folder, recipe, incident.workers)
        for part in (stage.running_workers(), stage.source(on), stage.monit()):
            stack.enter_context(part)
        time.sleep(SETTLE)
        begun = time.time()
        if incident.blow:
            os.kill(int((folder / "w1.pid").read_text()), incident.blow)
        if incident.silent:
            on.clear()
            time.sleep(OUTAGE)
            on.set()
        back = time.time() if incident.silent else begun
        time.sleep(AFTERWARDS)
        deeds = list(stage.deeds(begun))
        return Outcome({name: told(deeds, name, back) for name in stage.names}, stage.unwatched())


def told(deeds: list[tuple[float, str, str]], name: str, back: float) -> list[str]:
    """What was done to one worker in words, each once; `back`: when the source wrote again."""
    mine = [(moment, deed) for moment, who, deed in deeds if who == name]
    words: dict[str, None] = {}
    for number, (moment, deed) in enumerate(mine):
        when = "in the silence" if moment < back else "with input"
        if deed == "start":
            if not number or mine[number - 1][1] == "start":
                words[f"started {when}"] = None
            continue
        starts = [later for later, what in mine[number:] if what == "start"]
        if not starts:
            words[f"stopped {when} for good"] = None
        elif starts[0] - moment <= AT_ONCE:
            words[f"restarted {when}"] = None
        else:
            words[f"stopped {when} for long"] = None
    return list(words)


def main(times: int) -> None:
    """Play everything so many times, and print what came of it."""
    jobs = [(recipe, incident) for _ in range(times) for incident in INCIDENTS for recipe in RECIPES]
    with ThreadPoolExecutor(len(RECIPES)) as pool:
        outcomes = list(pool.map(lambda job: play(job[0], INCIDENTS[job[1]]), jobs))
    recorded: dict[str, dict[str, list[object]]] = {
        recipe: {incident: [] for incident in INCIDENTS} for recipe in RECIPES
    }
    for (recipe, incident), outcome in zip(jobs, outcomes, strict=True):
        if asdict(outcome) not in recorded[recipe][incident]:
            recorded[recipe][incident].append(asdict(outcome))
    version = subprocess.run(["monit", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    command = f"python benchmarks/monit_depends {times} > benchmarks/monit_depends/recorded.json"
    print(json.dumps({"monit": version, "command": command, "times": times, "recipes": recorded}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
