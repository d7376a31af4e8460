"""Who must notice a repair, and restarts that are wished: by a repair or by a site's own component healer."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from world import DAY, HOUR, INVALID, MAX_AGE, MINUTE, World, chain, config, file, worker

from supervisor_healer.core.model import Health, Intensity, Mode, ProcessState
from supervisor_healer.core.news import ComponentEntry, ComponentResult, ProcessTable
from supervisor_healer.core.orders import Stop

PATH = "c.json"


def signalling(**options: object) -> World:
    spec = config(PATH, signal="HUP", signalled=("a",))
    world = World(chain("a", source="in"), [file("in")], configs=[spec], cycle=60.0, **options)  # type: ignore[arg-type]
    world.run(MINUTE + 5)
    return world


def mend(world: World) -> None:
    world.mender.edit(PATH, INVALID)
    world.run(MINUTE + 5)


# --- signals ---------------------------------------------------------------------------------------------------


def test_a_running_process_is_signalled():
    world = signalling()
    mend(world)
    ((_, signal),) = world.signals
    assert (signal.worker, signal.address, signal.signal) == ("a", "a:a", "HUP")
    assert world.last("signalled") == f"SIGHUP to pid {signal.pid}: c.json was repaired"
    assert world.restarts() == {}


def test_one_that_does_not_run_reads_it_when_it_starts():
    world = signalling()
    world.operator_stops("a")
    world.run(1)
    mend(world)
    assert world.signals == []
    assert world.story("a") == []


def test_an_unmonitored_one_is_not_signalled():
    world = signalling()
    world.unmonitor("a")
    mend(world)
    assert world.signals == []
    assert world.last("refused") == "c.json was repaired: no SIGHUP, it is unmonitored"


def test_a_process_that_supervisord_does_not_have_is_not_signalled():
    world = signalling()
    world.programs["a"].known = False
    world.adopt()
    world.healer.hear(ProcessTable(()))
    mend(world)
    assert world.signals == []
    assert world.mends() == ["repair c.json"]


def test_an_entry_may_stand_for_several_processes():
    spec = config(PATH, signal="USR1", signalled=("w",))
    world = World(
        [worker("w", [], ["%(process_name)s.out"])],
        configs=[spec],
        members={"w": ["w0", "w1"]},
        started=False,
    )
    world.run(5)
    world.begin_healer()
    world.run(MINUTE)
    mend(world)
    assert sorted(signal.worker for _, signal in world.signals) == ["w:w0", "w:w1"]


# --- a restart that a repair wants -----------------------------------------------------------------------------


def wishing(**options: object) -> World:
    """`b` is to be restarted when the config is repaired; it reads `a.out` and the config."""
    options.setdefault("cycle", 60.0)
    spec = config(PATH, restarted=("b",))
    workers = [*chain("a", source="in"), worker("b", ["a.out", PATH], ["b.out"])]
    world = World(workers, [file("in")], configs=[spec], **options)  # type: ignore[arg-type]
    world.run(5 * MINUTE + 5)
    return world


def wished(world: World) -> bool:
    return world.remembered("worker", "b").get("wish") is not None


def test_a_repair_restarts_who_must_notice_it_and_convicts_nobody():
    world = wishing()
    world.mender.edit(PATH, INVALID)
    world.until(lambda: world.deeds("b") == ["restart", "healed"], 2 * MINUTE)
    assert "convicted" not in world.story("b")
    assert "restart (attempt 1): c.json was repaired; every required input is fresh" in world.last("restart")
    assert not wished(world)
    assert [entry.subject for entry in world.report.healed] == ["c.json", "b"]
    world.run(HOUR)
    assert world.restarts() == {"b": 1}


def test_the_config_itself_need_not_be_caught_up_with_but_every_other_input():
    world = wishing()
    world.mender.edit(PATH, INVALID)
    world.run(MINUTE)
    assert world.restarts() == {"b": 1}
    world = wishing()
    world.outside["in"] = False
    world.curse("a")
    world.until(lambda: world.state("a") is Health.BLOCKED, HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(10 * MINUTE)
    assert wished(world)
    assert world.deeds("b") == []
    assert "c.json was repaired: not restarted yet, waits for a.out" in world.last("refused")
    assert "a restart is wanted: c.json was repaired; waits for a.out" in "\n".join(
        world.engine.verdicts["b"].evidence if world.engine else ()
    )
    world.outside["in"] = True
    world.cure("a")
    back = world.until(lambda: world.state("a") is Health.HEALTHY, HOUR)
    world.until(lambda: bool(world.restarts().get("b")), HOUR)
    assert back < MINUTE
    assert world.times("b", "restart")[-1] - world.times("a", "recovered")[-1] == pytest.approx(MAX_AGE, abs=15)


def test_a_wish_that_waits_costs_a_look_every_five_seconds_at_most():
    world = wishing()
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    turns = world.healer.turns
    world.run(HOUR)
    assert wished(world)
    assert world.healer.turns - turns < 4 * HOUR / 5
    assert sum("not restarted yet" in note.text for _, note in world.history) == 1


@pytest.mark.parametrize("life", ["next", "after a reboot"])
def test_a_wish_survives_the_healer_but_is_fulfilled_by_a_reboot(life: str):
    world = wishing()
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    assert wished(world)
    if life == "next":
        world.restart_healer(after=5.0)
    else:
        world.reboot(30.0)
    world.outside["in"] = True
    world.run(HOUR)
    assert not wished(world)
    assert world.deeds("b") == (["restart", "healed"] if life == "next" else [])


def test_any_later_start_fulfils_a_wish():
    world = wishing()
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    world.operator_stops("b")
    world.run(5)
    assert not wished(world)
    world.host.operator_starts("b")
    world.outside["in"] = True
    world.run(HOUR)
    assert world.deeds("b") == []


def test_a_start_that_supervisord_makes_itself_fulfils_a_wish():
    world = wishing(autorestart=True)
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    assert wished(world)
    world.host.die("b")
    world.run(5)
    assert not wished(world)


def test_a_stop_by_an_operator_is_not_undone_by_a_wish_not_even_while_it_goes_on():
    world = wishing(stop_delay=20.0)
    world.mender.delay = 5.0
    world.mender.edit(PATH, INVALID)
    world.until(lambda: bool(world.mends()), 2 * MINUTE)
    world.operator_stops("b")
    world.run(HOUR)
    assert world.state("b") is Health.STOPPED
    assert world.deeds("b") == []


def test_who_is_being_stopped_by_somebody_is_not_restarted_by_a_wish():
    """A supervisord that stops it for a reason of its own: nobody knows what comes of it."""
    world = wishing()
    world.run(10)
    program = world.programs["b"]
    program.state = ProcessState.STOPPING
    world.healer.hear(ProcessTable((program.row(),), complete=False))
    world.mender.edit(PATH, INVALID)
    world.run(2 * MINUTE)
    assert wished(world)
    assert world.deeds("b") == []
    program.state = ProcessState.RUNNING
    world.healer.hear(ProcessTable((program.row(),), complete=False))
    world.run(2 * MINUTE)
    assert world.deeds("b") == ["restart", "healed"]


def test_an_unmonitored_worker_is_not_restarted_by_a_wish():
    world = wishing()
    world.unmonitor("b")
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    assert world.deeds("b") == []
    assert world.last("refused") == "c.json was repaired: no restart, it is unmonitored"
    assert not wished(world)


def test_one_that_cannot_be_judged_is_not_restarted_by_a_wish():
    world = wishing()
    world.disk.file("b.out").problem = "permission denied"
    world.mender.edit(PATH, INVALID)
    world.run(10 * MINUTE)
    assert world.deeds("b") == []
    assert "not restarted yet, unknown: b.out: permission denied" in world.last("refused")
    world.disk.file("b.out").problem = ""
    world.run(2 * MINUTE)
    assert world.deeds("b") == ["restart", "healed"]


def test_a_wish_in_mode_observe_waits_for_another_mode():
    """The mode was changed while the wish waited."""
    world = wishing()
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    world.adopt(mode=Mode.OBSERVE)
    world.outside["in"] = True
    world.run(HOUR)
    assert wished(world)
    assert "mode is observe" in world.last("refused")
    assert world.deeds("b") == []


def test_a_wish_passes_the_budget():
    world = wishing()
    world.change(
        [world.plan.workers[0], worker("b", ["a.out", PATH], ["b.out"], restarts=Intensity(2, 2 * HOUR))], [file("in")]
    )
    for _ in range(4):
        world.mender.edit(PATH, INVALID)
        world.run(5 * MINUTE)
    assert world.restarts() == {"b": 2}
    assert world.state("b") is Health.HEALTHY
    assert "not restarted yet, budget used up: 2 restarts in the window" in world.last("refused")
    world.run(2 * HOUR)
    assert world.restarts() == {"b": 3}


def test_a_wish_waits_for_a_relative_that_is_being_restarted():
    world = wishing(stop_delay=30.0)
    world.host.die("a")
    world.programs["a"].startsecs = 100.0
    world.mender.edit(PATH, INVALID)
    world.run(2 * MINUTE)
    world.run(HOUR)
    assert world.restarts()["b"] == 1
    assert world.times("a", "restart")[0] < world.times("b", "restart")[0]


def test_a_restart_for_another_reason_fulfils_a_wish():
    world = wishing()
    world.hang("b")
    world.outside["in"] = False
    world.run(20 * MINUTE)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    assert wished(world)
    world.outside["in"] = True
    world.run(HOUR)
    assert world.restarts() == {"b": 1}
    assert not wished(world)


def test_a_repair_during_a_restart_is_noticed_by_another_only_if_the_process_was_up_before():
    world = wishing(stop_delay=20.0)
    world.hang("b")
    world.until(lambda: world.state("b") is Health.HEALING, HOUR)
    world.mender.edit(PATH, INVALID)
    world.heal("a")
    world.run(10)
    assert world.story(PATH) == ["repaired"]
    assert wished(world)
    world.run(HOUR)
    assert world.restarts() == {"b": 1}


def test_a_wished_restart_whose_stop_got_lost_is_ordered_again_and_one_whose_gate_shuts_is_given_back():
    world = wishing()
    world.healer.line.lose_orders = 1
    world.mender.edit(PATH, INVALID)
    world.run(2 * MINUTE)
    assert world.restarts() == {"b": 1}
    assert sum(isinstance(order, Stop) for _, order in world.orders) == 2
    world = wishing()
    world.healer.line.lose_orders = 1
    world.mender.edit(PATH, INVALID)
    world.until(lambda: world.state("b") is Health.HEALING, 2 * MINUTE)
    world.mender.edit(PATH, "hopeless")
    world.run(MINUTE)
    assert world.restarts() == {}
    assert world.last("abandoned") == "not carried out: c.json no longer fresh"


# --- component healers -----------------------------------------------------------------------------------------


def site(*results: ComponentResult, **options: object) -> World:
    """A pipeline of `a` and `b`, with a site's own healer that always answers the same."""
    options.setdefault("cycle", 60.0)

    def answer() -> Iterable[ComponentResult]:
        return results

    return World(chain("a", "b", source="in"), [file("in")], components=answer, **options)  # type: ignore[arg-type]


def test_component_healers_are_asked_after_each_cycle_and_heal_all_but_not_after_verify():
    world = site()
    world.run(90)
    assert world.consults == 2
    world.verify()
    world.heal("a")
    world.run(1)
    assert world.consults == 2
    world.heal("all")
    world.run(1)
    assert world.consults == 3


@pytest.mark.parametrize("hindrance", ["observe", "halt", "none of them"])
def test_nobody_is_asked(hindrance: str):
    world = site(mode=Mode.OBSERVE if hindrance == "observe" else Mode.HEAL, started=False)
    if hindrance == "none of them":
        world.components = None
    world.begin_healer()
    if hindrance == "halt":
        world.halt()
    world.run(5 * MINUTE)
    assert world.consults == 0


def test_what_one_tells_joins_the_report_under_its_name_and_stays_until_it_answers_anew():
    result = ComponentResult(
        "lab",
        healed=(ComponentEntry("cache", "emptied"),),
        failed=(ComponentEntry("licence", "expired", critical=True, action="renew it"),),
        warnings=(ComponentEntry("disk", "80 % full"),),
    )
    world = site(result)
    world.run(5)
    for _ in range(200):
        world.run(1)
        (healed,), (failed,), (warning,) = world.report.healed, world.report.failed, world.report.warnings
        assert (healed.subject, healed.kind, healed.by) == ("cache", "component", "lab")
        assert (failed.message, failed.critical, failed.action) == ("expired", True, "renew it")
        assert warning.message == "80 % full"
    notes = [note.text for _, note in world.history if note.event == "component"]
    assert notes == ["cache: emptied", "licence: expired"]


def test_what_one_told_is_forgotten_when_it_is_silent_or_there_is_none_any_more():
    results = [ComponentResult("lab", warnings=(ComponentEntry("disk", "full"),))]
    world = site()
    world.components = lambda: results
    world.run(5)
    assert world.told_of("disk")
    results.clear()
    world.run(2 * MINUTE)
    assert world.told_of("disk")
    world.run(2 * MINUTE)
    assert world.told_of("disk") == []
    results.append(ComponentResult("lab", warnings=(ComponentEntry("disk", "full"),)))
    world.run(MINUTE)
    assert world.told_of("disk")
    world.components = None
    world.adopt()
    world.run(MINUTE)
    assert world.told_of("disk") == []


def test_nonsense_costs_a_warning():
    world = site(ComponentResult("lab", problem="it answered 'foo', which is no JSON"))
    world.run(HOUR)
    (entry,) = world.report.warnings
    assert entry.message == "the component healer lab did not answer properly: it answered 'foo', which is no JSON"
    assert [note.text for _, note in world.history if note.worker == "lab"] == [
        "did not answer properly: it answered 'foo', which is no JSON"
    ]
    assert world.states() == {"a": "healthy", "b": "healthy"}


def test_one_that_never_answers_costs_nothing():
    world = site()
    world.components = tuple
    world.run(HOUR)
    assert world.consults > 50
    assert world.report.warnings == ()


def test_a_worker_that_nobody_knows_is_told_once():
    world = site(ComponentResult("lab", restarts=(("nobody", "it is slow"),)))
    world.run(10 * MINUTE)
    told = [note.text for _, note in world.history if note.event == "component"]
    assert told == ["wants a restart of nobody: no such worker"]


def test_a_restart_that_one_wants_passes_the_gate_and_the_budget():
    results = [ComponentResult("lab", restarts=(("a", "it leaks"),))]
    world = site()
    world.run(30 * MINUTE)
    world.components = lambda: results
    world.until(lambda: bool(world.consults) and world.restarts() != {}, 2 * MINUTE)
    results.clear()
    world.run(HOUR)
    assert world.deeds("a") == ["restart", "healed"]
    assert "restart (attempt 1): lab wants it restarted: it leaks" in world.last("restart")


def test_one_that_wants_a_restart_in_every_cycle_gets_as_many_as_the_budget_has():
    world = site(ComponentResult("lab", restarts=(("b", ""),)))
    world.run(DAY / 4)
    assert world.restarts()["b"] <= 36
    assert {note.text.split(":")[0] for _, note in world.history if note.event == "refused"} == {
        "lab wants it restarted"
    }


def test_a_wish_of_a_component_healer_is_refused_at_once_where_the_gate_is_shut():
    world = site()
    world.outside["in"] = False
    world.run(HOUR)
    world.components = lambda: [ComponentResult("lab", restarts=(("b", "it is slow"),))]
    world.run(MINUTE + 5)
    assert world.remembered("worker", "b")["wish"] is None
    refused = [note for _, note in world.history if note.worker == "b" and note.event == "refused"]
    assert refused[0].text == "lab wants it restarted: it is slow: not restarted, waits for a.out"
    world.components = tuple
    world.outside["in"] = True
    world.run(HOUR)
    assert world.restarts() == {}


@pytest.mark.parametrize(
    ("how", "why"),
    [("stopped", "it is stopped"), ("unmonitored", "it is unmonitored"), ("healing", "a restart is under way already")],
)
def test_a_wish_of_a_component_healer_is_refused_with_its_reason(how: str, why: str):
    world = site(stop_delay=2 * MINUTE if how == "healing" else 0.05)
    world.run(10 * MINUTE)
    if how == "stopped":
        world.operator_stops("b")
    elif how == "unmonitored":
        world.unmonitor("b")
    else:
        world.hang("b")
        world.until(lambda: world.state("b") is Health.HEALING, HOUR)
    starts = world.restarts()
    world.components = lambda: [ComponentResult("lab", restarts=(("b", "it is slow"),))]
    world.run(MINUTE + 5)
    assert f"lab wants it restarted: it is slow: no restart, {why}" in [note.text for _, note in world.history]
    assert world.restarts() == starts


def test_a_wish_of_a_component_healer_does_not_replace_that_of_a_repair():
    world = wishing()
    world.outside["in"] = False
    world.run(HOUR)
    world.mender.edit(PATH, INVALID)
    world.run(5 * MINUTE)
    world.healer.hear(ComponentResult("lab", restarts=(("b", "it is slow"),)))
    world.run(1)
    assert world.remembered("worker", "b")["wish"]["reason"] == "c.json was repaired"
    assert "lab wants it restarted: it is slow: a restart is wanted already, c.json was repaired" in [
        note.text for _, note in world.history if note.event == "refused"
    ]


@pytest.mark.parametrize("wisher", ["lab", "c.json"])
def test_a_wish_for_who_is_convicted_and_has_to_wait(wisher: str):
    """A component healer's is refused, told once, and asked again with each round; a repair's goes with the restart."""
    world = wishing()
    world.curse("b")
    world.until_state("b", Health.QUARANTINED)
    if wisher == "lab":
        world.components = lambda: [ComponentResult("lab", restarts=(("b", "it is slow"),))]
        world.adopt()
    else:
        world.mender.edit(PATH, INVALID)
    world.run(10 * MINUTE)
    told = [note.text for _, note in world.history if note.event == "refused" and "lab" in note.text]
    assert wished(world) is (wisher == "c.json")
    assert len(told) == (wisher == "lab")
    assert all("lab wants it restarted: it is slow: not restarted, quarantined, probe in" in text for text in told)
    world.components = None if wisher == "c.json" else tuple
    restarts = world.restarts()["b"]
    world.cure("b")
    world.hang("b")
    world.run(2 * HOUR)
    assert world.restarts()["b"] == restarts + 1
    assert not wished(world)
