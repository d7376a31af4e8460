"""What outlives the healer: it survives JSON, another boot's clock, and another version's shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import HOUR, World, chain

from supervisor_healer.core.budget import LONGEST_WAIT, Budget, Incident, Quarantine
from supervisor_healer.core.memory import Attempt, Memory, Stage
from supervisor_healer.core.verdicts import LastHeal

moments = st.floats(0, 1e6)
maybe = st.one_of(st.none(), moments)
names = st.text(max_size=8)
few = st.lists(names, max_size=2)
attempts = st.builds(
    Attempt, names, moments, moments, st.sampled_from(Stage), st.integers(0, 99), few, st.booleans(), moments,
    requests=few, started=moments, started_wall=moments, moved=few, spent=moments,
)  # fmt: skip
incidents = st.builds(Incident, moments, st.integers(0, 9), st.integers(0, 9), moments, maybe)
quarantines = st.builds(Quarantine, moments, moments, st.floats(1, 86400.0))
memories = st.builds(
    Memory,
    st.builds(Budget, st.lists(moments, max_size=4), st.none() | incidents, st.none() | quarantines,
              st.lists(moments, max_size=2)),
    st.one_of(st.none(), attempts),
    st.dictionaries(names, st.tuples(moments, maybe), max_size=2),
    maybe, moments, st.integers(-1, 99), st.integers(0, 9), st.booleans(), maybe,
    st.builds(LastHeal, moments, names, names),
    st.dictionaries(names, st.tuples(st.integers(0, 75), names).map(list), max_size=3),
    names, moments,
)  # fmt: skip


def through_json(memory: Memory) -> dict[str, Any]:
    return json.loads(json.dumps(memory.as_json(), allow_nan=False))


@given(memories)
def test_a_memory_survives_json(memory: Memory):
    later = 2e6
    data = through_json(memory)
    if memory.budget.quarantine is not None:  # no wait is longer than it can be
        assert memory.budget.quarantine.retry_at <= later
    again = Memory.from_json(data, later)
    assert through_json(again) == data


@given(memories, st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_after_a_boot_nothing_lies_in_the_future_and_no_wait_is_endless(memory: Memory, now: float, shift: float):
    again = Memory.from_json(through_json(memory), now, shift)
    assert all(moment <= now for moment in again.budget.restarts)
    assert len(again.budget.restarts) == len(memory.budget.restarts)
    if again.budget.incident is not None:
        assert again.budget.incident.opened <= now
        assert again.budget.incident.next_at <= now + LONGEST_WAIT
        assert again.budget.incident.healthy_since is None
    if again.budget.quarantine is not None:
        assert again.budget.quarantine.since <= now
        assert again.budget.quarantine.retry_at <= now + again.budget.quarantine.wait
    if again.attempt is not None:
        assert max(again.attempt.began, again.attempt.counted, again.attempt.started) <= now
    assert (again.pending, again.first_start, again.first_pid) == ({}, None, 0)


@pytest.mark.parametrize("broken", [{}, {"budget": 7}, {"budget": {"restarts": ["x"]}}])
def test_a_memory_of_another_shape_is_passed_over_with_half_a_budget(broken: dict[str, object]):
    world = World(chain("a"))
    world.kill_healer()
    world.journal["worker", "a"] = json.dumps(broken)
    world.journal["worker", "nobody"] = json.dumps(broken)
    world.journal["host", ""] = json.dumps({"restarts": ["x"]})
    world.begin_healer()
    world.run(60)
    assert world.engine is not None
    assert world.engine.verdicts["a"].budget_left == 3
    assert len(world.engine.host_restarts) == 500
    assert [note.worker for _, note in world.history if note.event == "journal"] == ["a", ""]


def test_without_a_time_of_the_former_life_its_moments_are_taken_as_they_are():
    world = World(chain("a"))
    world.host.die("a")
    world.run(60)
    world.kill_healer()
    world.healer.store.seen_alive = None
    world.begin_healer(same_boot=False)
    world.run(60)
    assert world.engine is not None
    assert world.engine.verdicts["a"].budget_left == 5


def test_a_state_keeps_its_date_over_lives():
    world = World(chain("a"))
    world.run(HOUR)
    assert world.engine is not None
    since = world.engine.verdicts["a"].since
    world.restart_healer(after=60)
    world.run(60)
    assert world.engine.verdicts["a"].since == since
    assert [note.event for _, note in world.history if note.worker == "a"] == ["verdict"]
