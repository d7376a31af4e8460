"""Each invariant of the simulator is broken by hand once, and kept in the same situation without the fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brain import LIMIT, MAX_AGE, Brain, chained, decide, restart, start, stop, with_brain

from supervisor_healer.core.care import MENDS
from supervisor_healer.core.model import ConfigSpec, Creation, Intensity, Mode
from supervisor_healer.core.news import ComponentResult
from supervisor_healer.core.orders import (
    Answer,
    Consult,
    Create,
    Decision,
    Note,
    Remember,
    Repair,
    Restore,
    Signal,
    Start,
    Stop,
)
from supervisor_healer.simulation.case import Case, Fault
from supervisor_healer.simulation.mender import INVALID
from supervisor_healer.simulation.promises import PROMISES, Violation
from supervisor_healer.simulation.run import make_world, play, play_in
from supervisor_healer.simulation.timeline import HOUR, MINUTE
from supervisor_healer.simulation.world import World

CONFIG = "c.json"


# --- restarts ------------------------------------------------------------------------------------------------


def stale(name: str) -> World:
    world = chained()
    world.hang(name)
    world.run(LIMIT + MINUTE)
    return world


def test_a_restart_without_fresh_inputs():
    world = stale("a")
    world.hang("b")
    assert decide(world, stop(world, "b")) == "inputs_fresh"
    world = stale("b")
    assert decide(world, stop(world, "b")) == ""


def test_a_restart_of_one_that_is_down_without_fresh_inputs():
    world = chained()
    world.outside["in"] = False
    world.host.die("a")
    assert decide(world, start(world, "a")) == ""
    world.host.die("a")
    world.run(2 * MAX_AGE)
    world.host.die("a")
    assert decide(world, start(world, "a")) == "inputs_fresh"


@pytest.mark.parametrize(("force", "broken"), [(True, ""), (False, "inputs_fresh")])
def test_an_operator_may_force_it_until_he_is_answered(force: bool, broken: str):
    world = stale("a")
    world.hang("b")
    world.healer.engine = None
    world.promises.heal_asked("r", ["b"], force=force)
    assert decide(world, stop(world, "b")) == broken
    if force:
        world.promises.heal_answered("r")
        world.run(1.0)
        world.programs["b"].hung = True
        assert decide(world, start(world, "b")) == ""  # what was begun is ended
        world.run(5.0)
        assert decide(world, stop(world, "b")) == "inputs_fresh"


def test_a_start_of_one_that_an_operator_has_stopped():
    world = chained()
    world.operator_stops("a")
    world.run(1.0)
    assert decide(world, start(world, "a")) == "operators_stop"
    world.host.operator_starts("a")
    world.run(5.0)
    world.host.die("a")
    assert decide(world, start(world, "a")) == ""


def test_a_stop_of_which_the_healer_cannot_have_heard_is_no_reproach():
    world = chained()
    decide(world, ())
    world.healer.line.delay_events = 4.0
    world.operator_stops("a")
    world.run(1.0)
    assert decide(world, start(world, "a")) == ""
    assert world.host.starts["a"] == 0  # supervisord's side refuses it
    world.healer.hear(world.host.table())
    assert decide(world, (), start(world, "a")) == "operators_stop"  # by now it has heard


@pytest.mark.parametrize(("allowed", "broken"), [(2, "budget"), (3, "")])
def test_more_restarts_than_a_worker_has(allowed: int, broken: str):
    world = chained()
    world.programs["a"].spec = replace(world.programs["a"].spec, restarts=Intensity(allowed, HOUR))
    for _ in range(2):
        world.host.die("a")
        assert decide(world, start(world, "a")) == ""
        world.run(MINUTE)
    world.host.die("a")
    assert decide(world, start(world, "a")) == broken


@pytest.mark.parametrize(("allowed", "broken"), [(1, "host_budget"), (2, "")])
def test_more_restarts_than_all_have_together(allowed: int, broken: str):
    world = chained(overall=Intensity(allowed, HOUR))
    for name in "ac":
        world.host.die(name)
    assert decide(world, start(world, "a")) == ""
    assert decide(world, start(world, "c")) == broken


@pytest.mark.parametrize(("attempts", "broken"), [(2, "attempts"), (3, "")])
def test_one_more_attempt_than_an_incident_may_have(attempts: int, broken: str):
    world = stale("b")
    spec = replace(world.pipeline.workers["b"], attempts=attempts)
    world.adopt(workers=[world.plan.workers[0], spec])
    failed = Note("b", "failed", "no new output")
    assert decide(world, [restart("b"), failed], [restart("b"), failed]) == ""
    assert decide(world, [restart("b")]) == broken


def test_a_restart_of_one_that_nothing_ails():
    world = chained()
    assert decide(world, stop(world, "a")) == "root_only"


def test_a_restart_of_one_that_only_waited_for_another():
    world = stale("a")
    world.programs["a"].cure()
    world.run(15.0)
    assert decide(world, stop(world, "b")) == "root_only"


def test_one_that_is_late_beyond_telling_it_from_a_hang_is_restarted_for_nothing_and_rightly():
    world = chained()
    world.programs["b"].mute = frozenset(["b.out"])
    world.run(LIMIT + MINUTE)
    world.programs["b"].mute = frozenset()
    assert decide(world, stop(world, "b")) == ""
    assert [name for _, name in world.promises.needless] == ["b"]


def test_a_component_healer_may_want_it_and_once():
    world = chained(components=lambda: [ComponentResult("lab", restarts=(("a", "it is slow"),))])
    decide(world, [Consult()])
    world.run(1.0)
    assert decide(world, stop(world, "a")) == ""
    world.run(1.0)
    assert decide(world, start(world, "a")) == ""
    world.run(5.0)
    assert decide(world, stop(world, "a")) == "root_only"


def test_a_repair_may_want_it():
    world = with_config(restarted=("a",))
    assert decide(world, repair(world)) == ""
    world.run(1.0)
    assert decide(world, stop(world, "a")) == ""


def test_two_of_one_stream_at_once():
    world = chained()
    for name in "abc":
        world.hang(name)
    assert decide(world, stop(world, "a")) == ""
    assert decide(world, stop(world, "c")) == ""
    assert decide(world, stop(world, "b")) == "relatives_apart"


# --- what is said --------------------------------------------------------------------------------------------


def test_called_healed_without_new_output():
    world = stale("b")
    assert decide(world, stop(world, "b")) == ""
    world.run(1.0)
    assert decide(world, start(world, "b")) == ""
    healed = [Note("b", "healed", "b.out moved")]
    assert decide(world, healed) == "new_output"
    world.run(15.0)
    assert decide(world, healed) == ""


def test_called_healed_by_what_another_has_written():
    world = chained()
    world.host.die("b")
    world.programs["b"].cursed = True
    assert decide(world, start(world, "b")) == ""
    world.run(15.0)
    world.disk.write("b.out", "somebody")
    assert decide(world, [Note("b", "healed", "b.out moved")]) == "new_output"


def test_without_outputs_called_healed_before_the_grace_is_over():
    world = chained()
    world.host.die("c")
    assert decide(world, start(world, "c")) == ""
    healed = [Note("c", "healed", "RUNNING")]
    world.run(59.0)
    assert decide(world, healed) == "new_output"
    world.run(1.0)
    assert decide(world, healed) == ""


@pytest.mark.parametrize(
    "unexplained",
    [
        [Note("a", "blocked", "")],
        [Note("a", "restart", "restart (attempt 1)")],
        [Answer("r", 0, "")],
        [Start("a", "a:a")],
        [Stop("a", "a:a", 101)],
    ],
)
def test_a_word_or_a_deed_without_a_reason(unexplained: list[Decision]):
    assert decide(chained(), unexplained) == "explained"


def test_a_deed_after_the_one_that_was_explained_is_over():
    world = chained()
    world.host.die("a")
    assert decide(world, start(world, "a")) == ""
    world.run(20.0)
    assert decide(world, [Note("a", "healed", "a.out moved")]) == ""
    assert decide(world, [Start("a", "a:a")]) == "explained"


@pytest.mark.parametrize(("seconds", "broken"), [(4.0, ""), (6.0, "evidence"), (-6.0, "evidence")])
def test_a_restart_in_a_turn_in_which_the_clocks_have_parted(seconds: float, broken: str):
    world = stale("b")
    decide(world, ())
    world.time.step(seconds)
    assert decide(world, stop(world, "b")) == broken


@pytest.mark.parametrize(("seconds", "broken"), [(14.0, ""), (16.0, "evidence")])
def test_a_restart_by_a_healer_that_has_overslept(seconds: float, broken: str):
    world = stale("b")
    decide(world, (), busy=True)
    world.time.stall(seconds)
    assert decide(world, stop(world, "b")) == broken


def test_a_healer_that_never_rests():
    assert decide(chained(), (), busy=True) == "keeps_pace"


# --- modes, files and configs --------------------------------------------------------------------------------


def with_config(**options: object) -> World:
    world = chained(configs=[ConfigSpec(CONFIG, "json", **options)], contents={CONFIG: INVALID})  # type: ignore[arg-type]
    decide(world, ())
    return world


def repair(world: World) -> list[Decision]:
    digest = world.mender.contents[CONFIG].text
    return [Remember("care", CONFIG, {"intent": ["repair", digest]}), Repair(CONFIG, digest)]


RESTORE: list[Decision] = [Remember("care", CONFIG, {"intent": ["restore", ""]}), Restore(CONFIG)]
CREATE: list[Decision] = [Remember("file", "new", {"own": [1.7e9, None]}), Create("new", Creation(), 1_700_000_000)]


def test_an_order_in_mode_observe_or_after_the_halt():
    for decisions in (RESTORE, CREATE, [Signal("a", "a:a", 101, "HUP")], start(chained(), "c")):
        observing, halted, healing = chained(configs=[ConfigSpec(CONFIG)]), chained(), chained()
        observing.adopt(mode=Mode.OBSERVE)
        halted.promises.halted = True
        for world in (observing, halted):
            assert decide(world, decisions) == "mode"
        healing.adopt(configs=[ConfigSpec(CONFIG)])
        assert decide(healing, decisions) == ""


@pytest.mark.parametrize(("pid", "down", "broken"), [(101, False, ""), (102, False, "signals"), (101, True, "signals")])
def test_a_signal_to_another_process_or_to_none(pid: int, down: bool, broken: str):
    world = chained()
    assert world.programs["a"].pid == 101
    if down:
        world.host.die("a")
    assert decide(world, [Signal("a", "a:a", pid, "HUP")]) == broken


@pytest.mark.parametrize("decisions", [RESTORE, CREATE])
def test_something_is_mended_that_was_not_remembered_before(decisions: list[Decision]):
    assert decide(with_config(), decisions[1:]) == "mends"
    assert decide(with_config(), decisions) == ""


def test_something_is_mended_that_is_being_mended():
    world = with_config()
    assert decide(world, repair(world)) == ""
    assert decide(world, repair(world)) == "mends"
    world.run(1.0)
    assert decide(world, repair(world)) == ""


def test_what_an_operator_has_put_back_is_repaired():
    world = with_config()
    assert decide(world, repair(world)) == ""
    world.run(1.0)
    assert decide(world, RESTORE) == ""
    world.run(1.0)
    assert decide(world, repair(world)) == "mends"
    world.mender.edit(CONFIG, INVALID)
    assert decide(world, repair(world)) == ""


@pytest.mark.parametrize(("asked", "broken"), [(False, "mends"), (True, "")])
def test_a_fight_with_somebody_over_a_config(asked: bool, broken: str):
    world = with_config()
    for _ in range(MENDS.max):
        assert decide(world, repair(world)) == ""
        world.run(1.0)
        world.mender.edit(CONFIG, INVALID)
    if asked:
        world.promises.heal_asked("r", (), force=False)
    assert decide(world, repair(world)) == broken


# --- in the end ----------------------------------------------------------------------------------------------


def staged(what: str) -> Case:
    """That befalls a, once."""
    return Case(0, "staged", chained().plan, [Fault(60.0, what, "a")], 5 * MINUTE)


def ends(case: Case, *decisions: Decision) -> str:
    """What is broken in it by a healer that decides this, and nothing ever after."""
    world = make_world(case)
    world.begin_healer = lambda **_: with_brain(world, Brain([decisions]))  # type: ignore[method-assign]
    return ", ".join(violation.invariant for violation in play_in(world, case).violations)


@pytest.mark.parametrize(("what", "broken"), [("hang", "recovers"), ("die", "left_stopped")])
def test_not_everything_recovers(what: str, broken: str):
    assert ends(staged(what)) == broken
    assert play(staged(what)).violations == ()


def test_somebody_could_not_be_judged():
    assert ends(staged("hang"), Note("a", "bug", "KeyError: 'a'")) == "unharmed"


def test_a_violation_names_the_promise_that_it_breaks():
    assert set(PROMISES.values()) <= set(range(1, 11))
    assert str(Violation("budget", 61.0, "a: 7 restarts")) == "budget (promise 3) at 61.0s: a: 7 restarts"
