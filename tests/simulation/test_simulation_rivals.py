"""The modelled restarters do what real ones do: Monit as it was recorded, the others by their rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from supervisor_healer.core.model import FileSpec, InputSpec, WorkerSpec
from supervisor_healer.core.orders import Start, Stop
from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.rivals import Blind, Gated, Monit, Restarter
from supervisor_healer.simulation.timeline import MINUTE
from supervisor_healer.simulation.world import HEAD_START, Plan, World

RECORDED = json.loads((Path(__file__).parents[2] / "benchmarks/monit_depends/recorded.json").read_text())

#: As in benchmarks/monit_depends: seconds before the incident, of the source's silence, and until the end.
SETTLE, OUTAGE, AFTERWARDS = 7.0, 15.0, 18.0

MODELLED = {
    "the output depends on the input and executes `monit restart`": True,
    "the output depends on all inputs up to the source and executes `monit restart`": False,
}


class FreeWorld(World):
    """Nobody is held to the healer's promises."""

    def broken(self, violation: Violation) -> None:
        pass


def row(count: int, limit: float, **program: float) -> Plan:
    """Workers in a row, each reading what the one before writes, the first one a source."""
    workers = [
        WorkerSpec(f"w{n}", f"w{n}", inputs=(InputSpec(f"f{n - 1}"),), outputs=(f"f{n}",)) for n in range(1, count + 1)
    ]
    files = [FileSpec(f"f{n}", limit if n else 0.6 * limit, 0.0) for n in range(count + 1)]
    return Plan(workers, files, {"f0": limit / 20}, {spec.name: program for spec in workers})


def stage(plan: Plan, make: Callable[[World], Restarter]) -> tuple[World, Restarter]:
    world = FreeWorld(plan)
    world.run(HEAD_START)
    world.mind = mind = make(world)
    return world, mind


def restarts(mind: Restarter) -> list[str]:
    return [order.worker for _, order in mind.orders if isinstance(order, Stop)]


def told(mind: Restarter, name: str, silence: tuple[float, float]) -> list[str]:
    """What was done to a worker, in the words of the record."""
    words: dict[str, None] = {}
    stopped = False
    for moment, order in mind.orders:
        if order.worker == name:
            when = "in the silence" if silence[0] <= moment < silence[1] else "with input"
            if isinstance(order, Stop):
                words[f"restarted {when}"] = None
            elif not stopped:
                words[f"started {when}"] = None
            stopped = isinstance(order, Stop)
    return list(words)


@pytest.mark.parametrize("incident", RECORDED["recipes"][next(iter(MODELLED))])
@pytest.mark.parametrize("recipe", MODELLED)
def test_the_model_of_monit_does_what_monit_was_seen_to_do(recipe: str, incident: str) -> None:
    recorded = RECORDED["recipes"][recipe][incident]
    names = list(recorded[0]["workers"])
    plan = row(len(names), 5.0, period=0.1, work=1.5, startsecs=0.1, stop_delay=1.5)
    world, mind = stage(plan, lambda world: Monit(world, cycle=1.0, direct=MODELLED[recipe]))
    world.run(SETTLE)
    if "hangs" in incident:
        world.hang("w1")
    if "dies" in incident:
        world.host.die("w1")
    begun = world.elapsed
    if "stale" in incident or "silent" in incident:
        world.outside["f0"] = False
        world.run(OUTAGE)
        world.outside["f0"] = True
    silence = (begun, world.elapsed)
    world.run(AFTERWARDS)
    for name in names:  # each for itself: what became of one tells nothing of another where looks raced with writes
        assert told(mind, name, silence) in [outcome["workers"][name] for outcome in recorded], name


def test_the_best_recipe_leaves_nobody_down_or_unwatched_and_the_others_do() -> None:
    def harm(recipe: str) -> bool:
        outcomes = [outcome for incident in RECORDED["recipes"][recipe].values() for outcome in incident]
        words = [word for outcome in outcomes for deeds in outcome["workers"].values() for word in deeds]
        return any("stopped" in word for word in words) or any(outcome["unwatched"] for outcome in outcomes)

    assert {recipe: harm(recipe) for recipe in RECORDED["recipes"]} == {
        recipe: recipe not in MODELLED for recipe in RECORDED["recipes"]
    }


# --- the rules of the others -----------------------------------------------------------------------------------

CHAIN = row(2, 5 * MINUTE, period=10.0)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Blind, {"w1": 3, "w2": 3}),  # every five minutes
        (Gated, {"w1": 0, "w2": 0}),  # what they read is as old as what they write
    ],
)
def test_a_silent_source_costs_restarts(make: Callable[[World], Restarter], expected: dict[str, int]) -> None:
    world, mind = stage(CHAIN, make)
    world.run(MINUTE)
    world.outside["f0"] = False
    world.run(19 * MINUTE)
    assert {name: restarts(mind).count(name) for name in world.programs} == expected


@pytest.mark.parametrize("make", [Blind, Gated, Monit])
def test_a_hang_is_ended_by_one_restart_and_a_dead_process_is_started(make: Callable[[World], Restarter]) -> None:
    world, mind = stage(row(1, 5 * MINUTE, period=10.0), make)
    world.run(MINUTE)
    world.hang("w1")
    world.run(20 * MINUTE)
    assert [type(order) for _, order in mind.orders] == [Stop, Start]
    world.host.die("w1")
    world.run(6.0)
    assert [type(order) for _, order in mind.orders] == [Stop, Start, Start]
    assert world.truth.is_well("w1")


def test_a_worker_has_its_whole_limit_after_a_restart() -> None:
    world, mind = stage(row(1, 5 * MINUTE, period=10.0), Blind)
    world.programs["w1"].cursed = True
    world.run(60 * MINUTE)
    moments = [moment for moment, order in mind.orders if isinstance(order, Stop)]
    assert min(later - moment for moment, later in pairwise(moments)) >= 5 * MINUTE
    assert len(moments) == 11
