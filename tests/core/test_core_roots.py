"""Root cause: who is named for what, and that only a root is restarted."""

from __future__ import annotations

import inspect
import sys

import pytest
from world import HOUR, LIMIT, MINUTE, World, chain, file, worker

from supervisor_healer.core.model import FileSpec, Health


def blocked_by(world: World, name: str) -> tuple[str, ...]:
    assert world.engine is not None
    return world.engine.verdicts[name].blocked_by


def chain_of(world: World, name: str) -> str:
    assert world.engine is not None
    return next(line for line in world.engine.verdicts[name].evidence if line.startswith("chain"))


def test_the_nearest_worker_upstream_that_is_in_trouble():
    world = World(chain("a", "b", "c", "d"))
    world.run(60)
    world.operator_stops("b")
    world.run(HOUR)
    assert blocked_by(world, "c") == blocked_by(world, "d") == ("b",)
    assert blocked_by(world, "b") == ()
    assert "d <- c.out (stale, " in chain_of(world, "d")
    assert chain_of(world, "d").endswith("<- b (stopped)")


def test_a_file_from_outside():
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(HOUR)
    assert blocked_by(world, "b") == ("in",)
    assert chain_of(world, "b").startswith("chain: b <- a.out (stale, ")


def test_a_missing_file_from_outside():
    world = World(chain("a", source="in"), [file("in")], outside={})
    world.run(2 * HOUR)
    assert world.state("a") is Health.BLOCKED
    assert blocked_by(world, "a") == ("in",)
    assert "in missing" in world.reason("a")


def test_several_roots_at_different_distances():
    workers = [*chain("a", "b"), worker("c", ["b.out", "x.in"], ["c.out"])]
    world = World(workers, [file("x.in")])
    world.run(60)
    world.operator_stops("a")
    world.outside["x.in"] = False
    world.run(HOUR)
    assert set(blocked_by(world, "c")) == {"a", "x.in"}
    assert chain_of(world, "c").startswith("chain: c <- x.in (stale")


def test_a_diamond_names_its_root_once():
    workers = [
        *chain("a"),
        worker("b", ["a.out"], ["b.out"]),
        worker("c", ["a.out"], ["c.out"]),
        worker("d", ["b.out", "c.out"], ["d.out"]),
    ]
    world = World(workers)
    world.run(60)
    world.operator_stops("a")
    world.run(HOUR)
    assert blocked_by(world, "d") == ("a",)
    world.host.operator_starts("a")
    world.run(HOUR)
    assert world.restarts() == {"a": 1}


def test_the_own_inputs_where_nobody_upstream_is_in_trouble():
    """b's input is only late: nobody is to blame yet."""
    world = World(chain("a", "b"), [file("a.out", 60.0, 3000.0), file("b.out", 60.0, 60.0)])
    world.run(60)
    world.hang("a")
    world.run(200)
    assert world.states() == {"a": "late", "b": "blocked"}
    assert blocked_by(world, "b") == ("a.out",)


def test_an_input_from_outside_that_is_only_late_is_no_root_but_named():
    world = World(chain("a", source="in"), [file("in", 60.0, 3000.0), file("a.out", 60.0, 60.0)])
    world.run(60)
    world.outside["in"] = False
    world.run(200)
    assert blocked_by(world, "a") == ("in",)


@pytest.mark.parametrize("victim", ["a", "b", "c", "d"])
def test_one_hang_costs_one_restart_of_the_root(victim: str):
    world = World(chain("a", "b", "c", "d"))
    world.run(10 * MINUTE)
    world.hang(victim)
    world.run(2 * HOUR)
    assert world.restarts() == {victim: 1}
    assert set(world.states().values()) == {"healthy"}


def test_healthy_workers_have_no_root_even_over_a_stale_input():
    world = World(chain("a", source="in"), [file("in"), FileSpec("a.out", 5 * HOUR, 60.0)])
    world.run(60)
    world.outside["in"] = False
    world.run(LIMIT + 60)
    assert world.state("a") is Health.HEALTHY
    assert blocked_by(world, "a") == ()


def test_the_root_of_a_long_chain_is_found_without_recursion():
    world = World(chain(*(f"w{n}" for n in range(200))), started=False)
    world.run(11)
    world.operator_stops("w0")
    for name, program in world.programs.items():
        program.hung = True
        world.disk.write(f"{name}.out", mtime=world.time.wall - 10 * HOUR)
    world.begin_healer()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        world.run(LIMIT + 10)
    finally:
        sys.setrecursionlimit(limit)
    assert blocked_by(world, "w199") == ("w0",)
    assert chain_of(world, "w199").endswith(" <- ... <- w0")
