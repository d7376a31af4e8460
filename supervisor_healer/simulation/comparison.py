"""The same incidents under the healer and under other restarters, and what came of each."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from supervisor_healer.core.orders import Start, Stop
from supervisor_healer.simulation.faults import strike
from supervisor_healer.simulation.host import DOWN
from supervisor_healer.simulation.incidents import Incident, incident_of
from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.rivals import RIVALS, Restarter
from supervisor_healer.simulation.world import HEAD_START, World

HEALER = "(d) the healer"
MINDS: dict[str, Callable[[World], Restarter] | None] = {**RIVALS, HEALER: None}

#: Why a restart was needless: what really kept the worker from writing.
WAITING, CATCHING_UP, SLOW, WELL = "waited for input", "was catching up", "was only slow", "was in order"
NEEDLESS = (WAITING, CATCHING_UP, SLOW, WELL)


@dataclass(frozen=True)
class Course:
    """What one mind made of one incident. `recovered`: seconds until all was well, infinite: not while it was watched.

    `down`: workers without a process at the end.
    """

    restarts: int
    needless: Counter[str] = field(default_factory=Counter)
    recovered: float = math.inf
    down: int = 0


class Stage(World):
    """A world for one incident. The promises are the healer's: nobody else is held to them."""

    def __init__(self, incident: Incident, mind: str) -> None:
        super().__init__(incident.plan, random.Random(0).random)
        self._bound = MINDS[mind] is None
        self.run(HEAD_START)
        make_mind = MINDS[mind]
        if make_mind is None:
            self.orders = self.healer.chronicle.orders
            self.begin_healer()
        else:
            restarter = make_mind(self)
            self.mind, self.orders = restarter, restarter.orders

    def broken(self, violation: Violation) -> None:
        """A promise did not hold."""
        if self._bound:
            super().broken(violation)

    def is_over(self) -> bool:
        """Whether nothing ails anybody any more, and everybody is well."""
        mono = self.time.mono
        return not any(program.ails(mono) for program in self.programs.values()) and all(
            map(self.truth.is_well, self.programs)
        )

    def excuse(self, name: str) -> str:
        """Why a worker that is being stopped had not needed it; '' if it had."""
        program, truth = self.programs[name], self.truth
        if program.idles(self.time.mono):
            return ""
        stale = truth.stale_outputs(name)
        if not stale:
            return WELL
        if not truth.has_fresh_inputs(program.spec) or not any(truth.pending_for(name, path) for path in stale):
            return WAITING
        if program.delayed or truth.looks_stalled(name):
            return SLOW
        return CATCHING_UP


def play(incident: Incident, mind: str) -> Course:
    """One incident under one mind."""
    stage = Stage(incident, mind)
    stage.run(incident.calm)
    begun, seen = stage.time.mono, len(stage.orders)
    for fault in incident.faults:
        strike(stage, fault)
    end, over = begun + incident.watched, begun + incident.over
    restarts, needless, recovered = 0, Counter[str](), math.inf

    def news() -> bool:
        mono = stage.time.mono
        return len(stage.orders) > seen or (recovered == math.inf and mono >= over and stage.is_over())

    while stage.run_until(end, news):
        for _, order in stage.orders[seen:]:
            restarts += isinstance(order, Start)
            if isinstance(order, Stop) and (excuse := stage.excuse(order.worker)):
                needless[excuse] += 1
        seen = len(stage.orders)
        if recovered == math.inf and stage.time.mono >= over and stage.is_over():
            recovered = stage.time.mono - begun
    down = sum(program.state in DOWN for program in stage.programs.values())
    return Course(restarts, needless, recovered, down)


@dataclass(frozen=True)
class Result:
    """What all of them made of the incident of one seed."""

    kind: str
    batch: bool
    curable: bool
    courses: dict[str, Course]


def compare(seed: int) -> Result:
    """Play the incident of that seed under each mind."""
    incident = incident_of(seed)
    courses = {mind: play(incident, mind) for mind in MINDS}
    return Result(incident.kind, incident.batch, incident.curable, courses)
