"""The simulated world as a whole: its healer's life, what can go wrong between it and the others, and the mender."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brain import LIMIT, Brain, chained, decide, start, with_brain

from supervisor_healer.core.memory import Memory
from supervisor_healer.core.model import ConfigSpec, FileSpec, Health, Mode, WorkerSpec
from supervisor_healer.core.news import ComponentResult, ProcessTable
from supervisor_healer.core.orders import Consult, Note, Remember, Repair, Start, Stop
from supervisor_healer.simulation.mender import HOPELESS, INVALID, MISSING, PARTLY, VALID
from supervisor_healer.simulation.run import make_world, play_in
from supervisor_healer.simulation.timeline import HOUR, MINUTE
from supervisor_healer.simulation.world import Plan, World, kills_at
from supervisor_healer.simulation.worlds import case_of

CONFIG = "c.json"


def healed(**options: object) -> World:
    """With a healer that has been there for a minute."""
    world = chained(**options)
    world.begin_healer()
    world.run(MINUTE)
    return world


def events(world: World) -> list[str]:
    return [f"{note.worker} {note.event}" for _, note in world.healer.chronicle.history if note.event != "verdict"]


HEALED = ["b restart", "b healed"]


# --- the whole -----------------------------------------------------------------------------------------------


def test_a_hang_is_healed_by_one_restart():
    world = healed()
    world.hang("b")
    world.run(20 * MINUTE)
    assert events(world) == HEALED
    assert dict(world.host.starts) == {"b": 1}
    assert world.promises.restarted == 1
    assert world.promises.needless == []


def test_one_that_recovers_by_itself_in_time_is_left_alone():
    world = healed()
    world.hang("b", LIMIT - MINUTE)
    world.run(HOUR)
    assert events(world) == []
    assert world.states() == {"a": Health.HEALTHY, "b": Health.HEALTHY, "c": Health.HEALTHY}


def played(seed: int) -> World:
    """The first hours of that seed's world, and until it has settled."""
    whole, hours = case_of(seed), 3 * HOUR
    case = replace(whole, seconds=hours, faults=[fault for fault in whole.faults if fault.at < hours])
    world = make_world(case)
    assert play_in(world, case).violations == ()
    return world


def test_the_same_seed_is_the_same_world_and_another_one_is_not():
    first, again, another = (played(seed).transcript() for seed in (0, 0, 11))
    assert first == again != another


def test_what_a_healer_remembers_of_a_worker_comes_back_as_it_was():
    world = played(10)
    remembered = world.healer.store.memories()["worker"]
    assert remembered.keys() == world.programs.keys()
    for memory in remembered.values():
        assert Memory.from_json(memory, world.time.mono).as_json().keys() == memory.keys()
    hours = world.elapsed / HOUR
    assert world.healer.turns < 1000 * hours * len(world.programs)  # it sleeps until something can have changed


def test_entries_for_a_group_are_a_worker_each():
    spec = WorkerSpec("w", "w", outputs=("w.%(process_num)d",))
    world = World(Plan([spec], [FileSpec("w.%(process_num)d", 300.0, 150.0)], members={"w": ["w_0", "w_1"]}))
    world.run(5.0)
    world.begin_healer()
    world.run(MINUTE)
    assert world.states() == {"w:w_0": Health.HEALTHY, "w:w_1": Health.HEALTHY}


def test_an_architecture_that_changes_holds_from_then_on():
    world = healed()
    world.hang("b")
    world.adopt(mode=Mode.OBSERVE)
    world.run(HOUR)
    assert world.host.starts["b"] == 0
    world.adopt(mode=Mode.HEAL, workers=[spec for spec in world.plan.workers if spec.name != "b"])
    world.run(HOUR)
    assert world.host.starts["b"] == 0
    assert "b" not in world.states()


def test_after_a_boot_everything_is_there_anew_and_what_was_known_is_still_known():
    world = healed()
    world.run(HOUR)
    restarts, world.promises.host_restarts = [world.time.mono - 60.0], [world.time.mono - 60.0]
    pids = {name: program.pid for name, program in world.programs.items()}
    elapsed = world.elapsed
    world.reboot(600.0)
    assert world.time.mono < restarts[0]
    assert world.time.mono - world.promises.host_restarts[0] == 660.0
    assert world.elapsed - elapsed == 600.0
    world.run(5 * MINUTE)
    assert all(program.up and program.pid != pids[name] for name, program in world.programs.items())
    assert set(world.states().values()) == {Health.HEALTHY}


@pytest.mark.parametrize(("wall", "mono"), [("step", False), ("stall", True)])
def test_clocks_that_jump_alone_or_together(wall: str, mono: bool):
    world = healed()
    before, writes = world.time.now, len(world.disk.file("a.out").writes)
    getattr(world.time, wall)(HOUR)
    assert world.time.wall - before.wall == HOUR
    assert world.time.mono - before.mono == (HOUR if mono else 0.0)
    assert len(world.disk.file("a.out").writes) == writes


# --- a healer's life -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("kind", [Stop, Start, Remember, Note])
def test_a_healer_that_is_killed_in_mid_deed_is_followed_by_one_that_ends_it(
    kind: type[Stop | Start | Remember | Note], before: bool
):
    world = healed()
    world.hang("b")
    world.healer.kill_when, world.healer.kill_before = kills_at(kind), before
    world.healer.killed_at = lambda: world.time.after(1.0, world.begin_healer)
    world.run(20 * MINUTE)
    assert world.healer.lives == 2
    assert world.host.starts["b"] == 1
    assert events(world)[-1] == "b healed"


def test_what_the_journal_does_not_take_comes_with_the_next_that_it_takes():
    world = healed()
    world.healer.store.failing = "No space left on device"
    world.hang("b")
    world.run(20 * MINUTE)
    assert world.healer.store.remembered("worker", "b")["budget"]["restarts"] == []
    kept = set(world.healer.store.unsaved)
    assert ("worker", "b") in kept
    world.healer.store.failing = ""
    world.operator_stops("c")
    world.run(2 * MINUTE)
    assert world.healer.store.unsaved == {}
    assert kept <= world.healer.store.texts.keys()
    assert world.healer.store.remembered("worker", "b")["budget"]["restarts"] != []


def test_an_orderly_end_writes_down_what_is_known_of_files():
    world = healed()
    world.healer.store.texts.clear()
    world.kill_healer(orderly=True)
    assert ("file", "a.out") in world.healer.store.texts
    assert world.healer.next_turn == float("inf")


# --- between it and supervisord ------------------------------------------------------------------------------


def heard(world: World, seconds: float) -> list[ProcessTable]:
    """What the healer hears within that time, starting with the death of c."""
    world.host.die("c")
    end = world.time.mono + seconds
    while world.time.next_event <= end:
        world.time.mono = max(world.time.mono, world.time.next_event)
        world.time.pop()()
    return [event for event in world.healer.inbox if isinstance(event, ProcessTable)]


@pytest.mark.parametrize(
    ("fault", "value", "seconds", "complete"),
    [
        ("deaf", False, 6.0, [False]),
        ("deaf", True, 6.0, []),
        ("double_events", 1, 6.0, [False, False]),
        ("lose_events", 1, 4.0, []),
        ("lose_events", 1, 6.0, [True]),
        ("delay_events", 3.0, 2.0, []),
        ("delay_events", 3.0, 4.0, [True]),
    ],
)
def test_events_get_lost_and_doubled_and_late_and_the_whole_table_makes_up_for_them(
    fault: str, value: float, seconds: float, complete: list[bool]
):
    world = with_brain(chained(), Brain([]))
    setattr(world.healer.line, fault, value)
    assert [table.complete for table in heard(world, seconds)] == complete


@pytest.mark.parametrize(
    ("fault", "value", "at_once", "later"),
    [("latency", 0.0, 1, 1), ("lose_orders", 1, 0, 0), ("lose_answers", 1, 1, 1), ("latency", 2.0, 0, 1)],
)
def test_calls_get_lost_and_slow(fault: str, value: float, at_once: int, later: int):
    world = chained()
    world.host.die("c")
    setattr(world.healer.line, fault, value)
    assert decide(world, start(world, "c")) == ""
    assert world.host.starts["c"] == at_once
    assert world.healer.hears_all == (fault == "latency")
    world.run(5.0)
    assert world.host.starts["c"] == later


def test_while_a_call_takes_its_time_there_is_no_other_turn():
    world = chained()
    world.host.die("c")
    world.healer.line.latency = 2.0
    decide(world, start(world, "c"))
    world.healer.hear(world.host.table())
    assert world.healer.next_turn == world.time.mono + 2.0


# --- the mender ----------------------------------------------------------------------------------------------


def mending(how: str, **options: object) -> World:
    return healed(configs=[ConfigSpec(CONFIG, "json", **options)], contents={CONFIG: how})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "becomes", "backups"),
    [(VALID, VALID, 0), (INVALID, VALID, 1), (PARTLY, HOPELESS, 1), (HOPELESS, HOPELESS, 0), (MISSING, MISSING, 0)],
)
def test_configs_are_mended_as_far_as_they_can_be_and_backed_up(how: str, becomes: str, backups: int):
    world = mending(how)
    world.run(3 * MINUTE)
    assert world.mender.contents[CONFIG].how == becomes
    assert len(world.mender.backups[CONFIG]) == backups
    assert world.mender.is_sound(CONFIG) == (becomes == VALID)


def test_a_missing_one_is_made_where_it_may_be():
    world = mending(MISSING, create=True)
    world.run(3 * MINUTE)
    assert world.mender.contents[CONFIG].how == VALID
    assert world.mender.backups[CONFIG] == []


@pytest.mark.parametrize(("after", "done", "answered"), [(0.4, False, False), (0.6, True, False), (1.1, True, True)])
def test_a_mender_that_dies_with_its_healer_has_done_it_or_not(after: float, done: bool, answered: bool):
    world = mending(VALID)
    world.mender.delay = 1.0
    world.mender.edit(CONFIG, INVALID)
    digest = world.mender.contents[CONFIG].text
    decide(world, [Remember("care", CONFIG, {"intent": ["repair", digest]}), Repair(CONFIG, digest)])
    heard = world.healer.inbox = []
    world.healer.hear = heard.append  # type: ignore[method-assign]
    world.run(after)
    world.kill_healer()
    world.run(5.0)
    assert (world.mender.contents[CONFIG].how == VALID) is done
    assert bool(heard) is answered


def test_an_edit_in_mid_repair_is_not_overwritten():
    world = mending(VALID)
    world.mender.delay = 1.0
    world.mender.edit(CONFIG, INVALID)
    digest = world.mender.contents[CONFIG].text
    decide(world, [Remember("care", CONFIG, {"intent": ["repair", digest]}), Repair(CONFIG, digest)])
    world.mender.edit(CONFIG, HOPELESS, "mine")
    world.run(2.0)
    assert world.mender.contents[CONFIG].text == "mine"


def test_component_healers_answer_only_the_healer_that_asked():
    world = healed(components=lambda: [ComponentResult("lab")])
    world.run(5.0)
    for killed, answers in ((False, 1), (True, 0)):
        decide(world, [Consult()])
        heard: list[object] = []
        world.healer.hear = heard.append  # type: ignore[method-assign]
        if killed:
            world.kill_healer()
        world.run(2.0)
        del world.healer.hear
        assert len(heard) == answers
