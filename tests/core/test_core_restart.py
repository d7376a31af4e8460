"""Transcripts of restarts: what is done step by step, and what a healer does that died in the middle of one."""

from __future__ import annotations

import pytest
from world import HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.model import Health, Kind, Note, ProcessState, Remember, Start, Stop


def one_restart_of(name: str, world: World) -> bool:
    return world.restarts() == {name: 1}


def test_a_hung_worker_is_restarted_once_and_healed_by_its_output():
    world = World(chain("engine", "predictor"))
    world.run(60)
    world.hang("predictor")
    world.run(20 * MINUTE)
    assert world.story("predictor") == ["restart", "healed"]
    assert world.restarts() == {"predictor": 1}
    assert world.states() == {"engine": "healthy", "predictor": "healthy"}


def test_the_conviction_comes_at_the_deadline_of_the_output():
    world = World(chain("engine", "predictor"))
    world.run(60)
    last = world.file("predictor.out").written
    world.hang("predictor")
    world.until(lambda: "restart" in world.story("predictor"), HOUR)
    assert world.mono == pytest.approx(last + LIMIT, abs=0.01)


def test_a_frozen_head_of_four_costs_one_restart():
    world = World(chain("a", "b", "c", "d"))
    world.run(60)
    world.hang("a")
    world.run(HOUR)
    assert one_restart_of("a", world)
    assert set(world.states().values()) == {"healthy"}


def test_a_dead_worker_is_started_at_once():
    world = World(chain("a", "b"))
    world.run(60)
    world.die("b")
    took = world.until(lambda: world.restarts() == {"b": 1}, HOUR)
    assert took < 0.1
    world.run(MINUTE)
    assert world.story("b") == ["restart", "healed"]


def test_a_dead_worker_waits_until_its_input_is_fresh():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(MAX_AGE + 60)
    world.die("a")
    world.run(HOUR)
    assert world.restarts() == {}
    assert world.state("a") is Health.DOWN
    assert "by in" in world.reason("a")
    world.outside["in"] = True
    world.run(30)
    assert one_restart_of("a", world)
    assert world.state("a") is Health.HEALTHY


def test_a_fatal_worker_is_started():
    world = World(chain("a", "b"))
    world.run(60)
    world.doom("b", starts=5)
    world.run(HOUR)
    assert world.programs["b"].state is ProcessState.RUNNING
    assert world.state("b") is Health.HEALTHY
    assert world.story("b")[:2] == ["restart", "failed"]
    assert world.story("b")[-1] == "healed"


CRASHES = {
    "before the intent is written": (lambda d: isinstance(d, Remember) and d.memory.get("attempt"), True),
    "after the intent is written": (lambda d: isinstance(d, Remember) and d.memory.get("attempt"), False),
    "before the stop order": (Stop, True),
    "after the stop order": (Stop, False),
    "before the start order": (Start, True),
    "after the start order": (Start, False),
    "while verifying": (lambda d: isinstance(d, Remember) and '"verifying"' in str(d.memory).replace("'", '"'), False),
    "before the outcome is noted": (lambda d: isinstance(d, Note) and d.event == "healed", True),
}


@pytest.mark.parametrize("away", [0.0, 20.0, HOUR])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_restart_is_completed_and_not_repeated(crash: str, away: float):
    world = World(chain("a", "b"), slow_starts=5.0)
    world.run(60)
    world.hang("b")
    world.kill_at(*CRASHES[crash][:1], before=CRASHES[crash][1])
    world.until(lambda: world.engine is None, HOUR)
    world.restart_healer(after=away)
    world.run(20 * MINUTE)
    assert one_restart_of("b", world)
    assert world.state("b") is Health.HEALTHY
    world.run(HOUR)
    assert one_restart_of("b", world)
    assert world.engine is not None
    assert world.engine.patients["b"].memory.attempt is None


@pytest.mark.parametrize("crash", CRASHES)
def test_after_a_crash_nobody_is_restarted_on_stale_inputs_nor_left_stopped(crash: str):
    world = World(chain("b", source="in"), [file("in")], slow_starts=5.0)
    world.run(60)
    world.hang("b")
    world.kill_at(*CRASHES[crash][:1], before=CRASHES[crash][1])
    world.until(lambda: world.engine is None, HOUR)
    world.outside["in"] = False
    world.restart_healer(after=HOUR)
    world.run(HOUR)
    assert world.programs["b"].state is ProcessState.RUNNING
    assert world.restarts() in ({}, {"b": 1})
    world.outside["in"] = True
    world.run(2 * HOUR)
    assert one_restart_of("b", world)
    assert world.state("b") is Health.HEALTHY


@pytest.mark.parametrize("crash", CRASHES)
def test_a_worker_that_recovered_while_the_healer_was_away_is_left_alone(crash: str):
    world = World(chain("a", "b"), slow_starts=5.0)
    world.run(60)
    world.hang("b")
    world.kill_at(*CRASHES[crash][:1], before=CRASHES[crash][1])
    world.until(lambda: world.engine is None, HOUR)
    world.cure("b")
    before = world.restarts()
    world.run(MINUTE)
    stopped = world.programs["b"].state is ProcessState.STOPPED
    world.restart_healer()
    world.run(HOUR)
    assert world.restarts() == ({"b": 1} if stopped else before)
    assert world.state("b") is Health.HEALTHY


def test_a_job_that_is_done_and_owes_output_is_started():
    world = World([worker("a", [], ["a.out"]), worker("job", ["a.out"], ["job.out"], kind=Kind.JOB)])
    world.run(30)
    assert world.programs["job"].state is ProcessState.EXITED
    assert world.state("job") is Health.HEALTHY
    world.run(LIMIT + 30)
    assert world.story("job") == ["restart", "healed"]
    assert one_restart_of("job", world)
