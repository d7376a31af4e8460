"""What the history tells of operators and of recoveries: enough to play it again."""

from __future__ import annotations

from world import MAX_AGE, MINUTE, World, chain, file


def events(world: World, name: str) -> list[str]:
    return [note.event for _, note in world.history if note.worker == name and note.event != "verdict"]


def test_an_operators_stop_and_start_are_history() -> None:
    world = World(chain("a", "b"))
    world.run(MINUTE)
    world.operator_stops("a")
    world.run(MINUTE)
    assert events(world, "a") == ["stopped"]
    assert world.last("stopped") == "healthy -> stopped: stopped by an operator"
    world.host.operator_starts("a")
    world.run(MINUTE)
    assert events(world, "a") == ["stopped", "started"]


def test_a_healer_that_starts_anew_says_no_more_of_a_stop_that_was_told() -> None:
    world = World(chain("a"))
    world.run(MINUTE)
    world.operator_stops("a")
    world.run(MINUTE)
    world.restart_healer()
    world.run(MINUTE)
    assert events(world, "a") == ["stopped"]


def test_a_recovery_tells_since_when_the_inputs_are_in_order() -> None:
    world = World(chain("a", "b", source="in"), [file("in")], outside={"in": 60.0})
    world.run(MINUTE)
    world.outside["in"] = False
    world.run(4 * MAX_AGE)
    assert "blocked" in events(world, "b")
    world.outside["in"] = True
    world.run(MAX_AGE)
    (recovered,) = [note for _, note in world.history if note.worker == "b" and note.event == "recovered"]
    assert any(line.startswith("input: ") and "in order for" in line for line in recovered.evidence)
