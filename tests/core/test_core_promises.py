"""The promises of the README as properties: random small pipelines, random faults, and what must hold all the same.

The world itself checks every order and every note against the truth (see `world`); what is asserted here is the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from world import DAY, HOUR, MINUTE, World, file, worker

from supervisor_healer.core.memory import Memory
from supervisor_healer.core.model import FileSpec, Health, Intensity, Kind, ProcessState, WorkerSpec
from supervisor_healer.core.orders import Start, Stop

FINE = {Health.HEALTHY, Health.IDLE}
EXAMPLES = int(os.environ.get("HEALER_EXAMPLES", "20"))  # new ones each time; a night's run: HEALER_EXAMPLES=5000


@dataclass
class Plan:
    """A pipeline to be simulated, and how its programs behave."""

    workers: list[WorkerSpec]
    files: list[FileSpec]
    outside: dict[str, float]
    programs: dict[str, dict[str, Any]]

    def world(self, **options: Any) -> World:
        world = World(self.workers, self.files, outside=self.outside, started=False, **options)
        for name, behaviour in self.programs.items():
            for key, value in behaviour.items():
                setattr(world.programs[name], key, value)
        world.run(5.0)
        world.begin_healer()
        return world

    @property
    def slowest(self) -> float:
        return max((spec.max_age or 0.0 for spec in self.files), default=60.0)


@st.composite
def plans(draw: st.DrawFn, most: int = 5) -> Plan:
    count = draw(st.integers(1, most))
    workers, files, outside, programs = [], [], {}, {}
    for path in ("x.in", "y.in")[: draw(st.sampled_from([1, 1, 2, 0]))]:
        max_age = draw(st.sampled_from([60.0, 300.0, 1800.0]))
        files.append(file(path, max_age, max_age / draw(st.sampled_from([2, 4]))))
        outside[path] = max_age / draw(st.sampled_from([3, 20]))
    available = list(outside)
    for index in range(count):
        name = "abcdefgh"[index]
        reads = draw(st.lists(st.sampled_from(available), unique=True, min_size=1, max_size=3)) if available else []
        required = [path if draw(st.integers(0, 4)) else f"{path}?" for path in reads]
        writes = [f"{name}.{number}" for number in range(draw(st.sampled_from([1, 1, 1, 2, 0])))]
        kind = Kind.SERVICE
        fastest = max((spec.max_age or 0.0 for spec in files if spec.path in reads), default=60.0)
        max_age = max(fastest, draw(st.sampled_from([60.0, 300.0, 900.0])))
        files += [file(path, max_age, max_age / 2) for path in writes]
        workers.append(
            worker(
                name,
                required,
                writes,
                kind=kind,
                critical=draw(st.booleans()),
                startup_grace=draw(st.sampled_from([None, 20.0])),
                retry_after=draw(st.sampled_from([600.0, 3600.0])),
                restarts=draw(st.sampled_from([Intensity(6, 3600.0), Intensity(2, 3600.0)])),
            )
        )
        programs[name] = {
            "period": max_age / draw(st.sampled_from([10, 30])),
            "autorestart": draw(st.booleans()),
            "stop_delay": draw(st.sampled_from([0.01, 0.5, 8.0])),
            "slow_starts": draw(st.sampled_from([0.0, 5.0])),
        }
        available += writes
    return Plan(workers, files, outside, programs)


FAULTS = (
    "outage", "curse", "hang", "die",  # what a healer is for comes three times as often as what disturbs it
    "outage", "curse", "hang", "die",
    "outage", "curse", "hang", "die", "doom", "crash_loop", "cure", "supply", "stop", "start", "heal", "force",
    "unmonitor", "monitor", "kill_healer", "kill_at_order", "step", "suspend", "stall", "remove", "lose_order",
    "garbage",
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    wait: float
    what: str
    who: int
    how: int


faults = st.builds(
    Fault,
    st.sampled_from([0.0, 0.0, 1.0, 30.0, 300.0, 2000.0, 8000.0]),
    st.sampled_from(FAULTS),
    st.integers(0, 7),
    st.integers(0, 7),
)


def strike(world: World, fault: Fault) -> None:
    """Let one fault happen."""
    names = list(world.programs)
    name = names[fault.who % len(names)]
    program = world.programs[name]
    outside = list(world.outside)
    does: dict[str, Callable[[], Any]] = {
        "hang": lambda: world.hang(name),
        "curse": lambda: world.curse(name),
        "die": lambda: world.die(name, well=bool(fault.how % 2)),
        "doom": lambda: world.doom(name, fault.how * 3),
        "crash_loop": lambda: setattr(program, "crash_after", 2.0 + 30 * fault.how),
        "cure": lambda: world.cure(name),
        "outage": lambda: outside and world.outside.update({outside[fault.how % len(outside)]: False}),
        "supply": lambda: world.outside.update(dict.fromkeys(outside, True)),
        "stop": lambda: world.operator_stop(name),
        "start": lambda: world.operator_start(name),
        "heal": lambda: world.heal(name if fault.how else "all"),
        "force": lambda: world.heal(name, force=True),
        "unmonitor": lambda: world.unmonitor(name, 100.0 * fault.how),
        "monitor": lambda: world.monitor(name),
        "kill_healer": lambda: world.restart_healer(after=[0.0, 1.0, 60.0, 3000.0][fault.how % 4]),
        "kill_at_order": lambda: world.kill_at(lambda d: isinstance(d, Stop | Start), before=bool(fault.how % 2)),
        "step": lambda: world.step_clock([-7200.0, -60.0, -7.0, 7.0, 60.0, 3600.0, 7200.0, DAY][fault.how]),
        "suspend": lambda: world.suspend(1000.0 * (1 + fault.how)),
        "stall": lambda: world.stall(20.0 * (1 + fault.how)),
        "remove": lambda: [world.remove(path) for path in program.spec.outputs[:1]],
        "lose_order": lambda: world.lose(1),
        "garbage": lambda: [setattr(world.file(path), "problem", "unreadable") for path in program.spec.outputs[:1]],
    }  # fmt: skip
    does[fault.what]()


def settle(world: World) -> None:
    """All faults end, everybody does what he should."""
    world.kill_when = None
    if world.engine is None:
        world.begin_healer()
    for each in world.files.values():
        each.problem = ""
    for path in world.outside:
        world.outside[path] = True
    for name in world.programs:
        hung = world.programs[name].hung
        world.cure(name)
        world.programs[name].hung = hung  # healed by a restart alone
        world.operator_start(name)
        world.monitor(name)


def bound(plan: Plan) -> float:
    """Within this time everything is healthy again: quarantines probe, budgets refill, ages and holds pass."""
    return 2 * DAY + 10 * plan.slowest


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plans(),
    st.lists(faults, min_size=2, max_size=10),
    st.sampled_from([None, Intensity(2, 600.0), Intensity(1000, 600.0)]),
    st.integers(0, 99),
)
def test_the_promises(plan: Plan, script: list[Fault], overall: Intensity | None, seed: int):
    draws = iter((seed * 37 + n * 61) % 100 / 100 for n in range(100000))
    world = plan.world(overall=overall, draw=lambda: next(draws))
    for fault in script:
        world.run(fault.wait)
        if world.engine is None:
            world.begin_healer()
        strike(world, fault)
        if world.engine is None and fault.what != "kill_at_order":
            world.begin_healer()
    world.run(10 * MINUTE)
    settle(world)
    turns, begun = world.turns, world.mono
    ended = world.run_until(
        world.mono + bound(plan),
        lambda: world.mono > begun + 1 and all(world.state(name) in FINE for name in world.programs),
    )
    if not ended:
        note(world.transcript())
    assert ended, "not everything is healthy"
    hours = (world.mono - begun) / HOUR + 1
    # next_wake bounds the turns: a look every 0.1 s at most for each worker, in practice far less
    assert world.turns - turns < 2000 * hours * len(world.programs) * 3
    for name, program in world.programs.items():
        assert program.state in (ProcessState.RUNNING, ProcessState.STARTING), name
    for (kind, _), text in world.journal.items():
        if kind == "worker":
            data = json.loads(text)
            assert json.loads(json.dumps(Memory.from_json(data, world.mono).as_json())).keys() == data.keys()


@settings(max_examples=max(5, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
@given(plans(), st.integers(0, 7), st.sampled_from(["hang", "die"]), st.floats(0, 900))
def test_one_root_costs_one_restart(plan: Plan, who: int, what: str, when: float):
    world = plan.world()
    world.run(HOUR + when)
    assert world.restarts() == {}
    name = list(world.programs)[who % len(world.programs)]
    if what == "hang":
        world.hang(name)
    else:
        world.programs[name].autorestart = False
        world.die(name)
    world.run(10 * plan.slowest + HOUR)
    assert set(world.restarts()) <= {name}
    assert world.restarts().get(name, 0) <= 1
    assert all(world.state(each) in FINE for each in world.programs), world.states()
