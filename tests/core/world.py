"""The simulated world in the words of the core's tests: short pipelines, and what is asked of a transcript.

Everything simulated is in `supervisor_healer.simulation`, the promises included: a transcript that breaks one fails
at once.

    world = World(chain("engine", "predictor"))
    world.run(60)
    world.hang("predictor")
    world.run(20 * MINUTE)
    assert world.story("predictor") == ["convicted", "restart", "healed"]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import (
    ConfigSpec,
    ConsumerSpec,
    FileSpec,
    Health,
    InputSpec,
    Intensity,
    Mode,
    WorkerSpec,
)
from supervisor_healer.core.news import ComponentResult
from supervisor_healer.core.orders import Consult, Create, Decision, Repair, Restore, Signal
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.core.report import Entry, Report
from supervisor_healer.core.verdicts import ConsumerVerdict
from supervisor_healer.simulation.chronicle import Errand
from supervisor_healer.simulation.mender import HOPELESS, INVALID, MISSING, UNREADABLE, VALID
from supervisor_healer.simulation.timeline import BOOT, DAY, EPOCH, HOUR, MINUTE
from supervisor_healer.simulation.world import Plan, kills_at
from supervisor_healer.simulation.world import World as SimulatedWorld

__all__ = [
    "BOOT",
    "DAY",
    "EPOCH",
    "HOPELESS",
    "HOUR",
    "INVALID",
    "MINUTE",
    "MISSING",
    "UNREADABLE",
    "VALID",
    "World",
]

MAX_AGE = 5 * MINUTE
GRACE = 2.5 * MINUTE
LIMIT = MAX_AGE + GRACE
NO_LIMIT = Intensity(1000, 600.0)
SOURCES_PERIOD = 10.0  # seconds between two writes of an outside file

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
    return WorkerSpec(name, options.pop("program", name), inputs=_inputs(reads), outputs=tuple(writes), **options)


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
    return ConsumerSpec(name, _inputs(reads))


def _inputs(reads: Iterable[str]) -> tuple[InputSpec, ...]:
    return tuple(InputSpec(path.rstrip("?"), required=not path.endswith("?")) for path in reads)


def declared(
    readers: Iterable[WorkerSpec | ConsumerSpec], files: Iterable[FileSpec], configs: Iterable[ConfigSpec] = ()
) -> dict[str, FileSpec]:
    """`files`, and whatever else is read or written or a config, with the usual limits."""
    result: dict[str, FileSpec] = {spec.path: file(spec.path, None) for spec in configs}
    for spec in readers:
        for path in (*getattr(spec, "outputs", ()), *(item.path for item in spec.inputs)):
            result.setdefault(path, file(path))
    return {**result, **{spec.path: spec for spec in files}}


# --- the world -----------------------------------------------------------------------------------------------


class World(SimulatedWorld):
    """Runs for two seconds before its healer begins, unless it is not `started`; `programs` are alike in `**programs`.

    `outside`: file -> the period of its source; None: each that nobody here writes has one. `eager`: the healer also
    looks at everything so often. Durations are seconds.
    """

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
        members: Mapping[str, Sequence[str]] | None = None,
        configs: Sequence[ConfigSpec] = (),
        contents: Mapping[str, str] | None = None,
        consumers: Sequence[ConsumerSpec] = (),
        components: Callable[[], Iterable[ComponentResult]] | None = None,
        **programs: Any,
    ) -> None:
        specs = declared((*workers, *consumers), files, configs)
        expansion = expand(workers, specs, members or {})
        if outside is None:
            by_nobody = Pipeline(expansion, consumers=consumers).outside
            unfed = {path for path, spec in expansion.files.items() if spec.max_age is None}
            unfed.update(spec.path for spec in configs)
            outside = {path: SOURCES_PERIOD for path in by_nobody if path not in unfed}
        plan = Plan(
            workers,
            list(specs.values()),
            outside,
            {spec.name: programs for spec in expansion.workers},
            mode,
            cycle,
            overall,
            members or {},
            consumers,
            configs,
            contents or {},
            components,
            ROOT,
        )
        super().__init__(plan, draw)
        chronicle = self.healer.chronicle
        self.history, self.orders, self.reports = chronicle.history, chronicle.orders, chronicle.reports
        self.answers, self.told = chronicle.answers, chronicle.told
        self.journal = self.healer.store.texts
        self.transitions: dict[str, list[str]] = defaultdict(list)
        self.healer.concluded = self._note_transition
        self.healer.eager = eager
        if started:
            self.run(2.0)
            self.begin_healer()

    def _note_transition(self, name: str) -> None:
        state, passed = str(self.state(name)), self.transitions[name]
        if not passed or passed[-1] != state:
            passed.append(state)

    # --- what happens ----------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], bool], within: float) -> float:
        """Run until `condition` holds; how long it took. Fails if it never does."""
        begun = self.time.mono
        if not self.run_until(begun + within, condition):
            raise AssertionError(f"not within {within} s\n{self.transcript()}")
        return self.time.mono - begun

    def until_state(self, name: str, state: Health, within: float = 2 * HOUR) -> float:
        return self.until(lambda: self.state(name) is state, within)

    def curse(self, name: str) -> None:
        """Writes nothing, however often it is restarted."""
        self.programs[name].cursed = True

    def cure(self, name: str) -> None:
        self.programs[name].cure()

    def restart_healer(self, after: float = 0.0, *, same_boot: bool = True) -> None:
        self.kill_healer()
        self.run(after)
        self.begin_healer(same_boot=same_boot)

    def kill_at(self, what: type | Callable[[Decision], bool], *, before: bool = True) -> None:
        """Kill the healer at the next such decision, before or after it is carried out."""
        self.healer.kill_when = kills_at(what) if isinstance(what, type) else what
        self.healer.kill_before = before

    def change(self, workers: Sequence[WorkerSpec], files: Iterable[FileSpec] = ()) -> None:
        """Other workers and limits while the healer runs; what was declared stays."""
        specs = declared(workers, (*self.plan.files, *files))
        self.adopt(workers=workers, files=list(specs.values()))

    # --- what a test asks ------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine | None:
        return self.healer.engine

    @property
    def report(self) -> Report:
        """The last one."""
        return self.reports[-1]

    def remembered(self, kind: str, name: str) -> dict[str, Any]:
        """What the journal holds, {} where it holds nothing."""
        return self.healer.store.remembered(kind, name)

    def told_of(self, subject: str, *lists: str) -> list[Entry]:
        """The entries of the last report on `subject`, in all lists or in these."""
        every = lists or ("healed", "failed", "blocked", "warnings")
        return [entry for name in every for entry in getattr(self.report, name) if entry.subject == subject]

    def dependent(self, name: str) -> ConsumerVerdict:
        """What is concluded about a consumer at this moment."""
        assert self.engine is not None
        self.engine.look_around(self.time.now)
        return self.engine.consumers[name]

    def errands(self, *kinds: type[Errand]) -> list[tuple[float, Any]]:
        """What was ordered of these kinds, and when."""
        return [(at, errand) for at, errand in self.healer.chronicle.errands if isinstance(errand, kinds)]

    @property
    def mend_orders(self) -> list[tuple[float, Create | Repair | Restore]]:
        return self.errands(Create, Repair, Restore)

    def mends(self, path: str = "") -> list[str]:
        """What was ordered for files and configs, ``repair``, or for all of them ``repair path``."""
        names = [(type(order).__name__.lower(), order.path) for _, order in self.mend_orders]
        return [f"{verb} {at}" if not path else verb for verb, at in names if path in ("", at)]

    @property
    def signals(self) -> list[tuple[float, Signal]]:
        return self.errands(Signal)

    @property
    def consults(self) -> int:
        return len(self.errands(Consult))

    def reason(self, name: str) -> str:
        assert self.engine is not None
        return self.engine.verdicts[name].reason

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
        return dict(self.host.starts)
