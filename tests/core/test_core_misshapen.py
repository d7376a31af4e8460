"""What a former healer remembered in another shape: passed over, told, and no licence to restart more often."""

from __future__ import annotations

import json

import pytest
from world import MINUTE, World, chain

MISSHAPEN = ("{}", '{"budget": 7}', '{"budget": {"restarts": ["monday"]}}', '{"attempt": {"of": "another version"}}')


@pytest.mark.parametrize("body", MISSHAPEN)
def test_the_memory_of_a_worker(body: str) -> None:
    world = World(chain("a", "b"))
    world.run(MINUTE)
    left = world.engine.verdicts["a"].budget_left
    world.journal["worker", "b"] = body
    world.restart_healer()
    world.run(MINUTE)
    assert world.states() == {"a": "healthy", "b": "healthy"}
    assert world.times("b", "journal")
    assert world.engine.verdicts["b"].budget_left == left // 2
    assert world.engine.verdicts["a"].budget_left == left
    world.hang("b")
    world.run(20 * MINUTE)
    assert world.restarts() == {"b": 1}


def test_the_memory_of_a_worker_that_is_no_more() -> None:
    world = World(chain("a"))
    world.run(MINUTE)
    world.journal["worker", "gone"] = "{}"
    world.restart_healer()
    world.run(MINUTE)
    assert world.states() == {"a": "healthy"}
    assert not world.times("gone", "journal")


def test_the_restarts_of_all_together() -> None:
    world = World(chain("a"))
    world.run(MINUTE)
    world.journal["host", ""] = json.dumps({"restarts": ["monday"]})
    world.restart_healer()
    world.run(MINUTE)
    assert world.states() == {"a": "healthy"}
    assert world.times("", "journal")
