"""Worlds by seed: pipelines of every shape, at every pace, and what goes wrong with them.

`PIPELINES` has one entry for each sort of world. Several are there because a first, simpler set of rules failed in
them: batch workers, joins of different periods, a rare output beside a frequent one, slow workers on fast inputs,
inputs that flicker, idle producers, crash loops, hangs that no restart cures, clocks that jump, many stalls at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor_healer.core.model import ConfigSpec, FileSpec, InputSpec, Intensity, WorkerSpec
from supervisor_healer.simulation.case import Case, Fault
from supervisor_healer.simulation.timeline import DAY, HOUR, MINUTE
from supervisor_healer.simulation.world import Plan

LIMITS = (1 * MINUTE, 5 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE)
BUDGETS = (Intensity(6, HOUR), Intensity(6, HOUR), Intensity(2, HOUR), Intensity(3, 30 * MINUTE))


@dataclass
class Sketch:
    """A plan that is being drawn. `interval`: path -> seconds between two of its moves when all is well; `limits`: the
    max_ages that are common in it."""

    rng: random.Random
    workers: list[WorkerSpec] = field(default_factory=list)
    files: dict[str, FileSpec] = field(default_factory=dict)
    outside: dict[str, float] = field(default_factory=dict)
    programs: dict[str, dict[str, Any]] = field(default_factory=dict)
    interval: dict[str, float] = field(default_factory=dict)
    limits: Sequence[float] = LIMITS
    configs: list[ConfigSpec] = field(default_factory=list)

    def declare(self, path: str, max_age: float, interval: float) -> str:
        """A file with its limit, and how often it really moves."""
        grace = max_age * self.rng.choice((0.25, 0.5, 0.5, 1.0))
        self.files[path] = FileSpec(path, max_age, grace, critical=self.rng.random() < 0.3)
        self.interval[path] = interval
        return path

    def source(self, max_age: float | None = None, pace: float = 0.0) -> str:
        """A file from outside, written every `pace` max_ages."""
        age = max_age or self.rng.choice(self.limits)
        interval = age * (pace or self.rng.choice((0.2, 0.3, 0.5)))
        path = self.declare(f"in{len(self.outside)}", age, interval)
        self.outside[path] = interval
        return path

    def worker(
        self,
        reads: Sequence[str],
        *,
        outputs: int = 1,
        max_age: float = 0.0,
        work: float = 0.0,
        every: Sequence[int] = (),
        **options: Any,
    ) -> str:
        """A worker that writes whenever one of `reads` has moved; `work` in units of its max_age; its name.

        Its limit is at least the quickest interval at which it has something to do, with room for its work.
        """
        rng = self.rng
        name = f"w{len(self.workers)}"
        fastest = min((self.interval[path] for path in reads), default=0.0)
        age = max_age or rng.choice(self.limits)
        while not max_age and age * (0.9 - work) < fastest + age / 8:
            age *= 2
        period = max(1.0, age / rng.choice((8, 10, 15)))
        interval = max(fastest, period) + period + work * age
        writes = []
        for number in range(outputs):
            share = every[number] if number < len(every) else 1
            path = self.declare(f"{name}.{number}", age * share, interval * share)
            writes.append(path)
        self.workers.append(
            WorkerSpec(
                name,
                name,
                inputs=tuple(InputSpec(path, required=rng.random() > 0.08) for path in reads),
                outputs=tuple(writes),
                critical=rng.random() < 0.3,
                attempts=rng.choice((3, 3, 3, 1, 5)),
                restarts=rng.choice(BUDGETS),
                startup_grace=rng.choice((None, None, 20.0, 120.0)),
                retry_after=rng.choice((10 * MINUTE, HOUR, HOUR)),
            )
        )
        self.programs[name] = {
            "period": period,
            "work": work * age,
            "autorestart": rng.random() < 0.5,
            "stop_delay": rng.choice((0.01, 0.5, 8.0)),
            "slow_starts": rng.choice((0.0, 0.0, 5.0, 15.0)),
            "forgets": rng.random() < 0.2 and fastest < age,  # else no attempt would leave it the time
            "every": {path: share for path, share in zip(writes, every, strict=False) if share > 1},
            **options,
        }
        return name

    def config(self, *readers: str) -> None:
        """A config that these workers read; some are told of its repair by a signal, the others by a restart."""
        path = f"config{len(self.configs)}"
        told = self.rng.sample(readers, self.rng.randint(0, len(readers)))
        others = tuple(name for name in readers if name not in told)
        self.configs.append(ConfigSpec(path, "json", signal="HUP", signalled=tuple(told), restarted=others))
        self.workers = [
            replace(spec, inputs=(*spec.inputs, InputSpec(path))) if spec.name in readers else spec
            for spec in self.workers
        ]

    def outputs(self, *names: str) -> list[str]:
        """What these workers write."""
        return [path for spec in self.workers if spec.name in names for path in spec.outputs]

    def plan(self) -> Plan:
        """The finished drawing."""
        rng = self.rng
        overall = rng.choice((None, None, None, Intensity(2, 10 * MINUTE), Intensity(1000, 10 * MINUTE)))
        cycle = max(60.0, min((spec.max_age or HOUR for spec in self.files.values()), default=60.0))
        return Plan(
            self.workers,
            list(self.files.values()),
            self.outside,
            self.programs,
            cycle=cycle,
            overall=overall,
            configs=self.configs,
        )


# --- pipelines -----------------------------------------------------------------------------------------------


def _chain(sketch: Sketch) -> None:
    reads = [sketch.source()]
    for _ in range(sketch.rng.randint(2, 6)):
        reads = sketch.outputs(sketch.worker(reads, work=sketch.rng.choice((0.0, 0.1, 0.3))))


def _diamond(sketch: Sketch) -> None:
    head = sketch.outputs(sketch.worker([sketch.source()]))
    arms = [sketch.worker(head) for _ in range(sketch.rng.randint(2, 4))]
    sketch.worker(sketch.outputs(*arms))


def _fan_out(sketch: Sketch) -> None:
    head = sketch.outputs(sketch.worker([sketch.source()]))
    for _ in range(sketch.rng.randint(3, 8)):
        sketch.worker(head)


def _fan_in(sketch: Sketch) -> None:
    ends = [sketch.worker([sketch.source()]) for _ in range(sketch.rng.randint(2, 5))]
    sketch.worker(sketch.outputs(*ends))


def _random(sketch: Sketch, most: int = 8) -> None:
    """Any shape: some roots, some workers that keep their own time, some without outputs."""
    rng = sketch.rng
    paths = [sketch.source() for _ in range(rng.randint(1, 3))]
    for _ in range(rng.randint(2, most)):
        reads = [] if rng.random() < 0.08 else rng.sample(paths, min(len(paths), rng.choice((1, 1, 2, 3))))
        name = sketch.worker(reads, outputs=rng.choice((1, 1, 1, 2, 0)), work=rng.choice((0.0, 0.0, 0.2)))
        paths += sketch.outputs(name)


def _wide(sketch: Sketch) -> None:
    """Up to 200 workers."""
    rng = sketch.rng
    paths = [sketch.source(rng.choice(LIMITS[3:])) for _ in range(rng.randint(2, 6))]
    for _ in range(rng.randint(40, 200)):
        name = sketch.worker(rng.sample(paths, min(len(paths), rng.choice((1, 1, 2)))))
        paths = (paths + sketch.outputs(name))[-40:]


def _batch(sketch: Sketch) -> None:
    """The input moves once in hours, and the output may be no older than minutes while there is work."""
    rng = sketch.rng
    source = sketch.source(rng.choice((4.0, 8.0)) * HOUR, pace=0.5)
    age = rng.choice((5 * MINUTE, 20 * MINUTE, HOUR))
    first = sketch.worker([source], max_age=age, work=rng.choice((0.1, 0.5)))
    sketch.worker(sketch.outputs(first), max_age=age * rng.choice((1, 2)))


def _idle(sketch: Sketch) -> None:
    """A reader of a fast input and of what a producer writes once in hours: that is as new as it can be."""
    rng = sketch.rng
    source = sketch.source(rng.choice((4.0, 8.0)) * HOUR, pace=0.5)
    rare = sketch.worker([source], max_age=20 * MINUTE)
    quick = sketch.worker([sketch.source(5 * MINUTE)])
    sketch.worker(sketch.outputs(rare, quick))


def _join(sketch: Sketch) -> None:
    """Inputs with different periods; who joins them waits while one of them is stale."""
    fast = sketch.worker([sketch.source(1 * MINUTE)])
    slow = sketch.worker([sketch.source(HOUR)])
    reads = [*sketch.outputs(fast, slow), sketch.source(15 * MINUTE)]
    sketch.worker(reads, needs={path: sketch.files[path].limit for path in reads})


def _rare(sketch: Sketch) -> None:
    """One frequent and one rare output."""
    rng = sketch.rng
    name = sketch.worker([sketch.source(5 * MINUTE)], outputs=2, every=(1, rng.choice((4, 12))))
    frequent, seldom = sketch.outputs(name)
    sketch.worker([frequent])
    sketch.worker([seldom])


def _slow(sketch: Sketch) -> None:
    """Slow workers on fast inputs; the last may be always late, and never stale."""
    rng = sketch.rng
    reads = [sketch.source(1 * MINUTE)]
    count = rng.randint(1, 3)
    for number in range(1, count + 1):
        work = rng.choice((0.6, 0.6, 1.0)) if number == count else 0.6
        age = max(rng.choice((10, 20, 30)) * MINUTE, 2 * sketch.interval[reads[0]])  # less would never be met
        reads = sketch.outputs(sketch.worker(reads, max_age=age, work=work))


def _flicker(sketch: Sketch) -> None:
    """An input that is now fresh, now late, because its source is as slow as it may be."""
    source = sketch.source(sketch.rng.choice(LIMITS[:4]), pace=sketch.rng.choice((0.95, 1.05, 1.15)))
    reads = sketch.outputs(sketch.worker([source], max_age=2 * sketch.interval[source]))
    sketch.worker(reads)


def _configured(sketch: Sketch) -> None:
    """Workers that read configs, which are repaired."""
    first = sketch.worker([sketch.source()])
    second = sketch.worker(sketch.outputs(first))
    sketch.config(first, second)
    sketch.config(sketch.worker(sketch.outputs(first)))


PIPELINES: Mapping[str, Callable[[Sketch], None]] = {
    "chain": _chain,
    "diamond": _diamond,
    "fan_out": _fan_out,
    "fan_in": _fan_in,
    "random": _random,
    "batch": _batch,
    "idle": _idle,
    "join": _join,
    "rare": _rare,
    "slow": _slow,
    "flicker": _flicker,
    "configured": _configured,
    "wide": _wide,
}

BRIEF = ("chain", "diamond", "fan_in", "random", "join", "flicker", "slow", "configured")  # shapes of a fast life


# --- what goes wrong -----------------------------------------------------------------------------------------


def _amount(rng: random.Random, what: str) -> tuple[float, float]:
    """How strong a fault is, and how long it lasts."""
    brief = rng.choice((MINUTE, 10 * MINUTE, HOUR))
    long = rng.choice((20 * MINUTE, HOUR, 3 * HOUR))
    table: dict[str, Callable[[], tuple[float, float]]] = {
        "hang": lambda: (0.0, rng.choice((0.0, 0.0, 0.0, brief))),
        "die": lambda: (float(rng.random() < 0.2), 0.0),
        "doom": lambda: (float(rng.choice((1, 3, 5, 9))), 0.0),
        "crash_loop": lambda: (rng.choice((2.0, 20.0, 200.0)), long),
        "curse": lambda: (0.0, long),
        "delay": lambda: (rng.choice((2 * MINUTE, 10 * MINUTE, HOUR)), long),
        "mute": lambda: (0.0, long),
        "garble": lambda: (0.0, brief),
        "fill": lambda: (0.0, long),
        "date_ahead": lambda: (rng.choice((10.0, HOUR, DAY)), long),
        "outage": lambda: (0.0, rng.choice((long, brief))),
        "flicker": lambda: (rng.choice((MINUTE, 7 * MINUTE)), long),
        "grain": lambda: (rng.choice((1.0, 2.0)), long),
        "lag": lambda: (rng.choice((0.005, 1.0, 20.0)), long),
        "kill": lambda: (0.0, rng.choice((0.0, 0.0, MINUTE, HOUR))),
        "kill_at": lambda: (float(rng.randrange(6)), rng.choice((0.0, 0.0, brief))),
        "reboot": lambda: (rng.choice((20.0, 10 * MINUTE, 6 * HOUR)), 0.0),
        "fail_journal": lambda: (0.0, long),
        "lose_events": lambda: (float(rng.randint(1, 20)), 0.0),
        "double_events": lambda: (float(rng.randint(1, 20)), 0.0),
        "delay_events": lambda: (rng.choice((0.5, 4.0)), brief),
        "lose_orders": lambda: (float(rng.randint(1, 3)), 0.0),
        "lose_answers": lambda: (float(rng.randint(1, 3)), 0.0),
        "latency": lambda: (rng.choice((0.1, 2.0, 5.0)), brief),
        "step": lambda: (rng.choice((-2 * HOUR, -HOUR, -60.0, -7.0, 7.0, 60.0, HOUR, DAY)), 0.0),
        "suspend": lambda: (rng.choice((600.0, 2 * HOUR, 9 * HOUR)), 0.0),
        "stall": lambda: (rng.choice((16.0, 5 * MINUTE, 2 * HOUR)), 0.0),
        "stop": lambda: (0.0, rng.choice((MINUTE, HOUR, 0.0))),
        "ambush": lambda: (rng.choice((0.0, 0.02, 0.3, 2.0)), rng.choice((0.0, HOUR))),
        "unmonitor": lambda: (0.0, brief),
        "observe": lambda: (0.0, long),
        "spoil": lambda: (rng.choice((0.0, 0.0, MINUTE, 9 * MINUTE)), long),
    }
    return table[what]() if what in table else (0.0, 0.0)


WORKERS_FAULTS = ("hang",) * 6 + ("die", "doom", "crash_loop", "curse", "delay", "mute", "garble", "remove", "fill")
SOURCES_FAULTS = ("outage", "outage", "flicker")
HEALERS_FAULTS = (
    "kill", "kill_at", "kill_at", "reload", "reboot", "lose_journal", "fail_journal", "lose_events", "double_events",
    "delay_events", "lose_orders", "lose_answers", "latency",
)  # fmt: skip
CLOCKS_FAULTS = ("step", "step", "suspend", "stall", "grain", "lag", "date_ahead")
OPERATORS_FAULTS = (
    "stop", "stop", "start", "ambush", "ambush", "unmonitor", "observe", "heal", "heal", "heal_all", "force",
)  # fmt: skip

#: What may go wrong in a world of that mood, each group as often as it stands there.
MOODS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "calm": (("hang",), ("hang",), SOURCES_FAULTS),
    "usual": (WORKERS_FAULTS, WORKERS_FAULTS, SOURCES_FAULTS),
    "restless": (WORKERS_FAULTS, WORKERS_FAULTS, SOURCES_FAULTS, HEALERS_FAULTS),
    "meddling": (WORKERS_FAULTS, WORKERS_FAULTS, SOURCES_FAULTS, OPERATORS_FAULTS),
    "timeless": (WORKERS_FAULTS, WORKERS_FAULTS, SOURCES_FAULTS, CLOCKS_FAULTS),
    "worst": (WORKERS_FAULTS, WORKERS_FAULTS, SOURCES_FAULTS, HEALERS_FAULTS, CLOCKS_FAULTS, OPERATORS_FAULTS),
}
OF_A_SOURCE = frozenset(SOURCES_FAULTS)
OF_THE_HOST = ("step", "suspend", "stall", "reboot")
OF_NOBODY = frozenset((*HEALERS_FAULTS, *OF_THE_HOST, "grain", "lag", "ambush", "heal_all", "observe"))
AT_ONCE = ("hang", "die")  # that may befall many at once


def draw_faults(
    rng: random.Random, plan: Plan, mood: Sequence[Sequence[str]], seconds: float, count: int
) -> list[Fault]:
    """`count` faults within the time; some come in a burst, and some strike many workers at once."""
    faults: list[Fault] = []
    names = [spec.name for spec in plan.workers]
    moment = 0.0
    for _ in range(count):
        moment = rng.uniform(0.0, seconds) if rng.random() < 0.7 else moment + rng.choice((0.0, 0.1, 1.0, 30.0, 300.0))
        moment = min(seconds, round(moment, 2))
        what = rng.choice(rng.choice(mood))
        if plan.configs and rng.random() < 0.3:
            what = "spoil"
        how, lasts = _amount(rng, what)
        if what in OF_A_SOURCE:
            if plan.outside:
                faults.append(Fault(moment, what, rng.choice(list(plan.outside)), how, lasts))
        elif what == "spoil":
            faults.append(Fault(moment, what, rng.choice(plan.configs).path, how, lasts))
        elif what in OF_NOBODY:
            faults.append(Fault(moment, what, "", how, lasts))
            if what in OF_THE_HOST and rng.random() < 0.3:  # not everybody survives that
                faults.append(Fault(moment, "die", rng.choice(names)))
        elif what in AT_ONCE and rng.random() < 0.1:
            faults += [Fault(moment, what, name, how, lasts) for name in names if rng.random() < 0.6]
        else:
            faults.append(Fault(moment, what, rng.choice(names), how, lasts))
    return sorted(faults, key=lambda fault: fault.at)


def case_of(seed: int) -> Case:
    """The world of that seed: the pipeline by its last digits, everything else drawn; every fourth lives fast."""
    rng = random.Random(f"world {seed}")
    shapes = [name for name in PIPELINES if name != "wide"]
    wide = seed % 50 == 49
    shape = "wide" if wide else shapes[seed % len(shapes)]
    brief = seed % 4 == 3 and not wide
    if brief:
        shape = rng.choice(BRIEF)
    mood = rng.choice(list(MOODS))
    sketch = Sketch(rng, limits=LIMITS[:1] if brief else LIMITS)
    PIPELINES[shape](sketch)
    plan = sketch.plan()
    seconds = rng.choice((1, 2, 3)) * HOUR if brief or wide else rng.choice((0.25, 0.5, 0.5, 1.0)) * DAY
    faults = draw_faults(rng, plan, MOODS[mood], seconds, rng.randint(3, 20))
    return Case(seed, f"{shape} {mood}", plan, faults, seconds)


#: Those in which a first set of rules failed, and two plain ones.
HARD_SHAPES = ("batch", "idle", "join", "rare", "slow", "flicker", "chain", "random")
HARD = "hard"  # the last word of their kind
HARD_MOOD = ("hang",) * 12 + ("die", "crash_loop", "curse", "delay", "outage", "outage", "flicker", "step", "stall")
HARD_FAULTS = 20


def hard_case(seed: int) -> Case:
    """Two days of one of the worlds that are hardest to judge, with a working healer and nobody who meddles.

    Most of what goes wrong are hangs that one restart cures; what else does makes them hard to tell.
    """
    rng = random.Random(f"hard world {seed}")
    sketch = Sketch(rng)
    shape = HARD_SHAPES[seed % len(HARD_SHAPES)]
    PIPELINES[shape](sketch)
    plan = sketch.plan()
    faults = draw_faults(rng, plan, (HARD_MOOD,), 2 * DAY, HARD_FAULTS)
    return Case(seed, f"{shape} {HARD}", plan, faults, 2 * DAY)
