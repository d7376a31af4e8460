"""What a site's own healers ask for in each cycle: told once while it repeats, and never at the cost of real stalls."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from world import DAY, HOUR, MINUTE, World, chain, file

from supervisor_healer.core.model import Health, Intensity
from supervisor_healer.core.news import ComponentEntry, ComponentResult

WANTS_B = ComponentResult("lab", restarts=(("b", "it is slow"),))


def site(*results: ComponentResult, **options: object) -> World:
    options.setdefault("cycle", 60.0)
    world = World(chain("a", "b", source="in"), [file("in")], components=lambda: results, **options)  # type: ignore[arg-type]
    world.run(5 * MINUTE)
    return world


def refused(world: World) -> list[str]:
    return [note.text for _, note in world.history if note.event == "refused"]


def components(world: World) -> list[str]:
    return [note.text for _, note in world.history if note.event == "component"]


# --- the history ---------------------------------------------------------------------------------------------------


def test_what_one_says_in_every_cycle_is_noted_once():
    world = site(ComponentResult("lab", healed=(ComponentEntry("disk", "looked"), ComponentEntry("disk", "looked"))))
    world.run(10 * MINUTE)
    assert components(world) == ["disk: looked"]
    assert world.told_of("disk", "healed") != []


def test_what_one_says_again_after_a_pause_is_noted_again_but_a_poor_answer_is_no_pause():
    looked = ComponentResult("lab", healed=(ComponentEntry("disk", "looked"),))
    answers = [looked]
    world = site()
    world.components = lambda: answers
    for result in (looked, ComponentResult("lab", problem="it hung"), looked, ComponentResult("lab"), looked):
        answers[:] = [result]
        world.run(2 * MINUTE)
    assert components(world) == ["disk: looked", "did not answer properly: it hung", "disk: looked"]


@pytest.mark.parametrize("how", ["stopped", "unmonitored", "gate shut", "quarantined"])
def test_the_same_refusal_is_noted_once(how: str):
    world = site()
    if how == "stopped":
        world.operator_stops("b")
    elif how == "unmonitored":
        world.unmonitor("b")
    elif how == "gate shut":
        world.outside["in"] = False
        world.run(HOUR)
    else:
        world.curse("b")
        world.until_state("b", Health.QUARANTINED, DAY)
    before = len(refused(world))
    world.components = lambda: [WANTS_B]
    world.adopt()
    world.run(30 * MINUTE)
    assert len(refused(world)) == before + 1


def test_two_that_ask_for_the_same_are_each_told_once():
    world = site()
    world.operator_stops("b")
    answers = [WANTS_B]
    world.components = lambda: answers
    for name in ("lab", "ops") * 5:
        answers[:] = [ComponentResult(name, restarts=(("b", "it is slow"),))]
        world.run(MINUTE)
    assert len(refused(world)) == 2


def test_who_asks_again_after_he_had_stopped_asking_is_told_again():
    world = site()
    world.operator_stops("b")
    answers = [WANTS_B]
    world.components = lambda: answers
    for result in (WANTS_B, ComponentResult("lab"), WANTS_B):
        answers[:] = [result]
        world.run(2 * MINUTE)
    assert len(refused(world)) == 2


# --- half of the window ----------------------------------------------------------------------------------------------


def asks_always() -> Iterable[ComponentResult]:
    return [WANTS_B]


@pytest.mark.parametrize(("most", "share"), [(6, 3), (5, 2), (1, 1)])
def test_wishes_use_half_of_the_window_at_most(most: int, share: int):
    workers = chain("a", "b", source="in", restarts=Intensity(most, 2 * HOUR))
    world = World(workers, [file("in")], components=asks_always, cycle=60.0)
    world.run(HOUR + 50 * MINUTE)
    assert world.restarts() == {"b": share}
    said = [text for text in refused(world) if "component healers" in text]
    assert len(said) == 1
    assert f"not restarted, component healers may use {share} of its {most} restarts in 2h, room in " in said[0]
    world.run(10 * HOUR)
    assert world.restarts()["b"] <= 6 * share


def test_the_other_half_is_there_for_a_real_stall_also_after_the_healer_was_restarted():
    world = site()
    world.components = asks_always
    world.run(30 * MINUTE)
    assert world.restarts() == {"b": 3}
    world.restart_healer()
    world.run(5 * MINUTE)
    assert world.restarts() == {"b": 3}
    world.hang("b")
    world.until(lambda: world.restarts()["b"] == 4, HOUR)
    world.run(MINUTE)
    assert world.state("b") is Health.HEALTHY


def test_a_wished_restart_that_is_given_back_does_not_count():
    world = site(stop_delay=1.0)
    world.healer.line.lose_orders = 1
    world.components = asks_always
    world.until(lambda: bool(world.orders), 5 * MINUTE)
    world.components = tuple
    world.outside["in"] = False
    world.curse("a")
    world.run(30 * MINUTE)
    budget = world.remembered("worker", "b")["budget"]
    assert len(budget["wished"]) == len(budget["restarts"])


def test_an_operators_heal_opens_a_new_window_for_wishes_too():
    world = site()
    world.components = asks_always
    world.run(30 * MINUTE)
    assert world.restarts() == {"b": 3}
    world.hang("b")
    world.run(10)
    world.heal("b")
    world.run(30 * MINUTE)
    assert world.restarts()["b"] > 3
