"""Configs: who reads a bad one waits; what is repaired, how often, and what is left alone; restores; killed healers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import (
    HOPELESS,
    HOUR,
    INVALID,
    MAX_AGE,
    MINUTE,
    MISSING,
    UNREADABLE,
    VALID,
    World,
    chain,
    config,
    file,
    worker,
)

from supervisor_healer.core.care import MENDS, SETTLED, ConfigCare
from supervisor_healer.core.memory import ANSWERS_KEPT
from supervisor_healer.core.model import ConfigSpec, Freshness, Health, Mode
from supervisor_healer.core.news import Mended
from supervisor_healer.core.orders import Answer, Decision, Remember, Repair, Restore, Signal
from supervisor_healer.simulation.mender import UNCHECKED, Content

PATH = "c.json"
EXAMPLES = int(os.environ.get("HEALER_EXAMPLES", "20"))


def reader(spec: ConfigSpec | None = None, *, how: str = VALID, **options: object) -> World:
    """`a` reads the config and writes every ten seconds."""
    options.setdefault("cycle", 60.0)
    world = World(chain("a", source=PATH), configs=[spec or config(PATH)], contents={PATH: how}, **options)  # type: ignore[arg-type]
    world.run(MINUTE)
    return world


def forget_signals(world: World) -> None:
    errands = world.healer.chronicle.errands
    errands[:] = [one for one in errands if not isinstance(one[1], Signal)]


def care(world: World) -> dict[str, object]:
    return world.remembered("care", PATH)


# --- the gate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (HOPELESS, "c.json hopeless: long is 7, at most 1"),
        (UNREADABLE, "c.json unreadable: line 3, column 9: expected a value"),
        (MISSING, "c.json 10m old when last seen"),
    ],
)
def test_who_reads_a_bad_config_is_not_restarted(how: str, said: str):
    world = reader()
    world.run(8 * MINUTE + 55)
    world.mender.edit(PATH, how)
    world.host.die("a")
    world.run(HOUR)
    assert world.state("a") is Health.DOWN
    assert world.engine is not None
    assert world.engine.verdicts["a"].blocked_by == (PATH,)
    assert world.deeds("a") == []
    if how is not MISSING:
        assert said in world.reason("a")
    (entry,) = world.told_of(PATH, "failed")
    assert entry.kind == "config"
    world.mender.edit(PATH)
    world.until(lambda: world.deeds("a") == ["restart", "healed"], MINUTE)


def test_who_reads_a_config_that_is_being_checked_waits_for_that():
    world = reader()
    world.mender.checking = 8.0
    world.mender.edit(PATH)
    world.run(6)
    world.host.die("a")
    world.run(1)
    assert world.state("a") is Health.DOWN
    assert "is being checked" in world.reason("a")
    world.until(lambda: world.deeds("a") == ["restart", "healed"], 20)


def test_a_config_that_is_not_required_keeps_nobody_waiting():
    world = World([worker("a", [f"{PATH}?"], ["a.out"])], configs=[config(PATH)], contents={PATH: HOPELESS})
    world.run(MINUTE)
    world.host.die("a")
    world.until(lambda: world.deeds("a") == ["restart", "healed"], MINUTE)


def test_a_repaired_config_is_fresh_again_and_its_hold_begins_anew():
    world = reader()
    world.run(30)
    world.hang("a")
    world.mender.edit(PATH, HOPELESS)
    world.run(20 * MINUTE)
    assert world.state("a") is Health.BLOCKED
    world.mender.edit(PATH, INVALID)
    world.until(lambda: world.story(PATH) == ["repaired"], 2 * MINUTE)
    at = world.time.mono
    world.run(1)
    assert world.engine is not None
    assert world.engine.tracks[PATH].as_input(world.time.now).counts is Freshness.FRESH
    assert world.state("a") is Health.CATCHING_UP
    world.until(lambda: world.deeds("a")[:1] == ["restart"], HOUR)
    assert 59 < world.time.mono - at < 70  # catch_up of an input without a max_age


def test_a_check_breaks_no_hold():
    world = reader()
    world.hang("a")
    world.run(MAX_AGE + MINUTE)
    world.mender.edit(PATH)
    world.until(lambda: world.deeds("a")[:1] == ["restart"], 95)


def test_a_worker_is_not_doubted_while_the_config_that_it_writes_is_checked():
    """A learning job writes a config every ten seconds."""
    world = World(chain("a"), configs=[config("a.out")], cycle=60.0)
    write = world.disk.write

    def write_config(path: str, *args: object, **options: object) -> None:
        write(path, *args, **options)  # type: ignore[arg-type]
        world.mender.contents[path] = Content(VALID, f"written at {world.time.mono}")

    world.disk.write = write_config  # type: ignore[method-assign]
    world.mender.checking = 0.5
    world.run(HOUR)
    assert world.transitions["a"] == ["healthy"]
    world.disk.write = write  # type: ignore[method-assign]
    world.mender.edit("a.out", UNREADABLE)
    world.curse("a")
    world.run(2 * MINUTE)
    assert world.state("a") is Health.UNKNOWN
    world.mender.edit("a.out")
    world.run(MINUTE + 5)
    assert world.state("a") is Health.HEALTHY


# --- what is repaired ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "create", "repaired"),
    [
        (VALID, True, False),
        (INVALID, False, True),
        (HOPELESS, True, False),
        (UNREADABLE, True, False),
        (MISSING, False, False),
        (MISSING, True, True),
    ],
)
def test_what_can_be_repaired_is(how: str, create: bool, repaired: bool):
    world = reader(config(PATH, create=create), how=how)
    assert world.mends() == (["repair c.json"] if repaired else [])
    assert bool(world.story(PATH)) is repaired
    world.run(HOUR)
    assert len(world.mends()) == int(repaired)


def test_a_repair_is_noted_with_its_backup():
    world = reader(how=INVALID)
    assert world.last("repaired") == "long added: 0.5 (backup c.json.bak)"


def test_nothing_is_repaired_in_mode_observe():
    world = reader(how=INVALID, mode=Mode.OBSERVE)
    world.run(10 * MINUTE)
    assert world.mends() == []
    (entry,) = world.told_of(PATH)
    assert entry.message == "c.json invalid: long is missing; mode is observe, so not: long added: 0.5"
    request = world.restore(PATH)
    world.run(1)
    assert (world.answers[request].exit_status, world.answers[request].reason) == (75, "mode is observe")


def test_one_that_somebody_edits_is_left_for_the_next_cycle_and_nothing_is_counted():
    world = reader()
    world.mender.outcomes[PATH] = "changed"
    world.mender.edit(PATH, INVALID)
    world.run(29.5 * MINUTE)
    assert len(world.mends()) == 29
    assert world.story(PATH) == []
    assert care(world)["mends"] == []
    del world.mender.outcomes[PATH]
    world.run(MINUTE)
    assert world.story(PATH) == ["repaired"]
    assert len(care(world)["mends"]) == 1  # type: ignore[arg-type]


def test_the_trouble_with_one_content_says_nothing_of_another():
    world = reader()
    world.mender.outcomes[PATH] = "failed"
    world.mender.edit(PATH, INVALID)
    world.run(2 * MINUTE)
    world.mender.edit(PATH, HOPELESS)
    world.run(2 * MINUTE)
    (entry,) = world.told_of(PATH, "failed")
    assert entry.message == "c.json invalid: long is 7, at most 1"


def test_a_restore_that_fails_is_no_trouble_of_what_stands_there():
    world = reader(cycle=HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(1)
    request = world.restore(PATH)
    world.run(1)
    assert (world.answers[request].exit_status, world.answers[request].reason) == (1, "there is no backup")
    assert world.last("unmended") == "there is no backup"
    world.verify()
    world.run(1)
    (entry,) = world.told_of(PATH)
    assert entry.message == "c.json invalid: long is missing; with the next cycle: long added: 0.5"


def test_a_failure_is_told_once_and_needs_a_person():
    world = reader()
    world.mender.outcomes[PATH] = "failed"
    world.mender.edit(PATH, INVALID)
    world.run(30 * MINUTE)
    assert world.story(PATH) == ["unmended"]
    (entry,) = world.told_of(PATH)
    assert entry in world.report.failed
    assert entry.message == "c.json invalid: long is missing (No space left on device)"
    assert entry.action == "df -h /srv/pipe"
    world.mender.edit(PATH)
    world.run(MINUTE)
    assert world.told_of(PATH) == []
    world.mender.edit(PATH, INVALID)
    world.run(MINUTE + 5)
    assert world.story(PATH) == ["unmended", "unmended"]


def test_a_tug_of_war_ends_after_so_many_repairs():
    world = reader()
    for _ in range(10):
        world.mender.edit(PATH, INVALID)
        world.run(2 * MINUTE)
    assert world.mends() == ["repair c.json"] * MENDS.max
    assert world.story(PATH) == ["repaired"] * MENDS.max + ["unmended"]
    (entry,) = world.told_of(PATH, "failed")
    assert "mended 6 times in 1h" in entry.message
    assert world.told_of(PATH, "warnings") == []
    world.heal("all")
    world.run(1)
    assert world.mends() == ["repair c.json"] * (MENDS.max + 1)


def test_a_tug_of_war_goes_on_over_a_restart_of_the_healer_and_a_reboot():
    world = reader()
    for turn in range(10):
        world.mender.edit(PATH, INVALID)
        world.run(2 * MINUTE)
        if turn == 3:
            world.restart_healer()
        elif turn == 5:
            world.reboot(1.0)
    assert world.mends() == ["repair c.json"] * MENDS.max


def test_a_config_that_must_move_is_not_fresh_by_a_repair():
    """It has a max_age, and people or a job keep it up to date."""
    world = World(
        chain("a", source=PATH), [file(PATH, MAX_AGE)], configs=[config(PATH)], contents={PATH: INVALID}, cycle=60.0
    )
    world.run(10)
    assert world.story(PATH) == ["repaired"]
    world.run(MAX_AGE - 20)
    assert world.engine is not None
    assert world.engine.tracks[PATH].as_input(world.time.now).counts is Freshness.FRESH
    world.run(MINUTE)
    assert world.engine.tracks[PATH].as_input(world.time.now).counts is Freshness.LATE
    (entry,) = world.told_of(PATH, "warnings")
    assert entry.message.endswith("old (max 5m), from outside; a waits for it")
    world.restart_healer()
    world.run(4 * MINUTE)
    assert world.engine.tracks[PATH].as_input(world.time.now).counts is Freshness.STALE
    world.mender.edit(PATH)
    world.run(10)
    assert world.engine.tracks[PATH].as_input(world.time.now).counts is Freshness.FRESH


@pytest.mark.parametrize(("gone_for", "made"), [(SETTLED - 0.1, False), (SETTLED, True), (SETTLED + 0.1, True)])
def test_a_missing_one_must_have_been_gone_for_a_while(gone_for: float, made: bool):
    """An editor may have renamed it away, and write it anew in a moment."""
    world = reader(config(PATH, create=True))
    assert world.engine is not None
    world.mender.checking = 0.0
    world.run(122 - gone_for - world.elapsed)
    world.mender.edit(PATH, MISSING)
    for _ in range(2):  # the second finds what the first has asked for
        world.engine.see({PATH: world.mender.look(PATH, world.disk.look(PATH))}, world.time.now)
        world.run(0.0)
    world.run(gone_for + 0.2)
    assert world.report.cause == "cycle"
    assert (world.mends() == ["repair c.json"]) is made
    world.run(MINUTE)
    assert world.mends() == ["repair c.json"]


def test_a_person_who_asks_for_a_missing_one_does_not_wait():
    world = reader(config(PATH, create=True), cycle=HOUR)
    world.mender.edit(PATH, MISSING)
    request = world.heal("all")
    world.run(1)
    assert world.answers[request].exit_status == 0
    assert world.mends() == ["repair c.json"]


def test_one_whose_check_was_given_up_keeps_the_gate_shut_and_is_not_called_bad():
    world = reader()
    world.mender.edit(PATH, UNCHECKED)
    world.run(10)
    world.host.die("a")
    world.run(20 * MINUTE)
    assert world.deeds("a") == []
    assert "c.json could not be checked: it took longer than 20s" in world.reason("a")
    (entry,) = world.told_of(PATH, "failed")
    assert entry.message == "c.json could not be checked: it took longer than 20s"
    assert entry.action == "ls -l /srv/pipe/c.json"
    request = world.heal("all")
    world.run(1)
    assert world.answers[request].exit_status == 75
    assert "c.json: could not be checked: it took longer than 20s" in world.answers[request].reason
    request = world.heal("all", dry_run=True)
    world.run(1)
    assert world.answers[request].exit_status == 0
    assert "c.json: could not be checked: it took longer than 20s" in world.answers[request].reason
    world.mender.edit(PATH)
    world.until(lambda: world.deeds("a") == ["restart", "healed"], MINUTE)


# --- an operator's restore -------------------------------------------------------------------------------------


def with_backup(**options: object) -> World:
    """A config that was repaired once: the backup is the invalid one of before."""
    world = reader(config(PATH, signal="HUP", signalled=("a",)), how=INVALID, **options)
    assert world.story(PATH) == ["repaired"]
    forget_signals(world)
    return world


def test_a_restore_puts_the_newest_backup_back_and_is_left_alone():
    world = with_backup()
    request = world.restore(PATH)
    world.run(1)
    assert world.told[request] == ["puts the newest backup of c.json back"]
    assert world.answers[request] == Answer(request, 0, "the newest backup is back")
    assert world.last("restored") == "the newest backup is back"
    assert len(world.signals) == 1
    world.run(HOUR)
    assert world.mends() == ["repair c.json", "restore c.json"]
    (entry,) = world.told_of(PATH)
    assert entry in world.report.warnings
    assert entry.message == "c.json invalid, left as an operator has put it back: long is missing"
    world.restart_healer()
    world.run(HOUR)
    assert world.mends() == ["repair c.json", "restore c.json"]
    world.mender.edit(PATH, INVALID)
    world.run(MINUTE)
    assert world.mends() == ["repair c.json", "restore c.json", "repair c.json"]


def test_heal_all_leaves_alone_what_an_operator_has_put_back():
    world = with_backup()
    world.restore(PATH)
    world.run(1)
    request = world.heal("all")
    world.run(1)
    assert (world.answers[request].exit_status, world.answers[request].reason) == (0, "nothing to heal")


def test_a_restore_without_a_backup_fails():
    world = reader()
    request = world.restore(PATH)
    world.run(1)
    assert (world.answers[request].exit_status, world.answers[request].reason) == (1, "there is no backup")


def test_only_configs_are_restored():
    world = reader()
    request = world.restore("a.out")
    world.run(1)
    assert world.answers[request].exit_status == 2
    assert world.answers[request].reason == "a.out is no config of the architecture (these are: c.json)"


@pytest.mark.parametrize("life", ["same", "next"])
def test_a_restore_acts_once_however_often_it_is_delivered(life: str):
    world = with_backup()
    request = world.restore(PATH)
    world.restore(PATH, id=request)
    world.run(1)
    before = world.answers.pop(request)
    if life == "next":
        world.restart_healer()
    world.restore(PATH, id=request)
    world.run(MINUTE)
    assert world.answers[request] == before
    assert world.mends() == ["repair c.json", "restore c.json"]


def test_answers_long_past_are_forgotten():
    world = with_backup()
    for number in range(ANSWERS_KEPT + 5):
        world.restore(PATH, id=f"old{number}")
        world.run(1)
    assert next(iter(care(world)["answered"])) == "old5"  # type: ignore[call-overload]


def test_a_restore_is_refused_while_it_is_being_mended():
    world = reader()
    world.mender.edit(PATH, INVALID)
    world.mender.delay = 5.0
    world.heal("all")
    world.run(1)
    request = world.restore(PATH)
    world.run(1)
    assert world.answers[request].exit_status == 75
    assert world.answers[request].reason == "c.json is being mended at this moment; try again"


def test_a_restore_is_refused_once_supervisord_goes_down():
    world = with_backup()
    world.halt()
    request = world.restore(PATH)
    world.run(1)
    assert world.answers[request].reason == "supervisord is shutting down"


def test_a_restore_that_comes_before_the_first_check_waits_for_it():
    """Only what stood there before can tell a healer that comes after whether it was done."""
    world = with_backup()
    world.kill_healer()
    world.mender.checking = 10.0
    world.begin_healer()
    world.run(1)
    request = world.restore(PATH)
    world.restore(PATH, id=request)
    other = world.restore(PATH)
    world.run(5)
    assert world.mends() == ["repair c.json"]
    assert world.answers[other].exit_status == 75
    world.run(6)
    assert world.mends() == ["repair c.json", "restore c.json"]
    assert world.answers[request].exit_status == 0


# --- killed in between -----------------------------------------------------------------------------------------


def killed(verb: str, when: str) -> World:
    """A healer dies at an order: before it is given, before it is carried out, or before it is answered."""
    spec = config(PATH, signal="HUP", signalled=("a",), restarted=("b",))
    workers = [*chain("a", source=PATH), *chain("b", source=PATH)]
    world = World(workers, configs=[spec], contents={PATH: INVALID}, cycle=60.0)
    world.run(5 * MINUTE)
    forget_signals(world)
    world.history.clear()
    world.host.starts.clear()
    world.mender.delay = 2.0
    if verb == "repair":
        world.mender.edit(PATH, INVALID)
    order = {"repair": Repair, "restore": Restore}[verb]
    if when == "before the order":
        world.kill_at(order)
    if verb == "restore":
        world.mender.backups[PATH].append(Content(VALID, "of last week"))
        world.restore(PATH, id="r")
    world.until(
        lambda: any(isinstance(one, order) for at, one in world.mend_orders if at > 300) or not world.engine, 70
    )
    if when == "before the answer":
        world.run(1.5)
    world.kill_healer()
    world.mender.delay = 0.2
    return world


WHEN = ["before the order", "before it is done", "before the answer"]


@pytest.mark.parametrize("check", ["answers", "fails first"])
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("verb", ["repair", "restore"])
def test_a_healer_killed_in_mid_repair_tells_the_readers_exactly_when_the_content_has_changed(
    verb: str, when: str, check: str
):
    world = killed(verb, when)
    before = len(world.mend_orders)
    if check == "fails first":
        content, world.mender.contents[PATH] = (
            world.mender.contents[PATH],
            Content(UNREADABLE, ""),
        )
        world.begin_healer()
        world.run(3)
        world.mender.contents[PATH] = content
        assert world.signals == []
    else:
        world.begin_healer()
    if verb == "restore":
        world.restore(PATH, id="r")
    world.run(5 * MINUTE)
    done = when == "before the answer"
    assert len(world.mend_orders) - before == (0 if done else 1)
    assert len(world.signals) == 1
    assert world.restarts() == {"b": 1}
    words = {"repair": "repaired", "restore": "restored"}
    notes = [note.text for _, note in world.history if note.event == words[verb]]
    assert len(notes) == 1
    assert ("cut short" in notes[0]) is done
    if verb == "restore":
        assert world.answers["r"].exit_status == 0
        assert care(world)["left_alone"]
    assert care(world)["intent"] is None


def test_what_somebody_has_removed_since_is_no_repair():
    world = killed("repair", "before it is done")
    world.mender.edit(PATH, MISSING)
    world.begin_healer()
    world.run(5 * MINUTE)
    assert world.signals == []
    assert world.story(PATH) == []
    assert care(world)["intent"] is None


@pytest.mark.parametrize("hindrance", ["observe", "halt"])
def test_a_restore_that_a_former_healer_began_is_not_done_if_nothing_may_be_done(hindrance: str):
    world = killed("restore", "before it is done")
    orders = len(world.mend_orders)
    if hindrance == "observe":
        world.adopt(mode=Mode.OBSERVE)
    world.begin_healer()
    if hindrance == "halt":
        world.halt()
    world.run(MINUTE)
    assert len(world.mend_orders) == orders
    assert world.answers["r"].exit_status == 75


@pytest.mark.parametrize("memory", [{}, {"mends": 7}, {"mends": [], "left_alone": "", "intent": 7}, []])
def test_a_damaged_memory_of_a_config_costs_only_itself(memory: object):
    world = reader()
    world.kill_healer()
    world.journal["care", PATH] = json.dumps(memory)
    world.journal["care", "gone.json"] = json.dumps(ConfigCare().as_json())
    world.begin_healer()
    world.mender.edit(PATH, INVALID)
    world.run(2 * MINUTE)
    assert world.story(PATH) == ["repaired"]


def test_an_answer_to_another_order_than_the_last_is_old_news():
    world = reader()
    world.healer.hear(Mended("repair", PATH, "done", ("from another life",)))
    world.healer.hear(Mended("repair", "gone.json", "done", ("from another life",)))
    world.run(1)
    assert world.story(PATH) == []


def test_what_is_about_to_be_mended_is_remembered_first():
    world = reader(how=INVALID)
    seen: list[str] = []

    def watch(decision: Decision) -> bool:
        if isinstance(decision, Remember | Repair) and PATH in (
            getattr(decision, "name", ""),
            getattr(decision, "path", ""),
        ):
            seen.append(type(decision).__name__)
        return False

    world.kill_at(watch)
    world.mender.edit(PATH, INVALID)
    world.heal("all")
    world.run(0.1)
    assert seen[-2:] == ["Remember", "Repair"]


# --- as a property ---------------------------------------------------------------------------------------------

ACTS: dict[str, Callable[[World], object]] = {
    "break": lambda world: world.mender.edit(PATH, INVALID),
    "spoil": lambda world: world.mender.edit(PATH, HOPELESS),
    "edit": lambda world: world.mender.edit(PATH),
    "remove": lambda world: world.mender.edit(PATH, MISSING),
    "garble": lambda world: world.mender.edit(PATH, UNREADABLE),
    "restore": lambda world: world.restore(PATH),
    "heal all": lambda world: world.heal("all"),
    "heal a": lambda world: world.heal("a"),
    "verify": lambda world: world.verify(),
    "die": lambda world: world.host.die("a"),
    "hang": lambda world: world.hang("a"),
    "kill healer": lambda world: world.restart_healer(),
    "kill at order": lambda world: world.kill_at(lambda one: isinstance(one, Repair | Restore | Signal)),
    "fail": lambda world: world.mender.outcomes.update({PATH: "failed"}),
    "change": lambda world: world.mender.outcomes.update({PATH: "changed"}),
    "work": lambda world: world.mender.outcomes.clear(),
    "slow": lambda world: setattr(world.mender, "delay", 30.0),
    "fast": lambda world: setattr(world.mender, "delay", 0.2),
    "slow check": lambda world: setattr(world.mender, "checking", 20.0),
    "fast check": lambda world: setattr(world.mender, "checking", 0.05),
    "step": lambda world: world.time.step(-3600.0),
}


@settings(deadline=None, max_examples=2 * EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.sampled_from([0.0, 0.1, 1.0, 40.0, 400.0])), max_size=14))
def test_whatever_happens_to_a_config_the_promises_hold_and_all_is_well_in_the_end(script: list[tuple[str, float]]):
    """The world checks each order; at the end the config is valid, its reader well, and every request answered."""
    spec = config(PATH, create=True, signal="HUP", signalled=("a",), restarted=("b",))
    world = World([*chain("a", source=PATH), *chain("b", source=PATH)], configs=[spec], cycle=60.0)
    world.run(MINUTE)
    for what, pause in script:
        if world.engine is None:
            world.begin_healer()
        ACTS[what](world)
        world.run(pause)
    world.healer.kill_when = None
    if world.engine is None:
        world.begin_healer()
    world.mender.outcomes.clear()
    world.mender.delay, world.mender.checking = 0.2, 0.05
    world.run(3 * MINUTE)  # a restore that is under way would put an invalid backup over what comes next, rightly
    world.mender.edit(PATH, INVALID)
    world.heal("all")
    world.run(3 * HOUR)
    assert world.mender.contents[PATH].how == VALID, world.transcript()
    assert world.states() == {"a": "healthy", "b": "healthy"}, world.transcript()
    assert world.report.failed == ()
    if world.healer.lives == 1:
        assert {f"r{n + 1}" for n in range(world._requests)} == world.answers.keys()
