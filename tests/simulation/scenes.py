"""Small worlds in which little happens but what a mutant of the core needs to be seen: cheap enough for every test."""

from __future__ import annotations

import random

from mutants import Mutant

from supervisor_healer.simulation.case import Case
from supervisor_healer.simulation.timeline import HOUR, MINUTE
from supervisor_healer.simulation.worlds import PIPELINES, Sketch, draw_faults

FAULTS = 8


def scene_of(mutant: Mutant, seed: int) -> Case:
    """A pipeline with max_ages of a minute or so, and a while in which the mutant's faults befall it."""
    whats = tuple(sorted(mutant.amid))
    rng = random.Random(f"scene {mutant.shape} {whats} {seed}")
    sketch = Sketch(rng, limits=(MINUTE,))
    PIPELINES[mutant.shape](sketch)
    plan, seconds = sketch.plan(), mutant.hours * HOUR
    return Case(seed, f"{mutant.shape} scene", plan, draw_faults(rng, plan, (whats,), seconds, FAULTS), seconds)
