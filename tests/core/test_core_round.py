"""The healing cycle: when a round comes, what it waits for, in which order it goes, and that it always ends."""

from __future__ import annotations

import pytest
from world import HOPELESS, HOUR, INVALID, MINUTE, MISSING, World, chain, config, file

from supervisor_healer.core.care import CHECK_PATIENCE, PATIENCE
from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import Creation, Health, Mode, Now, Seen
from supervisor_healer.core.news import ConfigFound, ConfigState, Mended, ProcessTable
from supervisor_healer.core.orders import Repair
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.simulation.mender import NEVER

MADE = Creation()


def causes(world: World) -> list[str]:
    """Of the rounds that have ended, one after the other."""
    ended = [(report.cause, report.timestamp - report.duration) for report in world.reports]
    return [cause for (cause, _), before in zip(ended, [None, *ended], strict=False) if (cause, _) != before]


def test_a_round_comes_at_the_start_and_then_every_cycle():
    world = World(chain("a"), cycle=30.0)
    world.run(91)
    assert [report.cause for report in world.reports] == ["start", "cycle", "cycle", "cycle"]
    assert [round(report.timestamp - world.reports[0].timestamp) for report in world.reports] == [0, 30, 60, 90]


def test_heal_all_begins_one_at_once_from_which_the_next_cycle_counts():
    world = World(chain("a"), cycle=60.0)
    world.run(20)
    world.heal("all")
    world.run(1)
    assert world.report.cause == "heal all"
    world.run(58)
    assert world.report.cause == "heal all"
    world.run(2)
    assert world.report.cause == "cycle"


def test_verify_begins_one_from_which_no_cycle_counts_and_mends_nothing():
    world = World(chain("a"), configs=[config("c.json")], cycle=60.0)
    world.run(20)
    world.mender.edit("c.json", INVALID)
    request = world.verify()
    world.run(1)
    assert world.answers[request].exit_status == 0
    assert world.answers[request].reason == "looked at 1 worker and 2 files"
    assert world.report.cause == "verify"
    assert world.mends() == []
    world.run(40)
    assert world.report.cause == "cycle"
    assert world.mends() == ["repair c.json"]


def test_verify_is_answered_after_a_complete_look():
    world = World(chain("a", "b"), [file("apart.txt", HOUR)], configs=[config("c.json")], cycle=HOUR)
    world.run(5 * MINUTE)
    world.healer.looks.clear()
    world.mender.edit("c.json")
    world.mender.checking = 7.0
    request = world.verify()
    world.run(6)
    assert set(world.healer.looks) == {"a.out", "b.out", "apart.txt", "c.json"}
    assert request not in world.answers
    world.run(2)
    assert request in world.answers


def test_the_same_verify_twice_is_one_round():
    world = World(chain("a"), cycle=HOUR)
    world.run(5)
    assert world.engine is not None
    before = len(world.reports)
    world._requests = 0
    world.verify()
    world._requests = 0
    world.verify()
    world.run(1)
    assert len(world.reports) == before + 1


def test_another_cycle_counts_from_the_last_round():
    """A reload that shortens the cycle from a day to a minute must not wait for a day."""
    world = World(chain("a"), cycle=24 * HOUR)
    world.run(2 * MINUTE)
    world.adopt(cycle=60.0)
    world.run(1)
    assert world.report.cause == "cycle"


def test_a_round_can_be_asked_for_when_the_architecture_has_changed():
    world = World(chain("a"), cycle=HOUR)
    world.run(MINUTE)
    assert world.engine is not None
    world.engine.begin_round("reload")
    world.healer.hear(world.host.table())
    world.run(1)
    assert world.report.cause == "reload"


def test_workers_are_judged_first_then_files_and_configs_are_mended_then_the_report_is_made():
    workers = chain("a", source="c.json")
    world = World(
        workers, [file("made.txt", None, create=MADE)], configs=[config("c.json")], contents={"c.json": INVALID},
        started=False,
    )  # fmt: skip
    world.disk.remove("made.txt")
    world.run(20)
    world.host.die("a")
    world.begin_healer()
    world.run(0.5)
    assert world.mends() == ["create made.txt", "repair c.json"]
    told = [note.event for _, note in world.history]
    assert told.index("convicted") < told.index("created") < told.index("repaired") < told.index("restart")
    assert world.reports[0].cause == "start"
    assert [entry.subject for entry in world.reports[-1].healed] == ["made.txt", "c.json"]
    assert world.orders[0][0] > 20 + world.mender.delay


def test_a_request_during_a_round_gets_one_of_its_own():
    world = World(chain("a"), configs=[config("c.json"), config("d.json")], contents={"c.json": INVALID}, cycle=HOUR)
    world.mender.delay = 10.0
    world.run(5)
    world.mender.edit("d.json", INVALID)
    all_of_it, look = world.heal("all"), world.verify()
    world.run(2)
    assert world.mends() == ["repair c.json"]
    assert world.answers == {}
    world.run(5)
    assert world.mends() == ["repair c.json", "repair d.json"]
    assert world.answers == {}
    world.run(11)
    assert world.answers[all_of_it].exit_status == 0
    assert "d.json: long added" in world.answers[all_of_it].reason
    assert world.answers[look].exit_status == 0
    assert list(dict.fromkeys(causes(world))) == ["start", "heal all"]


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        ("done", 0, "c.json: long added: 0.5"),
        ("failed", 1, "c.json: No space left on device"),
        ("changed", 75, "c.json: somebody is editing it"),
    ],
)
def test_heal_all_says_what_was_mended_and_what_was_not(outcome: str, status: int, said: str):
    world = World(chain("a"), configs=[config("c.json")], cycle=HOUR)
    world.run(5)
    world.mender.edit("c.json", INVALID)
    world.mender.outcomes["c.json"] = outcome
    request = world.heal("all")
    world.run(2)
    assert world.answers[request].exit_status == status
    assert world.answers[request].reason == said
    assert world.told[request][-1] == said


def test_heal_all_tells_of_a_config_that_needs_a_person_and_of_nothing_where_all_is_well():
    world = World(chain("a"), configs=[config("c.json")], cycle=HOUR)
    world.run(5)
    request = world.heal("all")
    world.run(1)
    assert (world.answers[request].exit_status, world.answers[request].reason) == (0, "nothing to heal")
    world.mender.edit("c.json", "hopeless")
    request = world.heal("all")
    world.run(1)
    assert world.answers[request].exit_status == 1
    assert world.answers[request].reason == "c.json: invalid: long is 7, at most 1"


def test_what_heal_all_has_mended_is_still_known_when_its_workers_have_taken_longer_than_a_cycle():
    world = World(chain("a", source="in"), [file("in")], configs=[config("c.json")], cycle=60.0)
    world.run(MINUTE)
    world.hang("a")
    world.run(6 * MINUTE)
    world.programs["a"].slow_starts = 4 * MINUTE
    world.mender.edit("c.json", INVALID)
    world.run_until(world.time.mono + HOUR, lambda: world.state("a") is Health.LATE)
    world.run(2 * MINUTE)
    world.mender.edit("c.json", INVALID)
    request = world.heal("all")
    world.run(3 * MINUTE)
    assert request not in world.answers
    world.until(lambda: request in world.answers, HOUR)
    assert "a: new output" in world.answers[request].reason
    assert "c.json: long added" in world.answers[request].reason


def test_heal_all_in_mode_observe_mends_nothing_and_says_so():
    world = World(
        chain("a"), [file("made.txt", None, create=MADE)], configs=[config("c.json")], contents={"c.json": INVALID},
        mode=Mode.OBSERVE,
    )  # fmt: skip
    world.disk.remove("made.txt")
    world.run(5)
    request = world.heal("all")
    world.run(5 * MINUTE)
    assert world.answers[request].exit_status == 75
    assert world.answers[request].reason == "c.json: invalid: long is missing; not repaired: mode is observe"
    assert world.mends() == []


def test_a_dry_run_mends_nothing():
    world = World(chain("a", source="c.json"), configs=[config("c.json")], cycle=HOUR)
    world.run(5)
    world.mender.edit("c.json", INVALID)
    one, all_of_it = world.heal("a", dry_run=True), world.heal("all", dry_run=True)
    world.run(5)
    assert world.mends() == []
    assert {world.answers[one].exit_status, world.answers[all_of_it].exit_status} == {0}


def test_a_request_that_comes_again_after_it_was_answered_mends_nothing_more():
    world = World(chain("a", source="c.json"), configs=[config("c.json")], cycle=HOUR)
    world.run(MINUTE)
    world.host.die("a")
    request = world.heal("a")
    world.until(lambda: request in world.answers, HOUR)
    before = world.answers.pop(request)
    world.restart_healer()
    world.run(1)
    reports = len(world.reports)
    world.heal("a", id=request)
    world.run(1)
    assert world.answers[request] == before
    assert len(world.reports) == reports


# --- who waits for whom ----------------------------------------------------------------------------------------


def test_heal_of_one_worker_waits_for_a_config_that_it_reads():
    world = World(chain("a", source="c.json"), configs=[config("c.json")], cycle=HOUR)
    world.run(MINUTE)
    world.host.die("a")
    world.until(lambda: world.deeds("a") == ["restart", "healed"], HOUR)
    world.mender.delay = 5.0
    world.mender.edit("c.json", INVALID)
    world.host.die("a")
    request = world.heal("a")
    world.run(4)
    assert world.told[request] == ["waits for c.json, which is being checked and mended"]
    assert world.deeds("a") == ["restart", "healed"]
    world.until(lambda: request in world.answers, HOUR)
    assert world.answers[request].exit_status == 0


def test_heal_of_one_worker_waits_for_its_own_round_if_that_mends_what_it_reads():
    """Another round is under way, which has passed the config already."""
    world = World(chain("a", source="c.json"), configs=[config("c.json"), config("d.json")], cycle=HOUR)
    world.run(MINUTE)
    world.mender.edit("d.json", INVALID)
    world.mender.delay = 10.0
    world.heal("all")
    world.run(1)
    world.mender.edit("c.json", INVALID)
    world.run(1)
    world.host.die("a")
    request = world.heal("a")
    world.run(7)
    assert world.mends() == ["repair d.json"]
    assert request not in world.answers
    world.until(lambda: request in world.answers, HOUR)
    assert world.answers[request].exit_status == 0
    assert world.mends() == ["repair d.json", "repair c.json"]


def test_heal_of_one_worker_does_not_wait_for_what_it_does_not_read():
    world = World(chain("a", source="in"), [file("in")], configs=[config("c.json")], cycle=HOUR)
    world.run(MINUTE)
    world.mender.edit("c.json", INVALID)
    world.mender.delay = 30.0
    world.host.die("a")
    request = world.heal("a")
    assert world.until(lambda: request in world.answers, MINUTE) < 15
    assert world.mends() == ["repair c.json"]


def test_forced_heal_waits_for_no_repair():
    world = World(chain("a", source="c.json"), configs=[config("c.json")], cycle=HOUR)
    world.run(MINUTE)
    world.mender.edit("c.json", INVALID)
    world.mender.delay = 30.0
    world.hang("a")
    world.host.die("a")
    world.heal("a", force=True)
    world.run(2)
    assert world.deeds("a")[0] == "restart"


@pytest.mark.parametrize("what", ["check", "repair"])
def test_what_never_ends_is_waited_for_by_its_readers_alone(what: str):
    """Of two configs one is checked, or mended, for ever: the other is mended, workers are healed, rounds end."""
    workers = [*chain("reader", source="c.json"), *chain("other", source="d.json")]
    world = World(workers, [file("made.txt", None, create=MADE)], configs=[config("c.json"), config("d.json")])
    world.run(MINUTE)
    if what == "check":
        world.mender.edit("c.json", INVALID)
        world.mender.checking = NEVER
        world.run(6)
        world.mender.checking = 0.05
    else:
        world.mender.edit("c.json", INVALID)
        world.mender.delay = NEVER
        world.heal("all")
        world.run(1)
        world.mender.delay = 0.2
    world.mender.edit("d.json", INVALID)
    world.disk.remove("made.txt")
    for name in ("reader", "other"):
        world.hang(name)
    world.run(HOUR)
    assert world.mender.contents["d.json"].how == "valid"
    assert world.mends("made.txt") == ["create"]
    assert world.deeds("other") == ["restart", "healed"]
    assert world.deeds("reader") == []
    assert len(causes(world)) > 20
    request = world.heal("all")
    patience = CHECK_PATIENCE if what == "check" else PATIENCE
    assert world.until(lambda: request in world.answers, 3 * MINUTE) <= 2 * patience + 1
    assert world.answers[request].exit_status == 75
    said = "c.json: it is still being checked" if what == "check" else "c.json: its repair is still under way"
    assert said in world.answers[request].reason
    if what == "repair":
        (entry,) = world.told_of("c.json", "failed")
        assert entry.message.startswith("c.json has been in the works (repair) for \x1fago:")
    else:
        assert world.told_of("c.json") == []
    alone = world.heal("reader")
    world.run(1)
    assert world.answers[alone].exit_status == 75
    assert world.answers[alone].reason.startswith("blocked by c.json")


@pytest.mark.parametrize("late", [-0.001, 0.0, 0.001])
def test_a_round_waits_a_minute_for_an_answer(late: float):
    world = World(chain("a"), configs=[config("c.json")], contents={"c.json": INVALID}, cycle=HOUR, started=False)
    world.mender.delay, world.mender.checking = PATIENCE + late, 0.0
    world.begin_healer()
    world.run(2 * MINUTE)
    assert world.reports[0].duration == pytest.approx(PATIENCE + min(late, 0.0))
    assert [entry.subject for entry in world.report.healed] == ["c.json"]


@pytest.mark.parametrize("late", [-0.001, 0.0, 0.001])
def test_a_round_waits_ten_seconds_for_a_check_and_what_comes_later_is_mended_then(late: float):
    configs = [config("c.json"), config("d.json")]
    world = World(chain("a"), configs=configs, contents={"c.json": INVALID}, cycle=HOUR, started=False)
    world.mender.checking = CHECK_PATIENCE + late
    world.begin_healer()
    world.run(9)
    assert world.reports == []
    world.run(5)
    assert world.mends() == ["repair c.json"]
    assert [entry.subject for entry in world.report.healed] == ["c.json"]
    assert world.reports[0].duration == pytest.approx(CHECK_PATIENCE + (0.2 + late if late <= 0 else 0.0))
    assert world.reports[0].stats[2] == ("configs_fixed", int(late <= 0))


def test_verify_does_not_wait_long_for_a_check_and_tells_of_it():
    world = World(chain("a", source="c.json"), configs=[config("c.json"), config("d.json")], cycle=HOUR)
    world.run(MINUTE)
    world.mender.edit("c.json")
    world.mender.checking = NEVER
    request = world.verify()
    assert world.until(lambda: request in world.answers, MINUTE) == pytest.approx(CHECK_PATIENCE, abs=0.1)
    said = "looked at 1 worker and 3 files; still being checked: c.json"
    assert (world.answers[request].exit_status, world.answers[request].reason) == (0, said)


def test_a_mend_begun_late_keeps_its_patience():
    """The check of one takes for ever, the repair of the other half a minute."""
    configs = [config("c.json"), config("d.json")]
    world = World(chain("a"), configs=configs, cycle=HOUR)
    world.run(MINUTE)
    world.mender.edit("c.json")
    world.mender.checking = NEVER
    world.run(6)
    world.mender.checking, world.mender.delay = 0.05, 30.0
    world.mender.edit("d.json", INVALID)
    request = world.heal("all")
    assert world.until(lambda: request in world.answers, 2 * MINUTE) == pytest.approx(30, abs=1)
    assert world.answers[request].reason == "c.json: it is still being checked; d.json: long added: 0.5"


def test_a_dry_run_tells_of_a_mend_that_never_ends():
    world = World(chain("a"), configs=[config("c.json")], contents={"c.json": INVALID}, cycle=HOUR, started=False)
    world.mender.delay = NEVER
    world.begin_healer()
    world.run(2 * MINUTE)
    request = world.heal("all", dry_run=True)
    world.run(1)
    assert world.answers[request].reason == "c.json: its repair is under way at this moment"


def test_a_config_that_breaks_is_in_the_report_long_before_the_next_round():
    world = World(chain("a"), configs=[config("c.json")], cycle=HOUR)
    world.run(MINUTE)
    assert world.told_of("c.json") == []
    world.mender.edit("c.json", HOPELESS)
    world.run(6)
    (entry,) = world.told_of("c.json", "failed")
    assert entry.message == "c.json invalid: long is 7, at most 1"
    before = len(world.reports)
    world.mender.edit("c.json", HOPELESS)
    world.run(30)
    assert len(world.reports) == before
    world.mender.edit("c.json")
    world.run(6)
    assert world.told_of("c.json") == []


def test_a_config_that_somebody_writes_all_the_time_holds_up_nothing():
    world = World(chain("a"), configs=[config("c.json"), config("d.json")])

    def scribble() -> None:
        world.mender.edit("c.json")
        world.time.after(0.04, scribble)

    scribble()
    world.run(MINUTE)
    world.mender.edit("d.json", INVALID)
    world.run(2 * MINUTE + 1)
    assert world.mender.contents["d.json"].how == "valid"


# --- who leaves ------------------------------------------------------------------------------------------------


def with_configs(*paths: str) -> World:
    world = World(chain("a"), configs=[config(path) for path in paths], cycle=60.0)
    world.run(MINUTE)
    return world


def leave(world: World, path: str) -> None:
    plan = world.plan
    world.adopt(
        configs=[spec for spec in plan.configs if spec.path != path],
        files=[spec for spec in plan.files if spec.path != path],
    )
    world.mender.known.clear()  # every config is checked anew


def test_a_config_that_leaves_in_mid_repair_ends_the_round():
    world = with_configs("c.json", "d.json")
    world.mender.edit("c.json", INVALID)
    world.mender.delay = 10.0
    request = world.heal("all")
    world.run(1)
    assert world.mends() == ["repair c.json"]
    leave(world, "c.json")
    world.run(0.1)
    assert request in world.answers
    world.run(30)
    assert world.engine is not None
    assert "c.json" not in world.engine.tracks


def test_a_config_that_leaves_and_comes_back_tells_its_readers_of_the_repair():
    world = World(chain("a"), configs=[config("c.json", signal="HUP", signalled=("a",))], cycle=60.0)
    world.run(MINUTE)
    plan = world.plan
    world.mender.edit("c.json", INVALID)
    world.mender.delay = 10.0
    world.heal("all")
    world.run(1)
    leave(world, "c.json")
    world.run(30)
    world.mender.known.clear()
    world.adopt(configs=plan.configs, files=plan.files)
    world.run(1)
    assert world.last("repaired") == "the repair that was cut short is done"
    assert len(world.signals) == 1


@pytest.mark.parametrize("asked_before_the_check", [False, True])
def test_who_waits_for_a_config_that_leaves_is_told(asked_before_the_check: bool):
    world = with_configs("c.json")
    world.mender.delay = 10.0
    if asked_before_the_check:
        world.kill_healer()
        world.mender.checking = 5.0
        world.begin_healer()
        world.run(1)
    request = world.restore("c.json")
    world.run(1)
    leave(world, "c.json")
    world.run(0.1)
    assert world.answers[request].exit_status == 75
    assert world.answers[request].reason == "c.json is no longer in the architecture"


def test_an_answer_about_a_file_that_has_left_makes_nobody_look_for_ever():
    engine = Engine(Pipeline(expand(chain("a"), {}, {})), draw=lambda: 0.5)
    now = Now(1e9, 100.0)
    engine.hear(Mended("create", "gone.txt", "done", ("made",), mtime=1e9), now)
    engine.hear(ConfigFound("gone.json", ConfigState.VALID), now)
    assert engine.wanted(now) == ("a.out",)
    engine.see({"a.out": Seen(1e9)}, now)
    assert engine.wanted(now) == ()


def test_another_root_means_other_files():
    """The listener throws away answers about the old ones; none of them may be waited for."""
    world = with_configs("c.json")
    world.mender.edit("c.json", INVALID)
    world.mender.delay = NEVER
    restored, request = world.restore("c.json"), world.heal("all")
    world.run(1)
    world.adopt(root="/elsewhere")
    world.mender.begin_anew()
    world.mender.delay = 0.2
    world.healer.hear(ProcessTable(()))
    world.run(1)
    assert {request, restored} <= world.answers.keys()
    world.run(2 * MINUTE)
    assert isinstance(world.mend_orders[-1][1], Repair)
    assert world.mender.contents["c.json"].how == "valid"


# --- clocks, ends, and costs -----------------------------------------------------------------------------------


def test_nothing_is_mended_in_a_turn_in_which_the_clock_is_in_doubt():
    world = with_configs("c.json")
    world.mender.edit("c.json", INVALID)
    world.run(57)
    world.time.step(HOUR)
    world.run(0.9)
    before = world.mends()
    world.run(2 * MINUTE)
    assert before == []
    assert world.mends() == ["repair c.json"]


def test_nothing_is_mended_once_supervisord_goes_down():
    world = with_configs("c.json")
    world.mender.edit("c.json", INVALID)
    world.halt()
    world.run(5 * MINUTE)
    assert world.mends() == []


def test_nobody_is_signalled_once_supervisord_goes_down():
    world = World(chain("a"), configs=[config("c.json", signal="HUP", signalled=("a",))])
    world.run(MINUTE)
    world.mender.edit("c.json", INVALID)
    world.until(lambda: bool(world.mends()), 2 * MINUTE)
    world.halt()
    world.run(5 * MINUTE)
    assert "repaired" in [note.event for _, note in world.history]
    assert world.signals == []


def test_an_hour_of_rounds_costs_a_bounded_number_of_turns():
    world = World(chain("a", source="c.json"), configs=[config("c.json"), config("d.json", create=True)])
    world.mender.edit("d.json", MISSING)
    world.run(MINUTE)
    turns = world.healer.turns
    world.run(HOUR)
    assert world.healer.turns - turns < HOUR / 5 * 1.5
    assert world.mender.checks["c.json"] == 1
