"""A small case, and faults that break a promise in it on purpose."""

from __future__ import annotations

import pytest

from supervisor_healer.core.model import FileSpec, InputSpec, WorkerSpec
from supervisor_healer.simulation import faults, main, pool
from supervisor_healer.simulation.case import Case, Fault
from supervisor_healer.simulation.faults import FaultKind
from supervisor_healer.simulation.timeline import HOUR
from supervisor_healer.simulation.world import Plan, World

PLAN = Plan(
    workers=[WorkerSpec("w0", "w0", inputs=(InputSpec("in0"),), outputs=("w0.0",))],
    files=[FileSpec("in0", 300.0, 150.0), FileSpec("w0.0", 300.0, 150.0)],
    outside={"in0": 60.0},
    programs={"w0": {"period": 20.0}},
)


def case(*whats: str, seed: int = 0, seconds: float = 0.2 * HOUR) -> Case:
    """One worker, to whom these happen, one a minute; what is no worker's fault has no target."""
    struck = [Fault(60.0 * (1 + number), what, "w0") for number, what in enumerate(whats)]
    return Case(seed, "single staged", PLAN, struck, seconds)


def _hung(world: World, fault: Fault) -> None:
    if world.programs["w0"].hung:
        world.promises.violate("budget", "broken on purpose")


def _raise(world: World, fault: Fault) -> None:
    raise KeyError("w9")


def stage(monkeypatch: pytest.MonkeyPatch, *cases: Case) -> None:
    """These are the worlds of the seeds 0, 1, ... now; `sabotage` breaks the budget of a worker that hangs."""
    staged = {**faults.FAULTS, "sabotage": FaultKind("is sabotaged", _hung), "raise": FaultKind("raises", _raise)}
    monkeypatch.setattr(faults, "FAULTS", staged)
    for module in (main, pool):
        monkeypatch.setattr(module, "case_of", cases.__getitem__)
