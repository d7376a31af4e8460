"""What lies under an output: a full or read-only file system is cured by no restart, and is said as such."""

from __future__ import annotations

import pytest
from world import HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file

from supervisor_healer.core.model import Health
from supervisor_healer.core.orders import Start

FULL = "the disk is full (0 KB free)"


def full(**options: object) -> World:
    """The disk under `a.out` fills up; `b` reads it."""
    world = World(chain("a", "b", source="in"), [file("in")], **options)  # type: ignore[arg-type]
    world.run(10 * MINUTE)
    world.disk.ground["a.out"] = FULL
    return world


@pytest.mark.parametrize("ground", [FULL, "the file system is read-only"])
def test_a_worker_is_not_restarted_for_the_disk_under_its_output(ground: str):
    world = full()
    world.disk.ground["a.out"] = ground
    world.run(HOUR)
    assert world.restarts() == {}
    assert world.state("a") is Health.STALLED
    assert world.reason("a").endswith(f"; {ground} under a.out: a restart would not help")
    assert world.state("b") is Health.BLOCKED
    assert world.engine is not None
    assert world.engine.verdicts["b"].blocked_by == ("a",)
    (entry,) = world.told_of("a", "failed")
    assert entry.action == "df -h /srv/pipe"
    assert ground in entry.message
    assert [note.text for _, note in world.history if note.worker == "a" and "not restarted" in note.text] == []
    assert sum(note.event == "convicted" for _, note in world.history) == 1
    assert world.remembered("worker", "a")["budget"]["restarts"] == []


@pytest.mark.parametrize("recovers", [True, False])
def test_once_the_disk_is_in_order_again_the_worker_has_its_max_age_to_recover(recovers: bool):
    world = full()
    world.run(HOUR)
    if not recovers:
        world.hang("a")
    del world.disk.ground["a.out"]
    at = world.time.mono
    if recovers:
        world.until(lambda: world.state("a") is Health.HEALTHY, MINUTE)
        world.run(HOUR)
        assert world.restarts() == {}
    else:
        world.run(MINUTE)
        assert "the file system under a.out is in order again for \x1fago:" in world.reason("a")
        (entry,) = world.told_of("a.out", "warnings")
        assert "it may recover" in entry.message
        assert world.told_of("a") == []
        world.until(lambda: world.restarts() == {"a": 1}, HOUR)
        assert MAX_AGE <= world.time.mono - at < MAX_AGE + 10


def test_a_disk_that_is_full_while_outputs_are_fresh_is_not_looked_at():
    world = full()
    world.disk.ground["b.out"] = FULL
    world.run(MINUTE)
    assert world.engine is not None
    assert world.engine.grounds(["a.out", "b.out", "in"], world.time.now) == set()
    world.run(LIMIT)
    assert "a.out" in world.engine.grounds(["a.out", "b.out", "in"], world.time.now)


def test_a_dead_worker_is_not_started_on_a_full_disk_and_at_once_when_it_is_in_order():
    world = full()
    world.host.die("a")
    world.run(HOUR)
    assert world.state("a") is Health.DOWN
    assert "the disk is full" in world.reason("a")
    assert world.restarts() == {}
    (entry,) = world.told_of("a", "failed")
    assert entry.action == "df -h /srv/pipe"
    del world.disk.ground["a.out"]
    world.until(lambda: world.restarts() == {"a": 1}, 10)


@pytest.mark.parametrize("force", [False, True])
def test_an_operator_is_refused_with_the_reason_unless_he_insists(force: bool):
    world = full()
    world.run(HOUR)
    request = world.heal("a", force=force)
    world.run(5)
    if force:
        assert isinstance(world.orders[-1][1], Start)
    else:
        assert world.answers[request].exit_status == 75
        assert world.answers[request].reason == f"{FULL} under a.out: a restart would not help"
        assert world.restarts() == {}


def test_an_operator_need_not_wait_for_the_recovery():
    world = full()
    world.run(HOUR)
    world.hang("a")
    del world.disk.ground["a.out"]
    world.run(10)
    request = world.heal("a")
    world.until(lambda: request in world.answers, MINUTE)
    assert world.answers[request].exit_status == 0
    assert world.restarts() == {"a": 1}


def test_heal_all_tells_of_the_disk():
    world = full()
    world.run(HOUR)
    request = world.heal("all")
    world.run(10)
    assert world.answers[request].exit_status == 75
    assert f"a: {FULL} under a.out" in world.answers[request].reason


def test_a_full_disk_is_told_of_a_worker_that_is_healthy_still():
    world = full()
    world.disk.ground["a.out"] = FULL
    world.run(MINUTE + 5)
    assert world.state("a") is Health.HEALTHY
    assert world.reason("a") == f"every output is fresh; {FULL} under a.out"
    assert world.engine is not None
    assert world.engine.verdicts["a"].outputs[0].ground == FULL
    (entry,) = world.told_of("a", "failed")
    assert entry.message.count(FULL) == 1
    del world.disk.ground["a.out"]
    world.run(MINUTE + 5)
    assert world.reason("a") == "every output is fresh"
