"""Transcripts of restarts: what is done step by step, and what a healer does that died in the middle of one."""

from __future__ import annotations

import pytest
from world import HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.model import Health, Kind, ProcessState
from supervisor_healer.core.news import OrderFailed
from supervisor_healer.core.orders import Note, Remember, Start, Stop


def one_restart_of(name: str, world: World) -> bool:
    return world.restarts() == {name: 1}


def test_a_hung_worker_is_restarted_once_and_healed_by_its_output():
    world = World(chain("engine", "predictor"))
    world.run(60)
    world.hang("predictor")
    world.run(20 * MINUTE)
    assert world.story("predictor") == ["restart", "healed"]
    assert world.restarts() == {"predictor": 1}
    assert world.states() == {"engine": "healthy", "predictor": "healthy"}


def test_the_conviction_comes_at_the_deadline_of_the_output():
    world = World(chain("engine", "predictor"))
    world.run(60)
    last = world.disk.file("predictor.out").written
    world.hang("predictor")
    world.until(lambda: "restart" in world.story("predictor"), HOUR)
    assert world.time.mono == pytest.approx(last + LIMIT, abs=0.01)


def test_a_frozen_head_of_four_costs_one_restart():
    world = World(chain("a", "b", "c", "d"))
    world.run(60)
    world.hang("a")
    world.run(HOUR)
    assert one_restart_of("a", world)
    assert set(world.states().values()) == {"healthy"}


def test_a_dead_worker_is_started_at_once():
    world = World(chain("a", "b"))
    world.run(60)
    world.host.die("b")
    took = world.until(lambda: world.restarts() == {"b": 1}, HOUR)
    assert took < 0.1
    world.run(MINUTE)
    assert world.story("b") == ["restart", "healed"]


def test_a_dead_worker_waits_until_its_input_is_fresh():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(MAX_AGE + 60)
    world.host.die("a")
    world.run(HOUR)
    assert world.restarts() == {}
    assert world.state("a") is Health.DOWN
    assert "by in" in world.reason("a")
    world.outside["in"] = True
    world.run(30)
    assert one_restart_of("a", world)
    assert world.state("a") is Health.HEALTHY


def test_a_fatal_worker_is_started():
    world = World(chain("a", "b"))
    world.run(60)
    world.doom("b", starts=5)
    world.run(HOUR)
    assert world.programs["b"].state is ProcessState.RUNNING
    assert world.state("b") is Health.HEALTHY
    assert world.story("b")[:2] == ["restart", "failed"]
    assert world.story("b")[-1] == "healed"


CRASHES = {
    "before the intent is written": (lambda d: isinstance(d, Remember) and d.memory.get("attempt"), True),
    "after the intent is written": (lambda d: isinstance(d, Remember) and d.memory.get("attempt"), False),
    "before the stop order": (Stop, True),
    "after the stop order": (Stop, False),
    "before the start order": (Start, True),
    "after the start order": (Start, False),
    "while verifying": (lambda d: isinstance(d, Remember) and '"verifying"' in str(d.memory).replace("'", '"'), False),
    "before the outcome is noted": (lambda d: isinstance(d, Note) and d.event == "healed", True),
}


@pytest.mark.parametrize("away", [0.0, 20.0, HOUR])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_restart_is_completed_and_not_repeated(crash: str, away: float):
    world = World(chain("a", "b"), slow_starts=5.0)
    world.run(60)
    world.hang("b")
    world.kill_at(*CRASHES[crash][:1], before=CRASHES[crash][1])
    world.until(lambda: world.engine is None, HOUR)
    world.restart_healer(after=away)
    world.run(20 * MINUTE)
    assert one_restart_of("b", world)
    assert world.state("b") is Health.HEALTHY
    world.run(HOUR)
    assert one_restart_of("b", world)
    assert world.engine is not None
    assert world.engine.patients["b"].memory.attempt is None


@pytest.mark.parametrize("crash", CRASHES)
def test_after_a_crash_nobody_is_restarted_on_stale_inputs_nor_left_stopped(crash: str):
    world = World(chain("b", source="in"), [file("in")], slow_starts=5.0)
    world.run(60)
    world.hang("b")
    world.kill_at(*CRASHES[crash][:1], before=CRASHES[crash][1])
    world.until(lambda: world.engine is None, HOUR)
    world.outside["in"] = False
    world.restart_healer(after=HOUR)
    world.run(HOUR)
    assert world.programs["b"].state is ProcessState.RUNNING
    assert world.restarts() in ({}, {"b": 1})
    world.outside["in"] = True
    world.run(2 * HOUR)
    assert one_restart_of("b", world)
    assert world.state("b") is Health.HEALTHY


@pytest.mark.parametrize("crash", CRASHES)
def test_a_worker_that_recovered_while_the_healer_was_away_is_left_alone(crash: str):
    world = World(chain("a", "b"), slow_starts=5.0)
    world.run(60)
    world.hang("b")
    world.kill_at(*CRASHES[crash][:1], before=CRASHES[crash][1])
    world.until(lambda: world.engine is None, HOUR)
    world.cure("b")
    before = world.restarts()
    world.run(MINUTE)
    stopped = world.programs["b"].state is ProcessState.STOPPED
    world.restart_healer()
    world.run(HOUR)
    assert world.restarts() == ({"b": 1} if stopped else before)
    assert world.state("b") is Health.HEALTHY


def test_a_job_that_is_done_and_owes_output_is_started():
    world = World([worker("a", [], ["a.out"]), worker("job", ["a.out"], ["job.out"], kind=Kind.JOB)])
    world.run(30)
    assert world.programs["job"].state is ProcessState.EXITED
    assert world.state("job") is Health.HEALTHY
    world.run(LIMIT + 30)
    assert world.story("job") == ["restart", "healed"]
    assert one_restart_of("job", world)


# --- an operator's stop at each point ----------------------------------------------------------------------------

POINTS = {
    "before the conviction": lambda world: world.state("b") is Health.LATE,
    "while stopping": lambda world: world.programs["b"].state is ProcessState.STOPPING,
    "when stopped": lambda world: world.programs["b"].state is ProcessState.STOPPED,
    "while starting": lambda world: world.programs["b"].state is ProcessState.STARTING,
    "while verifying": lambda world: world.state("b") is Health.VERIFYING,
}


@pytest.mark.parametrize("starts_again", [False, True])
@pytest.mark.parametrize("point", POINTS)
def test_an_operators_stop_is_respected_at_each_point(point: str, starts_again: bool):
    world = World(chain("a", "b"), stop_delay=2.0, startsecs=3.0)
    world.run(60)
    world.curse("b")
    world.until(lambda: POINTS[point](world), HOUR)
    starts = world.restarts().get("b", 0)
    world.operator_stops("b")
    world.run(HOUR)
    assert world.restarts().get("b", 0) == starts
    assert world.state("b") is Health.STOPPED
    assert world.deeds("b") in ([], ["restart", "abandoned"])
    if starts_again:
        world.cure("b")
        world.host.operator_starts("b")
        world.run(20 * MINUTE)
        assert world.state("b") is Health.HEALTHY
        assert world.restarts()["b"] == starts + 1


def test_an_operators_start_while_we_are_stopping_is_the_restart():
    world = World(chain("a"), stop_delay=5.0, slow_starts=10.0)
    world.run(60)
    world.hang("a")
    world.until(lambda: world.programs["a"].state is ProcessState.STOPPING, HOUR)
    world.kill_healer()
    world.run(10)
    world.host.operator_starts("a")
    world.run(2)
    world.begin_healer()
    world.run(MINUTE)
    assert world.deeds("a") == ["restart", "completed", "healed"]
    assert world.restarts() == {"a": 1}


def test_a_request_ends_with_75_when_an_operator_stops_the_worker_meanwhile():
    world = World(chain("a"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    request = world.heal("a")
    world.run(1)
    world.operator_stops("a")
    world.run(10)
    assert (world.answers[request].exit_status, world.answers[request].reason) == (
        75,
        "an operator stopped it meanwhile",
    )


# --- orders that go astray ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [Stop, Start])
def test_an_order_without_effect_is_given_again(order: type):
    world = World(chain("a"))
    world.run(60)
    world.hang("a")
    if order is Start:
        world.until(lambda: world.programs["a"].state is ProcessState.STOPPING, HOUR)
    world.healer.line.lose_orders = 1
    world.run(20 * MINUTE)
    assert world.deeds("a") == ["restart", "healed"]
    given = [at for at, each in world.orders if type(each) is order]
    assert len(given) == 2
    assert given[1] - given[0] == pytest.approx(5.0, abs=0.1)


def test_a_stop_without_effect_is_not_given_again_when_an_input_has_turned_stale_meanwhile():
    world = World([worker("a", ["in"], ["a.out"])], [file("in", 60.0, 60.0)])
    world.run(400)
    world.hang("a")
    world.healer.line.lose_orders = 1000
    world.until_state("a", Health.HEALING)
    world.outside["in"] = False
    world.run(90)
    world.healer.line.lose_orders = 0
    world.run(60)
    assert world.restarts() == {}
    assert world.deeds("a") == ["restart", "abandoned"]
    assert world.last("abandoned") == "not carried out: in no longer fresh"
    assert world.engine is not None
    assert world.engine.verdicts["a"].attempts == 0
    assert world.engine.verdicts["a"].budget_left == 6
    assert world.engine.host_restarts == []


def test_a_start_that_supervisord_refuses_fails_the_attempt():
    world = World(chain("a"))
    world.run(60)
    world.hang("a")
    world.until(lambda: world.programs["a"].state is ProcessState.STOPPING, HOUR)
    world.healer.line.lose_orders = 1
    request = world.heal("a")
    world.run(1)
    world.healer.hear(OrderFailed("a", "NO_FILE"))
    world.healer.hear(OrderFailed("nobody", "NO_FILE"))
    world.run(1)
    assert world.answers[request].exit_status == 1
    assert world.answers[request].reason == "supervisord refused: NO_FILE"
    world.run(HOUR)
    assert world.deeds("a") == ["restart", "failed", "restart", "healed"]


def test_a_process_that_is_gone_from_supervisord_ends_the_attempt():
    world = World(chain("a"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.programs["a"].known = False
    world.healer.hear(world.host.table())
    world.run(1)
    assert world.deeds("a") == ["restart", "abandoned"]
    assert world.last("abandoned") == "supervisord no longer knows the process"
    assert world.state("a") is Health.UNKNOWN


def test_lost_events_are_made_good_by_the_next_table():
    world = World(chain("a"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.healer.line.deaf = True
    world.run(60)
    assert world.programs["a"].state is ProcessState.STOPPED
    world.healer.line.deaf = False
    world.healer.hear(world.host.table())
    world.run(60)
    assert world.deeds("a") == ["restart", "healed"]


def test_supervisord_going_down_and_up_in_mid_heal_is_no_second_restart():
    world = World(chain("a"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.kill_healer()
    world.run(6)
    assert world.programs["a"].state is ProcessState.STOPPED
    world.host.operator_starts("a")  # as supervisord does when it comes up (autostart)
    world.run(3)
    world.begin_healer()
    world.run(MINUTE)
    assert world.deeds("a") == ["restart", "completed", "healed"]
    assert world.restarts() == {"a": 1}


# --- relatives ---------------------------------------------------------------------------------------------------


def test_relatives_are_not_restarted_together_and_siblings_are():
    workers = [*chain("a"), worker("b", ["a.out"], ["b.out"]), worker("c", ["a.out"], ["c.out"])]
    world = World(workers, stop_delay=30.0)
    world.run(60)
    world.host.die("b")
    world.host.die("c")
    world.run(0.01)
    world.host.die("a")
    world.run(2 * MINUTE)
    begun = {order.worker: at for at, order in world.orders if isinstance(order, Start)}
    assert begun["b"] == begun["c"]
    assert begun["a"] >= begun["b"] + 1.0
    assert set(world.states().values()) == {"healthy"}
    assert any(note.text.endswith("is being restarted") for _, note in world.history if note.worker == "a")


def test_of_two_that_may_go_the_upstream_one_goes_first_even_if_the_other_is_critical():
    world = World([*chain("a"), worker("b", ["a.out"], ["b.out"], critical=True)], startsecs=5.0)
    world.run(60)
    world.host.die("b")
    world.host.die("a")
    world.run(MINUTE)
    assert [order.worker for _, order in world.orders if isinstance(order, Start)] == ["a", "b"]


# --- a changed architecture ----------------------------------------------------------------------------------------


def test_a_worker_that_leaves_the_architecture_in_mid_heal_is_not_left_stopped():
    world = World(chain("a") + chain("b"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.change(chain("b"))
    world.run(MINUTE)
    assert world.programs["a"].state is ProcessState.RUNNING
    assert world.restarts() == {"a": 1}
    assert world.last("abandoned").startswith("it left the architecture while it was being restarted")
    world.operator_stops("a")
    world.run(MINUTE)
    assert world.restarts() == {"a": 1}


def test_a_worker_that_leaves_in_mid_heal_and_is_stopped_by_an_operator_stays_so():
    world = World(chain("a") + chain("b"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.change(chain("b"))
    world.operator_stops("a")
    world.run(MINUTE)
    assert world.programs["a"].state is ProcessState.STOPPED


def test_a_worker_that_leaves_before_its_stop_has_arrived_goes_on():
    world = World(chain("a") + chain("b"))
    world.run(60)
    world.hang("a")
    world.healer.line.lose_orders = 1
    world.until_state("a", Health.HEALING)
    world.change(chain("b"))
    world.run(MINUTE)
    assert world.restarts() == {}
    assert world.programs["a"].state is ProcessState.RUNNING


def test_a_worker_that_gets_another_program_in_mid_heal_is_not_left_stopped():
    world = World(chain("a"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.change([worker("a", [], ["a.out"], program="other")])
    world.run(MINUTE)
    assert world.programs["a"].state is ProcessState.RUNNING
    assert world.state("a") is Health.UNKNOWN
    assert world.restarts() == {"a": 1}


def test_a_worker_that_leaves_and_comes_back_keeps_its_budget():
    world = World(chain("a") + chain("b"))
    world.run(60)
    world.host.die("a")
    world.run(MINUTE)
    world.change(chain("b"))
    world.run(MINUTE)
    world.change(chain("a") + chain("b"))
    world.run(MINUTE)
    assert world.engine is not None
    assert world.engine.verdicts["a"].budget_left == 5
    assert world.engine.verdicts["a"].last_heal.outcome == "healed"


def test_a_worker_that_leaves_in_mid_heal_and_comes_back_is_not_in_treatment_any_more():
    world = World(chain("a") + chain("b"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.change(chain("b"))
    world.run(1)
    world.change(chain("a") + chain("b"))
    world.run(MINUTE)
    assert world.restarts() == {"a": 1}
    assert world.state("a") is Health.HEALTHY
    assert [type(order) for _, order in world.orders] == [Stop, Start]


def test_what_stays_in_the_architecture_keeps_all_that_is_known_of_it():
    world = World(chain("a", "b"))
    world.run(60)
    world.hang("b")
    world.run(LIMIT - 100)
    world.change([*chain("a", "b"), worker("c", ["b.out"], ["c.out"])])
    world.run(100)
    assert world.restarts() == {"b": 1}
    assert world.state("c") is Health.UNKNOWN


def test_an_output_that_is_renamed_in_the_middle_of_a_verification_is_not_waited_for():
    world = World(chain("a"))
    world.run(60)
    world.curse("a")
    world.until_state("a", Health.VERIFYING)
    world.change([worker("a", [], ["a.new"])])
    world.restart_healer(after=1)  # what was owed is in the journal, too
    world.cure("a")
    world.run(10 * MINUTE)
    assert world.restarts() == {"a": 1}
    assert world.story("a")[-1] == "healed"


def test_an_operators_restart_in_the_middle_of_our_stop_is_finished_by_us():
    """`supervisorctl restart`: his stop is noted, then his start withdraws it, both while the process is STOPPING."""
    world = World(chain("a"))
    world.programs["a"].stop_delay = 5.0
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.run(1)
    world.operator_stops("a")
    world.run(1)
    world.host.operator_starts("a")
    world.run(10 * MINUTE)
    assert world.restarts() == {"a": 1}
    assert world.states() == {"a": "healthy"}


def test_an_operators_stop_in_the_middle_of_our_stop_holds():
    world = World(chain("a"))
    world.programs["a"].stop_delay = 5.0
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.run(1)
    world.operator_stops("a")
    world.run(10 * MINUTE)
    assert world.restarts() == {}
    assert world.states() == {"a": "stopped"}
    assert world.story("a")[-1] == "abandoned"


def test_one_worker_that_cannot_be_judged_does_not_end_the_watch_over_the_others():
    world = World(chain("a", "b"))
    world.run(60)
    world.engine.patients["a"].memory.pending = None
    world.hang("b")
    world.run(HOUR)
    assert world.states()["a"] == "unknown"
    assert "the healer has a bug (TypeError" in world.reason("a")
    assert [note.worker for _, note in world.history if note.event == "bug"] == ["a"]
    assert world.restarts() == {"b": 1}


def test_the_last_healers_budget_is_respected_where_only_supervisord_remembers_it():
    world = World(chain("a"))
    world.run(60)
    world.engine.restrict(world.time.now, "the journal cannot be written", {"a": 1, "gone": 0})
    world.run(2 * MINUTE)
    assert world.engine.verdicts["a"].budget_left == 1
    world.engine.restrict(world.time.now, "the journal cannot be written", {"a": 6})
    world.run(2 * MINUTE)
    assert world.engine.verdicts["a"].budget_left == 1
