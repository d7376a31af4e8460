"""One simulated story: a pipeline, what goes wrong with it and when, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.world import Plan


@dataclass(frozen=True, slots=True)
class Fault:
    """`what` happens (a key of `faults.FAULTS`) to `target`, a worker or a path or '', `at` seconds after the healer's
    beginning. It `lasts` so many seconds, 0: until the end, where it can last; `how` is its strength, a number."""

    at: float
    what: str
    target: str = ""
    how: float = 0.0
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """Fully determined by its seed. `seconds`: how long the faults may come, before everything has to settle."""

    seed: int
    kind: str
    plan: Plan
    faults: Sequence[Fault]
    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """A worker that would have hung on until restarted, and what became of it; seconds, `nan` where it did not happen.

    `usable` is how long its output was stale, and its inputs fresh, while it had something to do; `overdue` how much of
    that came after it had truly had the work for its max_age. Both end when it was restarted, or wrote again.
    """

    worker: str
    at: float
    max_age: float
    usable: float
    overdue: float
    restarted: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seconds` that were simulated; `incidents` that began; `needless` restarts of a worker that nothing ailed."""

    seed: int
    kind: str
    seconds: float
    incidents: int = 0
    restarts: int = 0
    needless: int = 0
    hangs: tuple[Hang, ...] = ()
    violations: tuple[Violation, ...] = ()
