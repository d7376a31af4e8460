"""A small deterministic world for the engine: clocks, files, programs, a supervisord, an operator, and a healer.

The healer in it takes its turns exactly as the engine's docstring says, wakes when `next_wake` says so or when an
event comes, keeps its memories in a dict of JSON text that survives it, and can be killed at any decision. The world
knows the truth, and checks the promises at every single order and note: a transcript that breaks one fails at once.

    world = World(chain("engine", "predictor"))
    world.run(60)
    world.hang("predictor")
    world.run(20 * MINUTE)
    assert world.story("predictor") == ["convicted", "restart", "healed"]
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from fixer import HOPELESS, INVALID, MISSING, UNREADABLE, VALID, Fixer

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import (
    ConfigSpec,
    ConsumerSpec,
    FileSpec,
    Health,
    InputSpec,
    Intensity,
    Kind,
    Mode,
    Now,
    Process,
    ProcessState,
    Seen,
    WorkerSpec,
)
from supervisor_healer.core.news import (
    ComponentResult,
    HealRequest,
    MonitorRequest,
    OrderFailed,
    ProcessTable,
    VerifyRequest,
)
from supervisor_healer.core.orders import (
    Answer,
    Consult,
    Create,
    Decision,
    Note,
    Remember,
    Repair,
    Restore,
    Signal,
    Start,
    Stop,
    Tell,
)
from supervisor_healer.core.pipeline import Pipeline, expand, is_pattern
from supervisor_healer.core.report import Entry, Report
from supervisor_healer.core.verdicts import ConsumerVerdict

__all__ = ["HOPELESS", "INVALID", "MISSING", "UNREADABLE", "VALID", "World"]

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
EPOCH = 1_700_000_000.0
BOOT = 5_000.0
MAX_AGE = 5 * MINUTE
GRACE = 2.5 * MINUTE
LIMIT = MAX_AGE + GRACE
NO_LIMIT = Intensity(1000, 600.0)

#: The events of history that tell a worker's story; changes of verdict are left out.
PLOT = frozenset(
    [
        "convicted",
        "restart",
        "healed",
        "failed",
        "recovered",
        "idle",
        "quarantined",
        "released",
        "refused",
        "completed",
        "abandoned",
        "created",
        "repaired",
        "restored",
        "unmended",
        "signalled",
    ]
)
ROOT = "/srv/pipe"


# --- building blocks -----------------------------------------------------------------------------------------


def worker(name: str, reads: Iterable[str] = (), writes: Iterable[str] = (), **options: Any) -> WorkerSpec:
    """A worker; an input written ``path?`` is not required."""
    inputs = tuple(InputSpec(path.rstrip("?"), required=not path.endswith("?")) for path in reads)
    return WorkerSpec(name, options.pop("program", name), inputs=inputs, outputs=tuple(writes), **options)


def chain(*names: str, source: str = "", **options: Any) -> list[WorkerSpec]:
    """Workers in a row, each writing ``name.out`` and reading what the one before writes."""
    before = [source] if source else []
    result = []
    for name in names:
        result.append(worker(name, before, [f"{name}.out"], **options))
        before = [f"{name}.out"]
    return result


def file(path: str, max_age: float | None = MAX_AGE, grace: float | None = None, **options: Any) -> FileSpec:
    if grace is None:
        grace = 0.0 if max_age is None else max_age / 2
    return FileSpec(path, max_age, grace, **options)


def config(path: str, **options: Any) -> ConfigSpec:
    return ConfigSpec(path, "json", **options)


def consumer(name: str, *reads: str) -> ConsumerSpec:
    """A reader that supervisord does not run; an input written ``path?`` is not required."""
    return ConsumerSpec(name, tuple(InputSpec(path.rstrip("?"), required=not path.endswith("?")) for path in reads))


# --- what the world is made of -------------------------------------------------------------------------------


@dataclass
class TrueFile:
    """A file as it is. `written` is the true moment of its last write, `by` who wrote it: (writer, generation)."""

    path: str
    mtime: float | None = None
    written: float = float("-inf")
    by: tuple[str, int] = ("", 0)
    problem: str = ""
    writes: list[tuple[float, str, int]] = field(default_factory=list)


@dataclass
class Program:
    """One worker's process and what its program does.

    It reads its triggering inputs every `period` seconds and, if one has moved since it last worked, writes its
    outputs `work` seconds later; without inputs it writes every `period`. What it has consumed survives it.
    """

    spec: WorkerSpec
    period: float = 10.0
    work: float = 0.0
    startsecs: float = 1.0
    stop_delay: float = 0.05
    autorestart: bool = False
    autostart: bool = True
    retries: int = 3
    state: ProcessState = ProcessState.STOPPED
    pid: int = 0
    start: float = 0.0
    start_mono: float = 0.0
    generation: int = 0
    by_operator: bool = False
    exited_well: bool = False
    hung: bool = False  # this process writes nothing any more
    cursed: bool = False  # every process writes nothing, until cured
    slow_starts: float = 0.0  # seconds from a start to the first work
    doomed: int = 0  # so many further starts crash before startsecs
    crash_after: float = 0.0  # every process crashes so many seconds after its start; 0: never
    mute: frozenset[str] = frozenset()  # outputs that it does not write, although it works
    every: dict[str, int] = field(default_factory=dict)  # output -> written only every n-th time
    rounds: int = 0
    consumed: float = float("-inf")
    tries: int = 0
    known: bool = True  # supervisord has it in its configuration

    def __post_init__(self) -> None:
        self.address = self.spec.program if ":" in self.spec.program else f"{self.spec.program}:{self.spec.program}"

    @property
    def restarts_itself(self) -> bool:
        if self.state is ProcessState.BACKOFF:
            return True
        return self.state is ProcessState.EXITED and self.autorestart and not self.by_operator

    def row(self) -> Process:
        """As supervisord tells of it."""
        never = self.start == 0.0 and not self.autostart
        down = self.state not in (ProcessState.RUNNING, ProcessState.STARTING, ProcessState.BACKOFF)
        return Process(
            self.address, self.state, self.pid, self.start, self.restarts_itself, down and (self.by_operator or never),
            self.exited_well,
        )  # fmt: skip


class BrokenPromiseError(AssertionError):
    """What the README promises did not hold; the world's history is in the message."""


class World:
    """See the module. Times given to its methods are seconds from the world's beginning, durations are seconds."""

    def __init__(
        self,
        workers: Sequence[WorkerSpec],
        files: Iterable[FileSpec] = (),
        *,
        outside: Mapping[str, float] | None = None,
        draw: Callable[[], float] = lambda: 0.5,
        mode: Mode = Mode.HEAL,
        cycle: float = 60.0,
        overall: Intensity | None = NO_LIMIT,
        eager: float = 0.0,
        started: bool = True,
        members: Mapping[str, list[str]] | None = None,
        configs: Iterable[ConfigSpec] = (),
        contents: Mapping[str, str] | None = None,
        consumers: Iterable[ConsumerSpec] = (),
        components: Callable[[], Iterable[ComponentResult]] | None = None,
        **programs: Any,
    ) -> None:
        self.mono = BOOT
        self.coarse = 0.0  # the grain of mtimes in seconds
        self.offset = EPOCH - BOOT
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._pids = 100
        self.draw, self.mode, self.cycle, self.overall, self.eager = draw, mode, cycle, overall, eager
        declared = {spec.path: spec for spec in files}
        self.configs = {spec.path: spec for spec in configs}
        self.consumers, self.components = list(consumers), components
        paths = [p for spec in workers for p in (*spec.outputs, *(item.path for item in spec.inputs))]
        paths += [item.path for each in self.consumers for item in each.inputs]
        self.specs = list(workers)
        undeclared = {path: file(path, None if path in self.configs else MAX_AGE) for path in (*paths, *self.configs)}
        self.file_specs = {**undeclared, **declared}
        self.ground: dict[str, str] = {}  # path -> what is wrong with the file system under it
        self.fixer = Fixer(self, self.configs)
        self.halted = False
        self.lives = 0
        self.consults = 0
        self.signals: list[tuple[float, Signal]] = []
        self.reports: list[Report] = []
        self.files: dict[str, TrueFile] = {}
        expansion = expand(self.specs, self.file_specs, members or {})
        self.file_specs.update(expansion.files)
        self.programs = {spec.name: Program(spec, **programs) for spec in (expansion.workers if members else workers)}
        self.pipeline = self._pipeline()
        # the healer
        self.engine: Engine | None = None
        self.inbox: list[Any] = []
        self.journal: dict[tuple[str, str], str] = {}
        self.seen_alive: Now | None = None
        self.wake = float("inf")
        self.kill_when: Callable[[Decision], bool] | None = None
        self.kill_before = True
        self.losing = 0  # so many further orders do not reach supervisord
        self.deaf = False  # events do not reach the healer
        self.turns = 0
        self.looks: Counter[str] = Counter()
        # what happened
        self.history: list[tuple[float, Note]] = []
        self.orders: list[tuple[float, Decision]] = []
        self.answers: dict[str, Answer] = {}
        self.told: dict[str, list[str]] = defaultdict(list)
        self.healer_starts: dict[str, list[float]] = defaultdict(list)
        self.host_restarts: list[float] = []
        self.starts: Counter[str] = Counter()  # every start of a process after the world's beginning
        self.transitions: dict[str, list[str]] = defaultdict(list)
        self._in_hand: set[str] = set()
        self._forced: set[str] = set()
        self._allowed: dict[str, list[float]] = defaultdict(list)
        self._requests = 0
        self._next_saving = 0.0
        self.outside: dict[str, bool] = {}
        for path in self.pipeline.outside:
            spec = self.file_specs[path]
            if outside is not None and path not in outside and spec.max_age is not None:
                continue
            if path in self.configs:
                self.fixer.edit(path, (contents or {}).get(path, VALID))
            elif spec.max_age is None:
                self.write(path)
            else:
                self._feed(path, (outside or {}).get(path, 10.0))
        for path in self.configs.keys() - self.fixer.contents.keys():
            self.fixer.edit(path, (contents or {}).get(path, VALID))
        for name, program in self.programs.items():
            if program.autostart:
                self._spawn(name)
        self.starts.clear()
        if started:
            self.run(2.0)
            self.begin_healer()

    def _pipeline(self) -> Pipeline:
        members: dict[str, list[str]] = defaultdict(list)
        for program in self.programs.values():
            if program.known:
                group, _, name = program.address.partition(":")
                members[group].append(name)
        expansion = expand(self.specs, self.file_specs, members)
        return Pipeline(expansion, root=ROOT, consumers=self.consumers, configs=self.configs)

    # --- time ------------------------------------------------------------------------------------------------

    @property
    def wall(self) -> float:
        return self.mono + self.offset

    @property
    def now(self) -> Now:
        return Now(self.wall, self.mono)

    @property
    def elapsed(self) -> float:
        return self.mono - BOOT

    def after(self, delay: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.mono + delay, self._count, what))

    def run(self, seconds: float) -> World:
        """Let `seconds` pass."""
        self.run_until(self.mono + seconds)
        return self

    def run_until(self, end: float, stop: Callable[[], bool] | None = None) -> bool:
        at_once = 0
        while True:
            if stop is not None and stop():
                return True
            event = self._queue[0][0] if self._queue else float("inf")
            wake = float("inf")
            if self.engine is not None:
                wake = self.mono if self.inbox else max(self.mono, self.wake)
            moment = min(event, wake)
            if moment > end:
                self.mono = max(self.mono, end)
                return False
            at_once = at_once + 1 if moment <= self.mono else 0
            if at_once > 200 + 20 * len(self.specs):
                raise BrokenPromiseError(f"busy loop: {at_once} turns at {self.elapsed}\n{self.transcript()}")
            self.mono = max(self.mono, moment)
            if event <= self.mono:
                heapq.heappop(self._queue)[2]()
            else:
                self._turn()

    def until(self, condition: Callable[[], bool], within: float) -> float:
        """Run until `condition` holds; how long it took. Fails if it never does."""
        begun = self.mono
        if not self.run_until(self.mono + within, condition):
            raise AssertionError(f"not within {within} s\n{self.transcript()}")
        return self.mono - begun

    def until_state(self, name: str, state: Health, within: float = 2 * HOUR) -> float:
        return self.until(lambda: self.state(name) is state, within)

    def step_clock(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.offset += seconds

    def suspend(self, seconds: float) -> None:
        """The host sleeps: the wall clock goes on, the monotonic one and everything else stands still."""
        self.offset += seconds

    def stall(self, seconds: float) -> None:
        """Both clocks go on, and nothing runs: a machine paused by its hypervisor."""
        for entry in list(self._queue):
            self._queue.remove(entry)
            self._queue.append((max(entry[0], self.mono + seconds), entry[1], entry[2]))
        heapq.heapify(self._queue)
        self.mono += seconds

    # --- files -----------------------------------------------------------------------------------------------

    def file(self, path: str) -> TrueFile:
        return self.files.setdefault(path, TrueFile(path))

    def write(self, path: str, writer: str = "", mtime: float | None = None, generation: int = 0) -> None:
        file = self.file(path)
        file.mtime = self.wall if mtime is None else mtime
        if self.coarse:
            file.mtime -= file.mtime % self.coarse
        file.written, file.by = self.mono, (writer, generation)
        file.writes.append((self.mono, writer, generation))

    def remove(self, path: str) -> None:
        self.file(path).mtime = None

    def _matching(self, path: str) -> list[TrueFile]:
        if is_pattern(path):
            return [found for name, found in self.files.items() if fnmatchcase(name, path)]
        return [self.files[path]] if path in self.files else []

    def look(self, path: str) -> Seen:
        self.looks[path] += 1
        matching = self._matching(path)
        assert self.engine is not None
        asked = path in self.engine.grounds([path], self.now)
        ground = self.ground.get(path, "") if asked else ""
        for found in matching:
            if found.problem:
                return Seen(None, found.problem)
        mtime = max((found.mtime for found in matching if found.mtime is not None), default=None)
        return self.fixer.look(path, Seen(mtime, ground=ground))

    def _feed(self, path: str, period: float) -> None:
        """An outside source that writes `path` every `period` seconds while it is switched on."""
        self.outside[path] = True

        def tick() -> None:
            if self.outside[path]:
                self.write(path, "outside")
            self.after(period, tick)

        tick()

    def _true_file(self, path: str) -> TrueFile:
        matching = self._matching(path)
        present = [found for found in matching if found.mtime is not None]
        return max(present, key=lambda found: found.written, default=TrueFile(path))

    def truly_fresh(self, path: str) -> bool:
        """Whether the file is younger than its max_age, or as new as its idle producers can make it."""
        spec, file = self.file_specs[path], self._true_file(path)
        if path in self.configs and path in self.pipeline.configs and not self.fixer.is_sound(path):
            return False
        if file.mtime is None:
            # gone for less than its limit: rotated
            last = max((found.written for found in self._matching(path)), default=float("-inf"))
            return self.mono - last < (spec.max_age or 0.0)
        if spec.max_age is None or self.mono - file.written < spec.max_age:
            return True
        producers = self.pipeline.producers[path]
        return bool(producers) and all(self._truly_idle(name, file.written) for name in producers)

    def _truly_idle(self, name: str, written: float) -> bool:
        spec = self.pipeline.workers[name]
        triggers = self._triggers(spec)
        moved = [self._true_file(path).written for path in triggers]
        return (
            bool(triggers)
            and max(moved) <= written
            and all(self.truly_fresh(item.path) for item in spec.inputs if item.required)
        )

    def _triggers(self, spec: WorkerSpec) -> list[str]:
        return [
            item.path
            for item in spec.inputs
            if self.file_specs[item.path].max_age is not None and (spec.trigger is None or item.path in spec.trigger)
        ]

    # --- programs and supervisord ----------------------------------------------------------------------------

    def _spawn(self, name: str) -> None:
        program = self.programs[name]
        self._pids += 1
        self.starts[name] += 1
        program.generation += 1
        program.pid, program.start, program.start_mono = self._pids, self.wall, self.mono
        program.hung = program.exited_well = program.by_operator = False
        generation = program.generation
        self._change(name, ProcessState.STARTING)
        if program.doomed:
            program.doomed -= 1
            self.after(program.startsecs / 2, lambda: self._crash_early(name, generation))
            return
        self.after(program.startsecs, lambda: self._up(name, generation))
        if program.crash_after:
            self.after(program.crash_after, lambda: self._exit(name, generation, well=False))
        self.after(max(program.slow_starts, program.startsecs), lambda: self._tick(name, generation))

    def _crash_early(self, name: str, generation: int) -> None:
        program = self.programs[name]
        if program.generation != generation or program.state is not ProcessState.STARTING:
            return
        program.pid = 0
        program.tries += 1
        if program.tries > program.retries:
            program.tries = 0
            self._change(name, ProcessState.FATAL)
            return
        self._change(name, ProcessState.BACKOFF)
        tries = program.tries

        def again() -> None:
            if program.state is ProcessState.BACKOFF and program.tries == tries:
                self._spawn(name)

        self.after(float(tries), again)

    def _up(self, name: str, generation: int) -> None:
        program = self.programs[name]
        if program.generation == generation and program.state is ProcessState.STARTING:
            program.tries = 0
            self._change(name, ProcessState.RUNNING)

    def _exit(self, name: str, generation: int, *, well: bool) -> None:
        program = self.programs[name]
        if program.generation != generation or program.state not in (ProcessState.RUNNING, ProcessState.STARTING):
            return
        if program.state is ProcessState.STARTING:
            self._crash_early(name, generation)
            return
        program.pid, program.exited_well = 0, well
        self._change(name, ProcessState.EXITED)
        if program.restarts_itself:

            def again() -> None:
                if program.generation == generation and program.restarts_itself:
                    self._spawn(name)

            self.after(0.5, again)

    def _stop(self, name: str) -> None:
        program = self.programs[name]
        generation = program.generation
        if program.state is ProcessState.BACKOFF:
            self._change(name, ProcessState.STOPPED)
            return
        self._change(name, ProcessState.STOPPING)

        def gone() -> None:
            if program.generation == generation and program.state is ProcessState.STOPPING:
                program.pid = 0
                self._change(name, ProcessState.STOPPED)

        self.after(program.stop_delay, gone)

    def _change(self, name: str, state: ProcessState) -> None:
        program = self.programs[name]
        program.state = state
        if state in (ProcessState.RUNNING, ProcessState.FATAL, ProcessState.BACKOFF, ProcessState.EXITED):
            self._in_hand.discard(name)
        self.tell_healer(ProcessTable((program.row(),), complete=False))

    def _tick(self, name: str, generation: int) -> None:
        program = self.programs[name]
        if program.generation != generation or program.state not in (ProcessState.RUNNING, ProcessState.STARTING):
            return
        if not program.hung and not program.cursed:
            triggers = self._triggers(program.spec)
            newest = max((self._true_file(path).written for path in triggers), default=self.mono)
            if newest > program.consumed:
                if program.work:
                    self.after(program.work, lambda: self._produce(name, generation, newest))
                else:
                    self._produce(name, generation, newest)
        self.after(program.period, lambda: self._tick(name, generation))

    def _produce(self, name: str, generation: int, consumed: float) -> None:
        program = self.programs[name]
        up = program.state in (ProcessState.RUNNING, ProcessState.STARTING)
        if program.generation != generation or program.hung or program.cursed or not up:
            return
        program.consumed = max(program.consumed, consumed)
        program.rounds += 1
        for path in program.spec.outputs:
            if (
                path not in program.mute
                and path not in self.ground
                and program.rounds % program.every.get(path, 1) == 0
            ):
                self.write(path.replace("*", "1"), name, generation=generation)
        if program.spec.kind is Kind.JOB:
            self._exit(name, generation, well=True)

    # faults

    def hang(self, name: str) -> None:
        """Alive, and writes nothing, until it is restarted."""
        self.programs[name].hung = True

    def curse(self, name: str) -> None:
        """Writes nothing, however often it is restarted."""
        self.programs[name].cursed = True

    def cure(self, name: str) -> None:
        self.programs[name].cursed = False
        self.programs[name].hung = False
        self.programs[name].doomed = 0
        self.programs[name].crash_after = 0.0

    def die(self, name: str, *, well: bool = False) -> None:
        self._exit(name, self.programs[name].generation, well=well)

    def doom(self, name: str, starts: int) -> None:
        """Dies now, and the next `starts` starts crash before startsecs."""
        self.programs[name].doomed = starts
        self.die(name)

    def lose(self, orders: int) -> None:
        """The next orders get lost on their way."""
        self.losing = orders

    # operators

    def operator_stop(self, name: str) -> None:
        program = self.programs[name]
        program.by_operator = True
        if program.state in (ProcessState.RUNNING, ProcessState.STARTING, ProcessState.BACKOFF):
            self._stop(name)
        else:
            self.tell_healer(ProcessTable((program.row(),), complete=False))
        self._in_hand.discard(name)

    def operator_start(self, name: str) -> None:
        program = self.programs[name]
        program.by_operator = False
        if program.state in (ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL):
            program.tries = 0
            self._spawn(name)

    def heal(self, name: str, *, force: bool = False, dry_run: bool = False, id: str = "") -> str:  # noqa: A002
        """An operator's heal; the request's id."""
        self._requests += 1
        request = HealRequest(id or f"r{self._requests}", name, dry_run=dry_run, force=force)
        if not dry_run:
            self.fixer.done.clear()
            for each in self.programs if name == "all" else [name]:
                self.healer_starts[each] = []
                if force:
                    self._forced.add(each)
        self.tell_healer(request)
        return request.id

    def unmonitor(self, name: str, seconds: float = 0.0) -> str:
        self._requests += 1
        self.tell_healer(MonitorRequest(f"r{self._requests}", name, seconds))
        return f"r{self._requests}"

    def verify(self) -> str:
        self._requests += 1
        self.tell_healer(VerifyRequest(f"r{self._requests}"))
        return f"r{self._requests}"

    def restore(self, path: str, id: str = "") -> str:  # noqa: A002
        self._requests += 1
        return self.fixer.restore(path, id or f"r{self._requests}")

    def halt(self) -> None:
        """supervisord goes down."""
        assert self.engine is not None
        self.halted = True
        self.engine.halt("supervisord is shutting down")

    def monitor(self, name: str) -> str:
        self._requests += 1
        self.tell_healer(MonitorRequest(f"r{self._requests}", name, None))
        return f"r{self._requests}"

    # --- the healer --------------------------------------------------------------------------------------------

    def tell_healer(self, event: Any) -> None:
        if self.engine is not None and not self.deaf:
            self.inbox.append(event)

    def begin_healer(self, *, same_boot: bool = True) -> None:
        """A healer starts: with what the journal knows, and the whole process table."""
        self.pipeline = self._pipeline()
        self.lives += 1
        self.fixer.begin_anew()
        self.engine = Engine(self.pipeline, draw=self.draw, **self._policies())
        memories: dict[str, dict[str, Any]] = defaultdict(dict)
        for (kind, name), text in self.journal.items():
            memories[kind][name] = json.loads(text)
        if self.journal:
            self.engine.restore(memories, self.seen_alive, self.now, same_boot=same_boot)
        self.inbox = [self.table()]
        self.wake = self.mono

    def change(self, workers: Sequence[WorkerSpec], files: Iterable[FileSpec] = ()) -> None:
        """The architecture is changed while the healer runs (SIGHUP)."""
        self.specs = list(workers)
        declared = {spec.path: spec for spec in files}
        for spec in workers:
            for path in (*spec.outputs, *(item.path for item in spec.inputs)):
                self.file_specs[path] = declared.get(path, self.file_specs.get(path, file(path)))
            if spec.name in self.programs:
                self.programs[spec.name].spec = spec
        self.adopt()

    def adopt(self) -> None:
        """The healer learns what architecture and programs there are now."""
        self.pipeline = self._pipeline()
        assert self.engine is not None
        self.engine.adopt(self.pipeline, **self._policies())
        self.tell_healer(self.table())

    def _policies(self) -> dict[str, Any]:
        has = self.components is not None
        return {"mode": self.mode, "cycle": self.cycle, "restarts_overall": self.overall, "has_components": has}

    def table(self) -> ProcessTable:
        return ProcessTable(tuple(program.row() for program in self.programs.values() if program.known))

    def kill_healer(self, *, orderly: bool = False) -> None:
        if self.engine is not None and orderly:
            for memory in self.engine.file_memories():
                self._remember(memory)
        self.engine = None
        self.fixer.begin_anew()  # its child goes with it
        self.inbox = []

    def restart_healer(self, after: float = 0.0, *, same_boot: bool = True) -> None:
        self.kill_healer()
        self.run(after)
        self.begin_healer(same_boot=same_boot)

    def kill_at(self, what: type | Callable[[Decision], bool], *, before: bool = True) -> None:
        """Kill the healer at the next such decision, before or after it is carried out."""
        self.kill_when = what if not isinstance(what, type) else lambda decision: isinstance(decision, what)
        self.kill_before = before

    def reboot(self, gap: float) -> None:
        """The host goes down and comes up `gap` seconds later: every process anew, another monotonic clock."""
        self.kill_healer()
        self._queue.clear()
        self.run(gap)
        for path, on in self.outside.items():
            if on:
                self._feed(path, 10.0)
        shift = -self.mono + 10.0
        self.offset -= shift
        self._queue = [(moment + shift, count, what) for moment, count, what in self._queue]
        self.mono += shift
        for file in self.files.values():
            file.written += shift
        for name in self.healer_starts:
            self.healer_starts[name] = [moment + shift for moment in self.healer_starts[name]]
        self.host_restarts = [moment + shift for moment in self.host_restarts]
        for name, program in self.programs.items():
            program.consumed += shift
            program.by_operator = False
            if program.autostart:
                self._spawn(name)
            else:
                program.state, program.pid, program.start = ProcessState.STOPPED, 0, 0.0
        self.begin_healer(same_boot=False)

    def _turn(self) -> None:
        engine = self.engine
        assert engine is not None
        self.turns += 1
        now = self.now
        events, self.inbox = self.inbox, []
        for event in events:
            engine.hear(event, now)
        if self.eager:
            engine.examine_all()
        while paths := engine.wanted(now):
            engine.see({path: self.look(path) for path in paths}, now)
        if self.eager:
            engine.see({path: self.look(path) for path in engine.tracks}, now)
        decisions = engine.decide(now)
        self.seen_alive = now
        self._check_reasons(decisions)
        record = [decision for decision in decisions if isinstance(decision, Remember | Note)]
        answers = [decision for decision in decisions if isinstance(decision, Tell | Answer)]
        if (report := engine.take_report()) is not None:
            self.reports.append(report)
        rest = (Remember, Note, Tell, Answer)
        orders = [[decision] for decision in decisions if not isinstance(decision, rest)]
        for batch in (record, answers, *orders):  # the journal takes a turn's record as a whole, or not at all
            fatal = self.kill_when is not None and any(map(self.kill_when, batch))
            if not (fatal and self.kill_before):
                for decision in batch:
                    self._execute(decision)
            if fatal:
                self.kill_when = None
                self.kill_healer()
                return
        if self.mono >= self._next_saving:
            self._next_saving = self.mono + self.cycle
            for memory in engine.file_memories():
                self._remember(memory)
        for name in engine.take_concluded():
            self._note_transition(name)
        self.wake = engine.next_wake()
        if self.eager:
            self.wake = min(self.wake, (int(self.mono / self.eager + 1e-6) + 1) * self.eager)

    def _note_transition(self, name: str) -> None:
        state = str(self.state(name))
        passed = self.transitions[name]
        if not passed or passed[-1] != state:
            passed.append(state)

    def _remember(self, memory: Remember) -> None:
        self.journal[memory.kind, memory.name] = json.dumps(memory.memory, allow_nan=False)

    def _execute(self, decision: Decision) -> None:
        match decision:
            case Remember():
                self._remember(decision)
            case Note():
                self.history.append((self.elapsed, decision))
                if decision.event == "healed":
                    self._check_healed(decision)
            case Tell():
                self.told[decision.request].append(decision.text)
            case Answer():
                self.answers[decision.request] = decision
            case Create() | Repair() | Restore():
                self.fixer.take(decision)
            case Signal():
                self._signal(decision)
            case Consult():
                self.consults += 1
                life = self.lives
                self.after(0.5, lambda: self._consult(life))
            case Stop() | Start():
                self.orders.append((self.elapsed, decision))
                if self.losing:
                    self.losing -= 1
                else:
                    self._order(decision)

    def _signal(self, decision: Signal) -> None:
        program = self.programs[decision.worker]
        self.signals.append((self.elapsed, decision))
        if program.state is not ProcessState.RUNNING or program.pid != decision.pid or self.halted:
            self.broken(f"{decision} although it is {program.state} as {program.pid}")

    def _consult(self, life: int) -> None:
        assert self.components is not None
        if self.lives == life:
            for result in self.components():
                self.tell_healer(result)

    def _order(self, decision: Stop | Start) -> None:
        program = self.programs[decision.worker]
        name = decision.worker
        self._check_order(decision)
        if isinstance(decision, Stop):
            up = program.state in (ProcessState.RUNNING, ProcessState.STARTING)
            if program.state is ProcessState.BACKOFF and decision.pid == 0:
                self._in_hand.add(name)
                self._stop(name)
            elif decision.pid <= 0:
                self.tell_healer(OrderFailed(name, "no pid was given"))
            elif up and program.pid == decision.pid:
                self._check_gate(name)
                self._in_hand.add(name)
                self._stop(name)
            else:
                self.tell_healer(ProcessTable((program.row(),), complete=False))
        elif program.state is ProcessState.STOPPING:
            self.tell_healer(OrderFailed(name, "still stopping"))
        elif program.state in (ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL):
            if program.row().by_operator:
                self.tell_healer(ProcessTable((program.row(),), complete=False))
                return
            if program.state is not ProcessState.STOPPED:
                self._check_gate(name)
            self._count_restart(name)
            self._in_hand.add(name)
            program.tries = 0
            self._spawn(name)
        else:
            self.tell_healer(ProcessTable((program.row(),), complete=False))

    # --- the promises --------------------------------------------------------------------------------------------

    def broken(self, promise: str) -> None:
        raise BrokenPromiseError(f"{promise}\n{self.transcript()}")

    def _check_gate(self, name: str) -> None:
        """No restart with an input that is not truly fresh, unless forced."""
        for item in self.programs[name].spec.inputs:
            if item.required and name not in self._forced and not self.truly_fresh(item.path):
                self.broken(f"{name} restarted although {item.path} is not fresh")

    def _check_order(self, decision: Stop | Start) -> None:
        program = self.programs[decision.worker]
        if program.row().by_operator and not self.deaf:
            self.broken(f"{decision} although an operator stopped it")
        if decision.worker not in self.pipeline.workers:
            return  # it has left the architecture, and is only seen to its start
        for other in self.pipeline.relatives(decision.worker):
            if other in self._in_hand:
                self.broken(f"{decision} while its relative {other} is being restarted")
        if self.mode is Mode.OBSERVE:
            self.broken(f"{decision} in mode observe")

    def _count_restart(self, name: str) -> None:
        spec = self.programs[name].spec
        mine = self.healer_starts[name]
        mine.append(self.mono)
        inside = [moment for moment in mine if self.mono - moment < spec.restarts.within]
        if len(inside) > spec.restarts.max:
            self.broken(f"{name}: {len(inside)} restarts within {spec.restarts.within}")
        self.host_restarts.append(self.mono)
        limit = self.overall or Intensity(max(5, len(self.specs) // 3), 600.0)
        inside = [moment for moment in self.host_restarts if self.mono - moment < limit.within]
        if len(inside) > limit.max:
            self.broken(f"{len(inside)} restarts of all workers within {limit.within}")

    def _check_healed(self, note: Note) -> None:
        program = self.programs[note.worker]
        spec = self.pipeline.workers[note.worker]
        if not spec.outputs:
            if self.mono - program.start_mono < (spec.startup_grace or 60.0) - 0.5:
                self.broken(f"{note.worker} called healed before its start-up grace")
            return
        for path in spec.outputs:
            for moment, writer, generation in reversed(self.files.get(path.replace("*", "1"), TrueFile(path)).writes):
                if writer == note.worker and generation == program.generation and moment >= program.start_mono:
                    return
        self.broken(f"{note.worker} called healed without new output")

    def _check_reasons(self, decisions: Sequence[Decision]) -> None:
        begun = {
            decision.worker for decision in decisions if isinstance(decision, Note) and decision.event == "restart"
        }
        for decision in decisions:
            match decision:
                case Note() if not decision.text or (
                    decision.worker and decision.event == "restart" and not decision.evidence
                ):
                    self.broken(f"{decision} without a reason")
                case Answer() if not decision.reason:
                    self.broken(f"{decision} without a reason")
                case Stop() | Start() if decision.worker not in begun and not self.engine_follows(decision.worker):
                    self.broken(f"{decision} without a note")

    def engine_follows(self, name: str) -> bool:
        return any(note.worker == name and note.event == "restart" for _, note in self.history)

    # --- what a test asks ------------------------------------------------------------------------------------------

    def remembered(self, kind: str, name: str) -> dict[str, Any]:
        """What the journal holds, {} where it holds nothing."""
        data: dict[str, Any] = json.loads(self.journal.get((kind, name), "{}"))
        return data

    @property
    def report(self) -> Report:
        """The last one."""
        return self.reports[-1]

    def told_of(self, subject: str, *lists: str) -> list[Entry]:
        """The entries of the last report on `subject`, in all lists or in these."""
        every = lists or ("healed", "failed", "blocked", "warnings")
        return [entry for name in every for entry in getattr(self.report, name) if entry.subject == subject]

    def dependent(self, name: str) -> ConsumerVerdict:
        """What is concluded about a consumer at this moment."""
        assert self.engine is not None
        self.engine.look_around(self.now)
        return self.engine.consumers[name]

    def mends(self, path: str = "") -> list[str]:
        """What was ordered for files and configs, ``repair``, or for all of them ``repair path``."""
        names = [(type(order).__name__.lower(), order.path) for _, order in self.fixer.orders]
        return [f"{verb} {at}" if not path else verb for verb, at in names if path in ("", at)]

    def state(self, name: str) -> Health:
        """As published."""
        if self.engine is None or name not in self.engine.verdicts:
            return Health.UNKNOWN
        return self.engine.verdicts[name].state

    def reason(self, name: str) -> str:
        assert self.engine is not None
        return self.engine.verdicts[name].reason

    def states(self) -> dict[str, str]:
        return {name: str(self.state(name)) for name in self.pipeline.workers}

    def story(self, name: str | None = None) -> list[str]:
        """The events of history that tell what happened, for one worker or as ``worker event`` for all."""
        return [
            note.event if name is not None else f"{note.worker} {note.event}".strip()
            for _, note in self.history
            if note.event in PLOT and (name is None or note.worker == name)
        ]

    def deeds(self, name: str) -> list[str]:
        """The story without what was only concluded."""
        return [event for event in self.story(name) if event not in ("convicted", "refused", "recovered")]

    def times(self, name: str, event: str) -> list[float]:
        return [at for at, note in self.history if note.worker == name and note.event == event]

    def last(self, event: str) -> str:
        """The text of the last such line of history."""
        return [note.text for _, note in self.history if note.event == event][-1]

    def restarts(self) -> dict[str, int]:
        """Starts that supervisord logged, by worker."""
        return dict(self.starts)

    def transcript(self) -> str:
        lines = [(at, f"{note.worker:12} {note.event:12} {note.text}") for at, note in self.history]
        lines += [(at, f"{order.worker:12} {type(order).__name__.upper():12} {order}") for at, order in self.orders]
        lines += [(at, f"{'':12} {'MEND':12} {order}") for at, order in self.fixer.orders]
        lines += [
            (self.elapsed, f"answer {key} {answer.exit_status} {answer.reason}") for key, answer in self.answers.items()
        ]
        lines += [(self.elapsed, f"{name:12} {state}") for name, state in self.states().items()]
        lines.sort(key=lambda line: line[0])
        return "\n".join(f"{at:10.2f} {text}" for at, text in lines)
