"""Other restarters in the simulated world, to compare the healer with: each as good as its users can make it.

What they share is given to them so that only their rules are compared: the limits of the same architecture, a look
every five seconds (superlance's shortest tick; Monit's is two minutes in Debian unless changed), restarts through
supervisord, and a process that is down is started at the next look, as autorestart or Monit's process check would.
After a restart a worker has its output's whole limit before it is late again, as systemd's WatchdogSec counts anew
from each start: else they would restart a worker at every look until it has written.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from supervisor_healer.core.model import ProcessState, WorkerSpec
from supervisor_healer.core.news import OrderFailed, ProcessTable
from supervisor_healer.core.orders import Start, Stop
from supervisor_healer.simulation.host import DOWN
from supervisor_healer.simulation.program import UP
from supervisor_healer.simulation.world import World

CYCLE = 5.0  # seconds between two looks


class Restarter(ABC):
    """Looks in a cycle and restarts as `supervisorctl restart` does: a stop, and a start when it is down."""

    def __init__(self, world: World, cycle: float = CYCLE) -> None:
        self._time, self._disk, self._host, self._pipeline = world.time, world.disk, world.host, world.pipeline
        self.orders: list[tuple[float, Stop | Start]] = []  # with the seconds since the world's beginning
        self.cycle = cycle
        self._next_look = self._time.mono
        self._stopped: set[str] = set()  # by us, and to be started

    # --- as a mind -----------------------------------------------------------------------------------------------

    @property
    def next_turn(self) -> float:
        """At once where a worker that we have stopped is down, else at the next look."""
        return self._time.mono if self._ready() else max(self._time.mono, self._next_look)

    def ring(self, event: ProcessTable | OrderFailed) -> None:
        """Nobody tells them; but a look that was put off because nothing can be late takes place where one is down."""
        if isinstance(event, ProcessTable) and any(row.state in DOWN for row in event.processes):
            self._next_look = min(self._next_look, self._look_after(self._time.mono))

    def turn(self) -> None:
        """Go on with what was begun; look, where it is time."""
        for name in self._ready():
            self._stopped.discard(name)
            self._start(name)
        if self._time.mono >= self._next_look:
            for name, program in self._host.programs.items():
                if program.state in (ProcessState.EXITED, ProcessState.FATAL) and not program.restarts_itself:
                    self._start(name)
            self.look()
            self._next_look = self._look_after(max(self._time.mono, self._nothing_before()))

    # --- what differs --------------------------------------------------------------------------------------------

    @abstractmethod
    def look(self) -> None:
        """Restart whom its rules want restarted."""

    # --- what they use -------------------------------------------------------------------------------------------

    def age(self, path: str) -> float:
        """Seconds since the file's mtime; infinite where there is none."""
        mtime = self._disk.look(path).mtime
        return math.inf if mtime is None else self._time.wall - mtime

    def restart(self, name: str) -> None:
        """Stop it, and start it when it is down."""
        program = self._host.programs[name]
        if program.state in UP and name not in self._stopped:
            self._stopped.add(name)
            self._order(Stop(name, program.address, program.pid))

    def late_outputs(self, spec: WorkerSpec) -> list[str]:
        """The outputs that are older than their limit, of a process that is as old."""
        lived = self._time.mono - self._host.programs[spec.name].start_mono
        limits = ((path, self._pipeline.files[path].limit) for path in spec.outputs)
        return [path for path, limit in limits if lived >= limit <= self.age(path)]

    def _start(self, name: str) -> None:
        self._order(Start(name, self._host.programs[name].address))

    def _order(self, order: Stop | Start) -> None:
        self.orders.append((self._time.elapsed, order))
        self._host.take(order)

    def _ready(self) -> list[str]:
        return sorted(name for name in self._stopped if self._host.programs[name].state in DOWN)

    def _look_after(self, moment: float) -> float:
        return (math.floor(moment / self.cycle + 1e-6) + 1) * self.cycle

    def _nothing_before(self) -> float:
        """No file that has a limit can be over it before (mono): so long a look would show nothing."""
        left = (spec.limit - self.age(path) for path, spec in self._pipeline.files.items() if spec.max_age)
        return self._time.mono + min(left, default=math.inf) - self.cycle


class Blind(Restarter):
    """(a) Restarts whoever's output is over its limit, whatever its inputs: a watchdog of each worker for itself."""

    def look(self) -> None:
        """Restart everybody who is late."""
        for spec in self._pipeline.workers.values():
            if self.late_outputs(spec):
                self.restart(spec.name)


class Gated(Restarter):
    """(b) The same, unless a required input is older than the architecture allows it to be (max_age)."""

    def look(self) -> None:
        """Restart everybody who is late and has input."""
        for spec in self._pipeline.workers.values():
            if self.late_outputs(spec) and not any(map(self._is_old, required(spec))):
                self.restart(spec.name)

    def _is_old(self, path: str) -> bool:
        max_age = self._pipeline.files[path].max_age
        return max_age is not None and self.age(path) >= max_age


@dataclass
class FileCheck:
    """One of Monit's file checks: skipped while one that it `depends` on has an error. `restarts`: a worker, or ''."""

    path: str
    limit: float
    depends: tuple[str, ...] = ()
    restarts: str = ""
    repeat: int = 1  # cycles
    errors: int = 0  # cycles in a row with an error, skipped ones left out


class Monit(Restarter):
    """(c) Monit's rules, by the best of the recipes that were tried with Monit itself (benchmarks/monit_depends).

    Each output has a file check that executes the worker's restart, once when it fails and then every so many cycles,
    and `depends on` the checks of all files upstream up to the source (on its inputs alone where `direct`). A check is
    skipped, and keeps its error, while one that it depends on has an error; so a file whose check is skipped does not
    hold back those that depend on it alone.
    """

    def __init__(self, world: World, cycle: float = CYCLE, *, direct: bool = False) -> None:
        super().__init__(world, cycle)
        files, workers, rank = self._pipeline.files, self._pipeline.workers, self._pipeline.rank
        self._checks = {path: FileCheck(path, files[path].limit) for path in self._pipeline.outside}
        for name in sorted(workers, key=rank.__getitem__):  # those that others depend on first, as Monit does
            upstream = [name] if direct else [name, *self._pipeline.ancestors(name)]
            depends = tuple(path for one in upstream for path in required(workers[one]))
            for path in workers[name].outputs:
                repeat = math.ceil(files[path].limit / cycle)
                self._checks[path] = FileCheck(path, files[path].limit, depends, name, repeat)

    def look(self) -> None:
        """One cycle."""
        for check in self._checks.values():
            if any(self._checks[path].errors for path in check.depends):
                continue
            if self.age(check.path) <= check.limit:
                check.errors = 0
                continue
            check.errors += 1
            if check.restarts and (check.errors == 1 or check.errors % check.repeat == 0):
                self.restart(check.restarts)


def required(spec: WorkerSpec) -> list[str]:
    """The inputs without which a worker can do nothing."""
    return [item.path for item in spec.inputs if item.required]


#: Name in the tables -> who it is.
RIVALS: dict[str, Callable[[World], Restarter]] = {
    "(a) restart on stale output": Blind,
    "(b) unless an input is too old": Gated,
    "(c) Monit, `depends on`": Monit,
}
