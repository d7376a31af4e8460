"""Incidents by seed for the comparison: a small pipeline in health, and one thing that goes wrong with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.core.model import FileSpec, InputSpec, WorkerSpec
from supervisor_healer.simulation.case import Fault
from supervisor_healer.simulation.timeline import MINUTE
from supervisor_healer.simulation.world import Plan

LIMITS = tuple(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240))  # the ages that people write down
ROOM = 1.5  # they allow at least so many times what it takes
AFTERWARDS = 3  # so many times the longest limit or period are watched after the end of the incident's cause


@dataclass(frozen=True, slots=True)
class Incident:
    """`faults` begin all at once; `over`: seconds until what no restart ends has ended by itself.

    `batch`: the pipeline has nothing to do most of the time. `curable`: a restart is the right cure. `calm`: seconds
    that the pipeline is watched in health before; `watched`: for how long from the incident's beginning.
    """

    kind: str
    batch: bool
    plan: Plan
    faults: Sequence[Fault]
    curable: bool
    over: float
    calm: float
    watched: float


@dataclass
class Draft:
    """A pipeline whose limits suit its pace. `interval`: path -> seconds between two of its moves."""

    rng: random.Random
    workers: list[WorkerSpec] = field(default_factory=list)
    files: dict[str, FileSpec] = field(default_factory=dict)
    outside: dict[str, float] = field(default_factory=dict)
    programs: dict[str, dict[str, Any]] = field(default_factory=dict)
    interval: dict[str, float] = field(default_factory=dict)

    def source(self, interval: float = 0.0) -> str:
        """A file from outside."""
        path = f"in{len(self.outside)}"
        self.outside[path] = interval or self.rng.choice((10.0, 30.0, 60.0))
        return self._declare(path, self.outside[path])

    def worker(self, reads: Sequence[str], work: float = 0.0, pace: float = 0.0) -> str:
        """A worker that takes `work` seconds for each move of what it reads; its output.

        `pace`: how soon after its input it should have written, where that is not how often it writes.
        """
        rng = self.rng
        name, path = f"w{len(self.workers)}", f"out{len(self.workers)}"
        period = rng.choice((5.0, 10.0, 20.0))
        takes = 2 * period + (work or rng.choice((0.0, 0.0, 5.0, 40.0)))
        self._declare(path, max(min(self.interval[read] for read in reads), period) + takes, pace)
        self.workers.append(WorkerSpec(name, name, inputs=tuple(map(InputSpec, reads)), outputs=(path,)))
        self.programs[name] = {
            "period": period,
            "work": takes - 2 * period,
            "forgets": rng.random() < 0.2,
            "slow_starts": rng.choice((0.0, 5.0, 30.0)),
        }
        return path

    def _declare(self, path: str, interval: float, pace: float = 0.0) -> str:
        fitting = [limit for limit in LIMITS if limit >= ROOM * (pace or interval)]
        max_age = self.rng.choice(fitting[:2])
        self.files[path] = FileSpec(path, max_age, max_age / 2)
        self.interval[path] = interval
        return path


def _chain(draft: Draft) -> None:
    path = draft.source()
    for _ in range(draft.rng.randint(3, 5)):
        path = draft.worker([path])


def _diamond(draft: Draft) -> None:
    head = draft.worker([draft.source()])
    draft.worker([draft.worker([head]) for _ in range(draft.rng.randint(2, 3))])


def _fan_out(draft: Draft) -> None:
    head = draft.worker([draft.source()])
    for _ in range(draft.rng.randint(3, 5)):
        draft.worker([head])


def _fan_in(draft: Draft) -> None:
    draft.worker([draft.worker([draft.source()]) for _ in range(draft.rng.randint(2, 4))])


def _slow(draft: Draft) -> None:
    """Workers that take minutes, behind a source that writes every few seconds."""
    path = draft.source(10.0)
    for _ in range(draft.rng.randint(2, 3)):
        path = draft.worker([path], work=draft.rng.choice((100.0, 200.0, 400.0)))


def _batch(draft: Draft) -> None:
    """The source writes once or twice an hour, and the rest should follow within minutes."""
    path = draft.source(draft.rng.choice((30 * MINUTE, 60 * MINUTE)))
    for _ in range(draft.rng.randint(2, 3)):
        path = draft.worker([path], work=draft.rng.choice((20.0, 60.0)), pace=2 * MINUTE)


SHAPES: Sequence[Callable[[Draft], None]] = (_chain, _diamond, _fan_out, _fan_in, _slow, _batch)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an incident takes place: one worker of the pipeline, and one source."""

    rng: random.Random
    worker: str
    limit: float  # that of the worker's output
    source: str
    silence: float  # the longer of the source's limit and period

    def hang(self) -> list[Fault]:
        """The worker writes nothing until it is restarted."""
        return [Fault(0.0, "hang", self.worker)]

    def die(self) -> list[Fault]:
        """Its process ends, and supervisord does not start it again."""
        return [Fault(0.0, "die", self.worker)]

    def outage(self) -> list[Fault]:
        """The source falls silent and comes back."""
        return [Fault(0.0, "outage", self.source, lasts=self.silence * self.rng.uniform(1.5, 5))]

    def hang_in_outage(self) -> list[Fault]:
        """Both."""
        return [*self.outage(), *self.hang()]

    def slow(self) -> list[Fault]:
        """The worker takes much longer than it should, for a while."""
        delay, lasts = self.rng.uniform(0.5, 2), self.rng.uniform(3, 6)
        return [Fault(0.0, "delay", self.worker, how=self.limit * delay, lasts=self.limit * lasts)]


#: Kind -> (share, whether a restart is the right cure, what happens).
KINDS: Mapping[str, tuple[int, bool, Callable[[Scene], list[Fault]]]] = {
    "a worker hangs": (4, True, Scene.hang),
    "a worker dies": (1, True, Scene.die),
    "a worker hangs while a source is silent": (1, True, Scene.hang_in_outage),
    "a source falls silent and comes back": (3, False, Scene.outage),
    "a worker is slow for a while": (1, False, Scene.slow),
}


def incident_of(seed: int) -> Incident:
    """The incident of that seed."""
    rng = random.Random(f"incident {seed}")
    kind = rng.choices(list(KINDS), [share for share, _, _ in KINDS.values()])[0]
    _, curable, happens = KINDS[kind]
    draft = Draft(rng)
    shape = rng.choice(SHAPES)
    shape(draft)
    worker, source = rng.choice(draft.workers), rng.choice(sorted(draft.outside))
    silence = max(draft.files[source].limit, draft.outside[source])
    faults = happens(Scene(rng, worker.name, draft.files[worker.outputs[0]].limit, source, silence))
    over = max(fault.lasts for fault in faults)
    longest = max(*draft.outside.values(), *(draft.files[spec.outputs[0]].limit for spec in draft.workers))
    plan = Plan(draft.workers, list(draft.files.values()), draft.outside, draft.programs)
    calm, watched = longest * rng.uniform(1, 2), over + AFTERWARDS * longest
    return Incident(kind, shape is _batch, plan, faults, curable, over, calm, watched)
