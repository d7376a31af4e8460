"""`unmonitor all`: an operator takes over; meanwhile no file is touched, no config, and no component healer asked."""

from __future__ import annotations

import pytest
from world import HOUR, INVALID, LIMIT, MINUTE, World, chain, config, file

from supervisor_healer.core.model import Creation, Health
from supervisor_healer.core.news import ComponentResult
from supervisor_healer.simulation.mender import HOPELESS

MADE = Creation(text="{}")
OK = 0


def pipeline(**options: object) -> World:
    """`a` reads c.json; made.txt is made where it is missing; `lab` is a component healer."""
    options.setdefault("cycle", 60.0)
    world = World(
        chain("a", source="c.json"), [file("made.txt", None, create=MADE)], configs=[config("c.json")],
        components=lambda: [ComponentResult("lab")], **options,
    )  # type: ignore[arg-type]  # fmt: skip
    world.run(MINUTE + 0.5)
    return world


def spoil(world: World) -> int:
    """Take away what would be mended; how often component healers were consulted until then."""
    world.run(1)
    world.disk.remove("made.txt")
    world.mender.edit("c.json", INVALID)
    return world.consults


def answered(world: World, name: str = "all", *, dry_run: bool = False) -> tuple[int, str]:
    request = world.heal(name, dry_run=dry_run)
    world.until(lambda: request in world.answers, MINUTE)
    return world.answers[request].exit_status, world.answers[request].reason


def test_nothing_is_mended_and_nobody_consulted_until_monitor_all():
    world = pipeline()
    world.unmonitor("all")
    before = spoil(world)
    world.run(10 * MINUTE)
    assert (world.mends(), world.consults) == ([], before)
    world.monitor("all")
    world.run(MINUTE + 5)
    assert world.mends() == ["create made.txt", "repair c.json"]
    assert world.consults > before


@pytest.mark.parametrize("life", ["one", "two", "another boot"])
def test_the_time_is_over_also_for_a_later_healer(life: str):
    world = pipeline()
    world.unmonitor("all", HOUR)
    world.run(MINUTE)
    spoil(world)
    if life != "one":
        world.restart_healer(same_boot=life == "two")
    world.run(50 * MINUTE)
    assert world.mends() == []
    world.run(11 * MINUTE)
    assert world.mends() == ["create made.txt", "repair c.json"]
    assert ("", "monitor") in [(note.worker, note.event) for _, note in world.history]
    assert "all is unmonitored" not in str(world.report)


def test_it_outlives_the_healer_without_an_end_of_its_own_too():
    world = pipeline()
    world.unmonitor("all")
    world.run(1)
    world.restart_healer()
    spoil(world)
    world.run(HOUR)
    assert world.mends() == []


def test_what_was_remembered_in_another_shape_is_taken_for_hands_off():
    world = pipeline()
    world.unmonitor("all")
    world.run(1)
    world.journal["hands_off", ""] = '{"until": []}'
    world.restart_healer()
    spoil(world)
    world.run(2 * MINUTE)
    assert world.mends() == []
    (entry,) = world.told_of("healer", "warnings")
    assert entry.action == "supervisorctl monitor all"


def test_the_report_says_so_with_the_way_back():
    world = pipeline()
    world.unmonitor("all", HOUR)
    spoil(world)
    world.run(2 * MINUTE)
    (entry,) = world.told_of("healer", "warnings")
    assert entry.action == "supervisorctl monitor all"
    assert entry.message.startswith("all is unmonitored by an operator for another ")
    assert "no file and no config is mended" in entry.message
    (entry,) = world.told_of("c.json", "warnings")
    assert "all is unmonitored by an operator for another" in entry.message
    assert ", so not: long added: 0.5" in entry.message
    assert entry.action == "${EDITOR:-vi} /srv/pipe/c.json"


@pytest.mark.parametrize("how", [INVALID, HOPELESS])
def test_heal_all_leaves_alone_what_is_unmonitored_files_and_configs_too(how: str):
    world = pipeline()
    world.unmonitor("all")
    spoil(world)
    world.mender.edit("c.json", how)
    world.hang("a")
    world.run(LIMIT)
    assert answered(world) == (
        OK, "nothing to heal; files and configs are left alone: all is unmonitored by an operator",
    )  # fmt: skip
    assert "would not be created: all is unmonitored" in answered(world, dry_run=True)[1]
    assert world.mends() == []
    assert world.deeds("a") == []


def test_heal_of_one_worker_acts_on_it_and_mends_nothing():
    world = pipeline()
    world.unmonitor("all")
    world.run(1)
    world.disk.remove("made.txt")
    world.hang("a")
    world.run(LIMIT + MINUTE)
    assert world.state("a") is Health.UNMONITORED
    assert answered(world, "a")[0] == OK
    assert world.deeds("a") == ["restart", "healed"]
    assert world.mends() == []


def test_a_restore_is_an_operators_own_word():
    world = pipeline()
    spoil(world)
    world.run(2 * MINUTE)
    world.unmonitor("all")
    world.run(1)
    request = world.restore("c.json")
    world.run(2)
    assert world.answers[request].exit_status == OK
    assert world.story("c.json") == ["repaired", "restored"]


def test_unmonitor_of_one_worker_concerns_only_that_one():
    world = pipeline()
    world.unmonitor("a")
    spoil(world)
    world.run(2 * MINUTE)
    assert world.mends() == ["create made.txt", "repair c.json"]
    world.unmonitor("all")
    world.monitor("a")
    spoil(world)
    world.run(2 * MINUTE)
    assert len(world.mends()) == 2
    assert world.told_of("healer") != []
