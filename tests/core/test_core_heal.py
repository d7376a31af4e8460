"""What an operator's words lead to: `heal` in every state, with its exit status; `unmonitor` and `monitor`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import DAY, HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.model import Health, Intensity, Mode, ProcessState
from supervisor_healer.core.orders import Note, Start, Stop, Tell

OK, FAILED, USAGE, REFUSED = 0, 1, 2, 75


def two(**options: object) -> World:
    world = World(chain("a", "b", source="in"), [file("in")], **options)  # type: ignore[arg-type]
    world.run(60)
    return world


def unknown(world: World) -> None:
    world.disk.file("b.out").problem = "permission denied"
    world.run(MINUTE)


def stopped(world: World) -> None:
    world.operator_stops("b")
    world.run(HOUR)


def unmonitored(world: World) -> None:
    world.unmonitor("b")
    world.hang("b")
    world.run(HOUR)


def quarantined(world: World) -> None:
    world.curse("b")
    world.until_state("b", Health.QUARANTINED, DAY)
    world.programs["b"].cursed, world.programs["b"].hung = False, True


def down_with_stale_inputs(world: World) -> None:
    world.outside["in"] = False
    world.hang("a")
    world.run(HOUR)
    world.host.die("b")
    world.run(1)


def starting(world: World) -> None:
    world.programs["b"].slow_starts = 100.0
    world.operator_stops("b")
    world.run(1)
    world.host.operator_starts("b")
    world.run(5)


def late(world: World) -> None:
    world.hang("b")
    world.until_state("b", Health.LATE)


def idle(world: World) -> None:
    world.outside["in"] = False
    world.change(world.plan.workers, [file("in", DAY)])
    world.run(HOUR)


def blocked(world: World) -> None:
    world.outside["in"] = False
    world.run(HOUR)


def catching_up(world: World) -> None:
    world.hang("b")
    world.outside["in"] = False
    world.run(HOUR)
    world.outside["in"] = True
    world.until_state("b", Health.CATCHING_UP)


def healthy(world: World) -> None:
    world.run(1)


#: state -> (how it comes about, exit status of heal, restarts by it, ... of heal --force, restarts by that)
STATES: dict[Health, tuple[Callable[[World], None], int, int, int, int]] = {
    Health.UNKNOWN: (unknown, REFUSED, 0, REFUSED, 0),
    Health.STOPPED: (stopped, REFUSED, 0, REFUSED, 0),
    Health.UNMONITORED: (unmonitored, OK, 1, OK, 1),
    Health.QUARANTINED: (quarantined, OK, 1, OK, 1),
    Health.DOWN: (down_with_stale_inputs, REFUSED, 0, REFUSED, 1),
    Health.STARTING: (starting, OK, 0, OK, 0),
    Health.HEALTHY: (healthy, OK, 0, OK, 0),
    Health.IDLE: (idle, OK, 0, OK, 0),
    Health.LATE: (late, OK, 0, OK, 0),
    Health.BLOCKED: (blocked, REFUSED, 0, REFUSED, 1),
    Health.CATCHING_UP: (catching_up, OK, 1, OK, 1),
}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("state", STATES)
def test_heal_in_each_state(state: Health, force: bool):
    come_about, status, restarts, forced_status, forced_restarts = STATES[state]
    world = two()
    come_about(world)
    assert world.state("b") is state
    before = world.restarts().get("b", 0)
    request = world.heal("b", force=force)
    world.until(lambda: request in world.answers, HOUR)
    assert world.answers[request].exit_status == (forced_status if force else status)
    assert world.restarts().get("b", 0) - before == (forced_restarts if force else restarts)
    if world.answers[request].exit_status == REFUSED and not forced_restarts:
        assert world.answers[request].reason in world.last("refused")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("state", STATES)
def test_a_dry_run_tells_and_does_nothing(state: Health, force: bool):
    world = two()
    STATES[state][0](world)
    before, orders, verdict = world.restarts(), len(world.orders), world.state("b")
    request = world.heal("b", dry_run=True, force=force)
    world.run(1)
    assert world.answers[request].exit_status == OK
    assert world.state("b") is verdict
    assert (world.restarts(), len(world.orders)) == (before, orders)
    acts = STATES[state][4 if force else 2]
    assert world.answers[request].reason.startswith("would restart it") is bool(acts)


def test_stalled_within_its_wait_is_healed_at_once():
    world = two()
    world.curse("b")
    world.until(lambda: "failed" in world.story("b"), HOUR)
    assert world.state("b") is Health.STALLED
    world.cure("b")
    world.hang("b")
    request = world.heal("b")
    world.run(5)
    assert world.answers[request].exit_status == OK
    assert world.restarts() == {"b": 2}


def test_a_failed_heal_answers_1():
    world = two()
    world.curse("b")
    world.run(LIMIT - 20)
    world.until_state("b", Health.VERIFYING)
    request = world.heal("b")
    world.until(lambda: request in world.answers, HOUR)
    assert world.answers[request].exit_status == FAILED
    assert "no new output in b.out within" in world.answers[request].reason


def test_a_heal_shows_its_steps():
    world = two()
    catching_up(world)
    request = world.heal("b")
    world.until(lambda: request in world.answers, HOUR)
    steps = world.told[request]
    assert steps[0].startswith("restart (attempt 1, asked for by an operator): b.out ")
    assert steps[1].startswith("stop pid ")
    assert steps[2] == "start"
    assert steps[3].startswith("RUNNING as pid ")
    assert world.answers[request].reason.startswith("new output in b.out ")


def test_an_unknown_name_is_bad_usage():
    world = two()
    request = world.heal("c") if "c" in world.programs else None
    assert request is None
    from supervisor_healer.core.news import HealRequest, MonitorRequest  # noqa: PLC0415

    world.healer.hear(HealRequest("x", "nobody"))
    world.healer.hear(MonitorRequest("y", "nobody"))
    world.run(1)
    assert (world.answers["x"].exit_status, world.answers["y"].exit_status) == (USAGE, USAGE)
    assert world.answers["x"].reason == "no worker nobody"


def test_observe_never_acts():
    world = two(mode=Mode.OBSERVE)
    world.hang("b")
    world.run(HOUR)
    assert world.state("b") is Health.STALLED
    assert "mode is observe" in world.reason("b")
    request = world.heal("b")
    world.run(1)
    assert world.answers[request].exit_status == REFUSED
    assert world.orders == []
    assert world.deeds("b") == []


def test_the_host_budget_holds_for_operators_too():
    world = World(chain("a") + chain("b"), overall=Intensity(1, 600.0))
    world.host.die("a")
    world.run(30)
    world.host.die("b")
    world.run(1)
    request = world.heal("b")
    world.run(1)
    assert world.answers[request].exit_status == REFUSED
    assert "host budget used up (1 restarts in 10m)" in world.answers[request].reason
    dry = world.heal("b", dry_run=True)
    world.run(1)
    assert world.answers[dry].reason.startswith("would not restart it now: host budget used up")


def test_a_heal_clears_attempts_and_the_window():
    world = World([worker("a", [], ["a.out"], restarts=Intensity(1, DAY))], [file("a.out", 10.0)])
    world.host.die("a")
    world.run(30)
    world.host.die("a")
    world.run(30)
    assert world.state("a") is Health.QUARANTINED
    request = world.heal("a")
    world.run(30)
    assert world.answers[request].exit_status == OK
    assert world.engine is not None
    assert world.engine.verdicts["a"].attempts == 1
    assert world.engine.verdicts["a"].budget_left == 0


def test_a_healthy_worker_is_released_from_quarantine():
    world = two()
    quarantined(world)
    world.cure("b")
    world.run(30)
    assert world.state("b") is Health.QUARANTINED
    dry = world.heal("b", dry_run=True)
    world.run(1)
    assert world.state("b") is Health.QUARANTINED
    assert "released" not in world.answers[dry].reason
    request = world.heal("b")
    world.run(1)
    assert world.answers[request].reason.endswith("; released from quarantine")
    assert world.state("b") is Health.HEALTHY


def test_an_unmonitored_worker_is_healed_and_stays_unmonitored():
    world = two()
    unmonitored(world)
    request = world.heal("b")
    world.until(lambda: bool(world.told[request]), MINUTE)
    assert world.state("b") is Health.HEALING
    world.until(lambda: request in world.answers, MINUTE)
    assert world.state("b") is Health.UNMONITORED
    world.hang("b")
    world.run(HOUR)
    assert world.restarts() == {"b": 1}


def test_a_crash_loop_is_restarted_for_an_operator_also_in_backoff():
    world = two()
    world.programs["b"].retries = 1000
    world.doom("b", 1000)
    world.run(25 * MINUTE)
    world.until(lambda: world.programs["b"].state is ProcessState.BACKOFF, 5 * MINUTE)
    world.run(1)
    assert world.state("b") is Health.STALLED
    assert "supervisord is starting it itself" in world.reason("b")
    assert world.deeds("b") == ["restart", "failed"]
    assert [note.event for _, note in world.history if note.worker == "b"].count("refused") <= 1  # it is said once
    world.programs["b"].doomed = 0
    request = world.heal("b")
    world.run(20)
    assert world.answers[request].exit_status == OK


# --- joining, and several requests ---------------------------------------------------------------------------


def test_a_request_joins_a_restart_that_is_under_way():
    world = two(stop_delay=5.0)
    world.hang("b")
    world.until_state("b", Health.HEALING)
    request = world.heal("b")
    dry = world.heal("b", dry_run=True)
    world.run(1)
    assert "joins the restart that is under way (stopping)" in world.told[request][0]
    assert "a restart is under way already (stopping)" in world.answers[dry].reason
    world.run(30)
    assert world.answers[request].exit_status == OK
    assert world.restarts() == {"b": 1}


def test_several_requests_for_the_same_worker_cause_one_restart():
    world = two()
    catching_up(world)
    requests = [world.heal("b"), world.heal("b"), world.heal("b", force=True)]
    world.run(30)
    assert [world.answers[request].exit_status for request in requests] == [OK] * 3
    assert world.restarts() == {"b": 1}


def test_a_request_waits_for_a_relative_that_is_being_restarted():
    world = two(stop_delay=20.0)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.host.die("b")
    world.disk.write("a.out", "a", generation=1)
    request = world.heal("b")
    world.run(5)
    assert world.told[request] == ["waits: a is being restarted"]
    world.run(MINUTE)
    assert world.answers[request].exit_status == OK
    assert world.restarts() == {"a": 1, "b": 1}


CRASHES: dict[str, tuple[object, bool]] = {
    "before the intent is written": (lambda d: isinstance(d, Note) and d.event == "restart", True),
    "after the intent is written": (lambda d: isinstance(d, Note) and d.event == "restart", False),
    "before a step is told": (Tell, True),
    "before the stop": (Stop, True),
    "after the stop": (Stop, False),
    "before the start": (Start, True),
    "after the start": (Start, False),
    "before the outcome is written": (lambda d: isinstance(d, Note) and d.event == "healed", True),
    "before the answer": (lambda d: type(d).__name__ == "Answer", True),
}


@pytest.mark.parametrize("away", [0.0, 100.0])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_request_that_comes_again_after_a_crash_acts_once(crash: str, away: float):
    world = two()
    catching_up(world)
    what, before = CRASHES[crash]
    world.kill_at(what, before=before)  # type: ignore[arg-type]
    world.heal("b", id="once")
    world.run(MINUTE)
    assert world.engine is None
    world.restart_healer(after=away)
    world.heal("b", id="once")  # supervisord has no answer yet, and gives it out again
    world.run(MINUTE)
    assert world.answers["once"].exit_status == OK
    assert world.restarts() == {"b": 1}


def test_the_same_request_twice_in_one_life_is_one():
    world = two(stop_delay=5.0)
    catching_up(world)
    world.heal("b", id="once")
    world.run(1)
    world.heal("b", id="once")
    world.run(MINUTE)
    assert world.restarts() == {"b": 1}
    assert world.answers["once"].exit_status == OK


def test_answers_are_kept_for_a_while_only():
    world = two()
    assert world.engine is not None
    memory = world.engine.patients["b"].memory
    for number in range(30):
        memory.answer(f"r{number}", 0, "healed")
    assert list(memory.answered) == [f"r{number}" for number in range(10, 30)]


# --- heal all ------------------------------------------------------------------------------------------------


def test_heal_all_takes_roots_first_and_lets_the_others_catch_up():
    world = World(chain("a", "b", "c"))
    world.run(60)
    world.unmonitor("b")
    world.monitor("b")
    world.hang("a")
    world.run(LIMIT - 70)
    world.until(lambda: world.state("a") is Health.LATE, HOUR)
    world.run(LIMIT - MAX_AGE - 1)
    request = world.heal("all")
    world.run(10 * MINUTE)
    assert world.answers[request].exit_status == OK
    assert world.restarts() == {"a": 1}
    assert set(world.states().values()) == {"healthy"}


def test_heal_all_waits_for_what_was_blocked():
    world = World(chain("a", "b", "c"), stop_delay=3.0)
    world.run(60)
    world.unmonitor("a")
    world.hang("a")
    world.run(HOUR)
    world.monitor("a")
    request = world.heal("all")
    world.run(1)
    assert any(step.startswith("b: waits for a") for step in world.told[request])
    world.run(10 * MINUTE)
    assert world.answers[request].exit_status == OK
    assert "a: new output in a.out" in world.answers[request].reason
    assert world.restarts() == {"a": 1}


def test_heal_all_restarts_what_does_not_catch_up():
    world = World(chain("a", "b"))
    world.run(60)
    world.unmonitor("a")
    world.hang("a")
    world.hang("b")
    world.run(HOUR)
    world.monitor("a")
    request = world.heal("all")
    world.run(30)
    assert any("b: waits whether it catches up by itself" in step for step in world.told[request])
    world.run(HOUR)
    assert world.answers[request].exit_status == OK
    assert world.restarts() == {"a": 1, "b": 1}


def test_heal_all_leaves_stopped_and_unmonitored_alone():
    world = World(chain("a") + chain("b") + chain("c"))
    world.run(60)
    world.operator_stops("a")
    world.unmonitor("b")
    world.hang("b")
    world.run(HOUR)
    request = world.heal("all")
    world.run(30)
    assert world.answers[request].exit_status == OK
    assert world.answers[request].reason == "nothing to heal"
    assert world.orders == []


def test_heal_all_reports_the_worst():
    world = World([*chain("a", source="in"), *chain("b")], [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(HOUR)
    request = world.heal("all")
    dry = world.heal("all", dry_run=True)
    world.run(30)
    assert world.answers[request].exit_status == REFUSED
    assert world.answers[request].reason.startswith("a: blocked by in: waits for in")
    assert world.answers[dry].exit_status == OK


def test_heal_all_again_after_a_crash_acts_once():
    world = World(chain("a") + chain("b"), stop_delay=3.0)
    world.run(60)
    world.outside.clear()
    for name in ("a", "b"):
        world.unmonitor(name)
        world.hang(name)
    world.run(HOUR)
    world.monitor("all")
    world.heal("all", id="once")
    world.run(1)
    world.restart_healer()
    world.heal("all", id="once")
    world.run(MINUTE)
    assert world.answers["once"].exit_status == OK
    assert world.restarts() == {"a": 1, "b": 1}


def test_who_leaves_the_architecture_is_not_waited_for():
    world = World(chain("a") + chain("b", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.hang("a")
    world.run(LIMIT)
    world.curse("a")
    world.until_state("a", Health.VERIFYING)
    request = world.heal("a")
    world.run(1)
    world.change(chain("b", source="in"))
    world.run(5)
    assert world.answers[request].exit_status == USAGE
    assert world.answers[request].reason == "a is no longer in the architecture"


# --- monitor and unmonitor -----------------------------------------------------------------------------------


def test_unmonitor_and_monitor_all():
    world = two()
    out = world.unmonitor("all", 600.0)
    world.run(1)
    assert world.states() == {"a": "unmonitored", "b": "unmonitored"}
    assert world.answers[out].reason == "unmonitored for 10m"
    back = world.monitor("all")
    world.run(1)
    assert world.states() == {"a": "healthy", "b": "healthy"}
    assert world.answers[back].reason == "monitored again"
    assert [note.worker for _, note in world.history if note.event == "unmonitor"] == [""]


def test_unmonitored_in_mid_heal_the_worker_still_comes_up():
    world = two(stop_delay=5.0)
    world.hang("b")
    world.until_state("b", Health.HEALING)
    world.unmonitor("b")
    world.run(1)
    assert world.state("b") is Health.UNMONITORED
    world.run(MINUTE)
    assert world.programs["b"].state is ProcessState.RUNNING
    assert world.restarts() == {"b": 1}


# --- the end of supervisord ----------------------------------------------------------------------------------


def test_while_supervisord_goes_down_nothing_is_ordered():
    world = two()
    world.hang("b")
    world.run(60)
    assert world.engine is not None
    world.engine.halt("supervisord is shutting down")
    request = world.heal("b")
    world.host.die("a")
    world.run(HOUR)
    assert world.orders == []
    assert request not in world.answers


def test_halted_in_mid_heal_nothing_more_is_ordered():
    world = two(stop_delay=5.0)
    world.hang("b")
    world.until_state("b", Health.HEALING)
    assert world.engine is not None
    world.engine.halt("supervisord is shutting down")
    world.run(MINUTE)
    assert [type(order).__name__ for _, order in world.orders] == ["Stop"]
