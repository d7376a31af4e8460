"""Readers that supervisord does not run, and files that nobody reads or writes: how they stand, and why."""

from __future__ import annotations

import pytest
from world import (
    DAY,
    HOPELESS,
    HOUR,
    INVALID,
    LIMIT,
    MAX_AGE,
    MINUTE,
    MISSING,
    World,
    chain,
    config,
    consumer,
    file,
    worker,
)

from supervisor_healer.core.model import Freshness, Health


def gate(**options: object) -> World:
    """`a` feeds `b`, whose output a consumer reads beside a config and a file from outside, which it need not have."""
    files = [file("in"), file("b.out", critical=True), file("hints.txt", HOUR)]
    world = World(
        chain("a", "b", source="in"), files, configs=[config("c.json")],
        consumers=[consumer("gate", "b.out", "c.json", "hints.txt?")], **options,
    )  # type: ignore[arg-type]  # fmt: skip
    world.run(5 * MINUTE)
    return world


def test_all_it_reads_is_fresh():
    world = gate()
    one = world.dependent("gate")
    assert (one.state, one.reason, one.critical) == (Health.HEALTHY, "everything that it reads is fresh", True)
    assert [file.path for file in one.inputs] == ["b.out", "c.json", "hints.txt"]
    assert [file.producer for file in one.inputs] == ["b", "", ""]
    assert one.inputs[2].note == "not required"
    assert one.blocked_by == ()


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (MAX_AGE - 0.1, Health.HEALTHY), (MAX_AGE, Health.LATE), (LIMIT - 0.1, Health.LATE), (LIMIT, Health.BLOCKED),
    ],
)  # fmt: skip
def test_it_is_late_and_then_blocked_as_its_input_is(after: float, state: Health):
    world = World([], [file("x.json")], consumers=[consumer("gate", "x.json")], outside={})
    world.disk.write("x.json")
    world.run(1)
    assert world.engine is not None
    world.run(world.disk.files["x.json"].written + after - world.time.mono)
    one = world.dependent("gate")
    assert one.state is state
    assert one.blocked_by == (("x.json",) if state is Health.BLOCKED else ())
    if state is not Health.HEALTHY:
        assert one.reason.startswith("x.json \x1fago:")


def test_the_root_is_found_through_the_chain():
    world = gate()
    world.outside["in"] = False
    world.run(HOUR)
    one = world.dependent("gate")
    assert one.state is Health.BLOCKED
    assert one.blocked_by == ("in",)
    assert one.reason.startswith("by in: b.out \x1fago:")
    world.outside["in"] = True
    world.run(5 * MINUTE)
    world.curse("a")
    world.run(HOUR)
    assert world.dependent("gate").blocked_by == ("a",)


def test_what_it_need_not_have_does_not_matter():
    world = gate()
    world.outside["hints.txt"] = False
    world.run(DAY)
    assert world.dependent("gate").state is Health.HEALTHY


@pytest.mark.parametrize(("how", "said"), [(HOPELESS, "c.json hopeless: long is 7, at most 1"), (MISSING, "c.json ")])
def test_a_bad_config_blocks_it(how: str, said: str):
    world = gate()
    world.mender.edit("c.json", how)
    world.run(10)
    one = world.dependent("gate")
    assert one.state is Health.BLOCKED
    assert one.blocked_by == ("c.json",)
    assert one.reason.startswith(said)
    assert not one.critical  # what is missing is not


def test_while_a_config_is_checked_the_last_word_stands():
    world = gate()
    since = world.dependent("gate").since
    world.mender.checking = 30.0
    world.mender.edit("c.json")
    world.run(10)
    assert world.engine is not None
    assert world.engine.tracks["c.json"].passing
    assert (world.dependent("gate").state, world.dependent("gate").since) == (Health.HEALTHY, since)
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit("c.json")
    world.run(10)
    one = world.dependent("gate")
    assert one.state is Health.BLOCKED
    assert "c.json" not in one.reason


def test_before_the_first_look_and_check_nothing_is_known():
    world = gate(started=False)
    world.mender.checking = 10.0
    world.begin_healer()
    assert world.dependent("gate").state is Health.UNKNOWN
    world.run(1)
    assert (world.dependent("gate").state, world.dependent("gate").reason) == (
        Health.UNKNOWN,
        "c.json is being checked",
    )
    world.run(10)
    assert world.dependent("gate").state is Health.HEALTHY


def test_an_idle_producer_keeps_its_reader_content():
    workers = [worker("a", ["in"], ["a.out"])]
    world = World(
        workers, [file("in", DAY), file("a.out")], outside={"in": 4 * HOUR}, consumers=[consumer("gate", "a.out")]
    )
    world.run(HOUR)
    assert world.state("a") is Health.IDLE
    one = world.dependent("gate")
    assert one.state is Health.HEALTHY
    assert one.inputs[0].note == "its producer is idle: as new as it can be"


def test_a_verdict_keeps_its_date_while_its_state_stays():
    world = gate()
    since = world.dependent("gate").since
    world.run(MINUTE)
    assert world.dependent("gate").since == since
    world.outside["in"] = False
    world.run(HOUR)
    blocked = world.dependent("gate").since
    assert blocked > since
    world.mender.edit("c.json", HOPELESS)
    world.run(MINUTE)
    assert world.dependent("gate").since == blocked


def test_what_has_changed_is_told_once():
    world = gate()
    assert world.engine is not None
    world.engine.look_around(world.time.now)
    assert world.engine.look_around(world.time.now) == (set(), set())
    world.mender.edit("c.json", INVALID)
    world.run(6)
    assert world.engine.look_around(world.time.now)[0] == {"gate"}


def test_who_leaves_is_told_of_once():
    world = gate()
    world.adopt(files=[*world.plan.files, file("apart.txt", HOUR)])
    world.run(1)
    assert world.engine is not None
    world.engine.look_around(world.time.now)
    assert set(world.engine.files_apart) == {"apart.txt"}
    world.adopt(consumers=[], files=[spec for spec in world.plan.files if spec.path != "apart.txt"])
    consumers, files = world.engine.look_around(world.time.now)
    assert consumers == {"gate"}
    assert "apart.txt" in files
    assert world.engine.consumers == {}


def test_files_apart_are_those_of_no_worker_and_no_consumer():
    files = [file("in"), file("lonely.txt"), file("read.txt"), file("out.%(process_name)s")]
    world = World(
        chain("a", source="in"), files, configs=[config("c.json")], consumers=[consumer("gate", "read.txt")], outside={}
    )
    world.run(MINUTE)
    assert world.engine is not None
    world.engine.look_around(world.time.now)
    assert {path: one.freshness for path, one in world.engine.files_apart.items()} == {
        "lonely.txt": Freshness.MISSING,
        "c.json": Freshness.FRESH,
    }


def test_every_dependency_is_counted():
    world = gate()
    assert dict(world.report.stats)["dependencies_checked"] == 2 + 3
