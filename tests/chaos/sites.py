"""The two pipelines: the demonstration's, as conf/ has it, and a wide one of many small workers.

Their healer is the real one in a hurry: the waits between two attempts, and the health that ends an incident, take
seconds. Its wall clock can be stepped where libfaketime is installed.
"""

from __future__ import annotations

import configparser
import glob
import json
import os
import random
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from pipeline import Site, Worker

from supervisor_healer.architecture.durations import parse
from supervisor_healer.demo.prepare import prepare

CONF = Path(__file__).parents[2] / "conf"
RELAY = Path(__file__).with_name("relay.py")
ROOT = "run"  # of the pipeline, in the site's folder
DISK = "disk"  # in the root; becomes a small file system
BYSTANDER = "bystander.json"  # in each folder, a file that is nobody's business
MARK = "HEALER_CHAOS"

RESTARTS, OVERALL = (3, 12.0), (12, 12.0)  # at most so many within so many seconds
POLICY = {"grace": "3s", "startup_grace": "3s", "attempts": 5, "retry_after": "5s"}

# The listener in a hurry. Its children see the true clock. libfaketime 0.9.10 breaks the call that time.sleep makes.
HASTY = """
import os, select, sys, time
from supervisor_healer.core import budget, limits
from supervisor_healer.listener.main import run

assert hasattr(budget, "FIRST_WAIT") and hasattr(limits, "SHORTEST_RESET")
budget.FIRST_WAIT, limits.SHORTEST_RESET = 1.0, 10.0
os.environ.pop("LD_PRELOAD", None)
time.sleep = lambda seconds: select.select([], [], [], seconds)
sys.exit(run(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the architecture of a site says, as far as the promises ask: files by worker, max_age by file, limits."""

    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, tuple[str, ...]]
    max_age: Mapping[str, float]
    configs: Mapping[str, bytes] = field(default_factory=dict)  # with a valid content
    restarts: tuple[int, float] = RESTARTS
    overall: tuple[int, float] = OVERALL

    @property
    def workers(self) -> tuple[str, ...]:
        return tuple(self.outputs)

    def feeders(self, worker: str) -> tuple[str, ...]:
        """Those that write what it reads."""
        return tuple(name for name, paths in self.outputs.items() if set(paths) & set(self.inputs[worker]))


class ChaosSite(Site):
    """A site with what its tormentor has to know. `lacks` says which faults cannot be made here, and why."""

    def __init__(
        self, name: str, workers: list[Worker], architecture: dict[str, Any], declared: Declared, **defaults: str
    ) -> None:
        self.name = name
        self.declared = declared
        self.token = secrets.token_hex(8)
        self.lacks: dict[str, str] = {}
        policy = {**POLICY, "restarts": as_intensity(RESTARTS), "max_restarts_overall": as_intensity(OVERALL)}
        healer: dict[str, object] = {
            "command": f"{sys.executable} %(here)s/hasty.py %(here)s/architecture.yaml",
            "startretries": 10,
        }
        library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")
        if library:
            clock = f'LD_PRELOAD="{library}",FAKETIME_TIMESTAMP_FILE="%(here)s/clock",FAKETIME_NO_CACHE="1"'
            healer["environment"] = f'{clock},NO_FAKE_STAT="1",FAKETIME_DONT_FAKE_MONOTONIC="1"'
        else:
            self.lacks["step_clock"] = "libfaketime is not installed (Debian's package libfaketime)"
        if os.geteuid() != 0:
            self.lacks["fill_disk"] = "only root can mount a small file system"
        super().__init__(
            workers,
            architecture={**architecture, "root": ROOT, "cycle": "5s"},
            defaults={**policy, **defaults},
            healer=healer,
            launcher=["env", f"{MARK}={self.token}"],
        )
        self.write("hasty.py", HASTY)
        self.set_clock(0.0)

    @property
    def root(self) -> Path:
        """The folder that the paths of the architecture are relative to."""
        return self.folder / ROOT

    def set_clock(self, offset: float) -> None:
        """Put the listener's wall clock so many seconds off."""
        self.write("clock", f"{offset:+.1f}\n")

    def is_valid(self, path: str, content: bytes | None) -> bool:
        """Whether a config holds what its readers rely on: the fields of its valid content, each from 0 to 1."""
        try:
            fields = json.loads(content or b"")
            numbers = [name for name, value in json.loads(self.declared.configs[path]).items() if 0 < value < 1]
            return all(0 <= fields[name] <= 1 for name in numbers)
        except (KeyError, TypeError, ValueError):
            return False

    def lay_out_bystanders(self) -> None:
        """Write files beside those of the pipeline; nobody has any business with them."""
        for folder in {path for path in self.root.rglob("*") if path.is_dir() and path.name != DISK}:
            (folder / BYSTANDER).write_text(json.dumps({"ours": folder.name}))

    def changed_bystanders(self) -> list[str]:
        """Those that are not as they were laid out."""
        bystanders = [path / BYSTANDER for path in self.root.rglob("*") if path.is_dir() and path.name != DISK]
        return [
            str(path.relative_to(self.root))
            for path in bystanders
            if not path.is_file() or path.read_text() != json.dumps({"ours": path.parent.name})
        ]

    def hang_flag(self, worker: str, pid: int) -> Path:
        """The file that makes this worker hang."""
        raise NotImplementedError

    def family(self) -> set[int]:
        """The pids of supervisord and of all that it has started, and what these have; none when it has ended."""
        try:
            head = psutil.Process(self._daemon.pid if self._daemon else 0)
            return {head.pid, *(child.pid for child in head.children(recursive=True))}
        except psutil.NoSuchProcess:
            return set()

    def end(self) -> None:
        """Have supervisord end in good order."""
        self.signal_supervisord(signal.SIGTERM)
        self.wait_for_the_end()


class DemoSite(ChaosSite):
    """The demonstration pipeline: its architecture and its programs are those of conf/."""

    def __init__(self) -> None:
        document = yaml.safe_load((CONF / "architecture.yaml").read_text())
        (config,) = document["configs"]
        document["configs"][config]["keep"] = 1000
        ages = {path: parse(entry["max_age"]) for path, entry in document["files"].items()}
        entries = document["workers"]
        inputs = {name: tuple(entry.get("inputs", ())) for name, entry in entries.items()}
        outputs = {name: tuple(entry["outputs"]) for name, entry in entries.items()}
        valid = b'{"version": 12, "long_ofi_requirement": 0.65, "short_ofi_requirement": 0.6}\n'
        document.pop("version")
        super().__init__(
            "demo", [demo_program(name) for name in entries], document, Declared(inputs, outputs, ages, {config: valid})
        )
        prepare(self.root)
        (self.root / config).write_bytes(valid)
        self.lacks.setdefault("fill_disk", "its workers do not live through a full disk; the wide pipeline's do")
        self.lay_out_bystanders()

    def hang_flag(self, worker: str, _pid: int) -> Path:
        return self.root / "hang" / worker


class WideSite(ChaosSite):
    """Many relays in a random graph, some with a config, some on a small disk."""

    def __init__(self, seed: str, workers: int = 60, max_age: float = 3.0) -> None:
        declared = wide(random.Random(f"graph {seed}"), workers, max_age)
        schema = {"type": "object", "required": ["low", "high"], "properties": {"low": NUMBER, "high": NUMBER}}
        configs = {path: {"schema": schema, "keep": 1000, "create": True} for path in declared.configs}
        entries = {
            name: {"inputs": list(declared.inputs[name]), "outputs": list(declared.outputs[name])}
            for name in declared.workers
        }
        programs = [relay(name, declared) for name in declared.workers]
        super().__init__("wide", programs, {"workers": entries, "configs": configs}, declared, max_age=f"{max_age:g}s")
        for folder in ("out", "configs", DISK):
            (self.root / folder).mkdir(parents=True)
        for path, content in declared.configs.items():
            (self.root / path).write_bytes(content)
        self.lay_out_bystanders()

    def hang_flag(self, _worker: str, pid: int) -> Path:
        return self.root / f"hang.{pid}"


NUMBER = {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}


def wide(draw: random.Random, workers: int, max_age: float) -> Declared:
    """A random graph: one worker in ten is a source, the others read one to three of the twelve before them."""
    names = [f"w{number:02}" for number in range(workers)]
    outputs = {name: (f"{DISK if draw.random() < 0.1 else 'out'}/{name}.jsonl",) for name in names}
    configs = {f"configs/c{number}.json": b'{"low": 0.25, "high": 0.75}\n' for number in range(6)}
    inputs: dict[str, tuple[str, ...]] = {}
    for number, name in enumerate(names):
        before = names[max(0, number - 12) : number]
        is_source = number < 3 or draw.random() < 0.1
        sources = [] if is_source else draw.sample(before, min(len(before), draw.randint(1, 3)))
        config = [draw.choice(list(configs))] if draw.random() < 0.2 else []
        inputs[name] = (*(path for source in sources for path in outputs[source]), *config)
    return Declared(inputs, outputs, {path: max_age for (path,) in outputs.values()}, configs)


def relay(name: str, declared: Declared) -> Worker:
    """The program of one worker of the wide pipeline."""
    root = f"%(here)s/{ROOT}"
    paths = [*declared.outputs[name], *(path for path in declared.inputs[name] if path not in declared.configs)]
    command = " ".join([f"{sys.executable} -S -E {RELAY}", *(f"{root}/{path}" for path in paths)])
    return Worker(name, options={"command": command, "directory": root, "autorestart": "false", "stopwaitsecs": 2})


def demo_program(name: str) -> Worker:
    """A program of the demonstration, as conf/workers has it but for its folder."""
    conf = configparser.RawConfigParser()
    conf.read(CONF / "workers" / f"{name}.conf")
    options = dict(conf[f"program:{name}"])
    command = options["command"].replace("python", sys.executable, 1)
    placed = {"command": f"{command} --dir %(here)s/{ROOT}", "directory": "%(here)s", "startsecs": 1, "stopwaitsecs": 2}
    return Worker(name, options={**options, **placed, "stdout_logfile": f"%(here)s/{name}.out"})


def as_intensity(limit: tuple[int, float]) -> dict[str, object]:
    """A limit as the architecture file writes it."""
    return {"max": limit[0], "within": f"{limit[1]:g}s"}
