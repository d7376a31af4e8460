"""What `heal all` says it has done about files and configs, and what its dry run says it would do."""

from __future__ import annotations

import pytest
from world import HOPELESS, HOUR, INVALID, LIMIT, MINUTE, World, chain, config, file, worker

from supervisor_healer.core.model import Creation, Health, Mode
from supervisor_healer.core.orders import Answer
from supervisor_healer.simulation.mender import PARTLY

OK, FAILED, REFUSED = 0, 1, 75
MADE = Creation(text="{}")


def pipeline(**options: object) -> World:
    """`a` reads c.json; made.txt is made where it is missing. The cycle does not interfere."""
    options.setdefault("cycle", 24 * HOUR)
    world = World(
        chain("a", source="c.json"), [file("made.txt", None, create=MADE)], configs=[config("c.json")], **options
    )  # type: ignore[arg-type]
    world.run(MINUTE + 0.5)
    return world


def answered(world: World, name: str = "all", *, dry_run: bool = False) -> Answer:
    request = world.heal(name, dry_run=dry_run)
    world.until(lambda: request in world.answers, MINUTE)
    return world.answers[request]


# --- what was done -------------------------------------------------------------------------------------------------


def test_a_repair_that_leaves_a_config_invalid_is_a_failure():
    world = pipeline()
    world.mender.edit("c.json", PARTLY)
    answer = answered(world)
    assert answer.reason == "c.json: long added: 0.5; it is still invalid: long is 7, at most 1"
    assert answer.exit_status == FAILED
    assert answered(world).exit_status == FAILED


# --- what would be done --------------------------------------------------------------------------------------------


def test_a_dry_run_of_all_says_what_would_be_made_and_repaired_and_does_it_not():
    world = pipeline()
    world.disk.remove("made.txt")
    world.mender.edit("c.json", INVALID)
    answer = answered(world, dry_run=True)
    assert answer.exit_status == OK
    assert answer.reason == (
        "made.txt: would be created; c.json: invalid: long is missing; would be repaired: long added: 0.5"
    )
    assert world.mends() == []
    assert answered(world).exit_status == OK
    assert world.mends() == ["create made.txt", "repair c.json"]


def test_a_dry_run_of_all_where_all_is_well():
    assert answered(pipeline(), dry_run=True).reason == "nothing to heal"


def test_a_dry_run_says_what_could_not_be_repaired():
    world = pipeline()
    world.mender.edit("c.json", HOPELESS)
    answer = answered(world, dry_run=True)
    assert answer.reason == "c.json: invalid: long is 7, at most 1; could not be repaired: it needs a person"


def test_a_dry_run_leaves_alone_what_an_operator_has_put_back():
    world = pipeline()
    world.mender.edit("c.json", INVALID)
    answered(world)
    world.restore("c.json")
    world.run(2)
    assert answered(world, dry_run=True).reason == (
        "c.json: invalid: long is missing; would be left as an operator has put it back"
    )


def test_a_dry_run_in_mode_observe_says_that_nothing_would_be_done():
    world = pipeline(mode=Mode.OBSERVE)
    assert answered(world, dry_run=True).reason == "nothing to heal; nothing would be done: mode is observe"
    world.disk.remove("made.txt")
    world.mender.edit("c.json", INVALID)
    world.run(1)
    assert answered(world, dry_run=True).reason == (
        "made.txt: would not be created: mode is observe;"
        " c.json: invalid: long is missing; would not be repaired: mode is observe: long added: 0.5;"
        " nothing would be done: mode is observe"
    )
    assert answered(world).exit_status == REFUSED


def test_a_dry_run_waits_for_a_check():
    world = pipeline()
    world.mender.checking = 5.0
    world.mender.edit("c.json", INVALID)
    for name in ("all", "a"):
        world.mender.edit("c.json", INVALID)
        request = world.heal(name, dry_run=True)
        world.run(3)
        assert request not in world.answers
        world.run(4)
        assert world.answers[request].exit_status == OK


@pytest.mark.parametrize(
    ("slow", "said"), [("delay", "its repair is under way at this moment"), ("checking", "is still being checked")]
)
def test_a_dry_run_waits_a_minute_at_most(slow: str, said: str):
    world = pipeline()
    setattr(world.mender, slow, HOUR)
    world.mender.edit("c.json", INVALID)
    world.heal("all")
    world.run(1)
    request = world.heal("all", dry_run=True)
    world.until(lambda: request in world.answers, 3 * MINUTE)
    assert world.answers[request].exit_status == OK
    assert f"c.json: {said}" in world.answers[request].reason


def test_a_dry_run_of_one_says_what_would_be_mended_first():
    world = pipeline()
    world.mender.edit("c.json", INVALID)
    world.hang("a")
    world.run(LIMIT + MINUTE)
    assert world.state("a") is Health.BLOCKED
    for name in ("a", "all"):
        assert "would repair c.json first, and then judge it anew; blocked by c.json: " in (
            answered(world, name, dry_run=True).reason
        )
    assert world.mends() == []
    world.mender.edit("c.json", HOPELESS)
    world.run(1)
    assert answered(world, "a", dry_run=True).reason.startswith("would not restart it; blocked by c.json")


@pytest.mark.parametrize("state", ["stalled", "catching_up", "blocked"])
def test_a_dry_run_of_all_tells_of_workers_that_are_not_well(state: str):
    world = World([worker("a", ["in"], ["a.out"])], [file("in")], mode=Mode.OBSERVE, cycle=24 * HOUR)
    world.run(MINUTE)
    world.hang("a")
    if state != "stalled":
        world.outside["in"] = False
    world.run(LIMIT + 10 * MINUTE)
    if state == "catching_up":
        world.outside["in"] = True
        world.until_state("a", Health.CATCHING_UP)
    assert world.state("a").value == state
    expected = {
        "stalled": "a: would not restart it now: mode is observe",
        "catching_up": "a: would wait whether it catches",
        "blocked": "a: would not restart it; blocked by in: ",
    }
    assert answered(world, dry_run=True).reason.startswith(expected[state])


def test_a_dry_run_of_all_tells_what_is_under_way():
    world = World(chain("a", source="in"), [file("in")], cycle=24 * HOUR, stop_delay=20.0)
    world.run(MINUTE)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    assert answered(world, dry_run=True).reason.startswith("a: a restart is under way already (stopping): ")
