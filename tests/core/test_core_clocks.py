"""Clocks that are stepped, hosts that sleep, healers that oversleep: nobody is convicted by them."""

from __future__ import annotations

import pytest
from world import DAY, HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.clock import Clock
from supervisor_healer.core.model import Health, Now, ProcessState


@pytest.mark.parametrize(
    ("wall", "mono", "trouble"),
    [
        (60.0, 60.0, ""),
        (65.0, 60.0, ""),
        (65.1, 60.0, "the wall clock was stepped by +5.1s, or the host slept"),
        (55.0, 60.0, ""),
        (54.8, 60.0, "the wall clock was stepped by -5.2s, or the host slept"),
        (75.0, 75.0, ""),
        (75.1, 75.1, "the healer woke 15s too late"),
        (3600.0, 3600.0, "the healer woke 59m too late"),
    ],
)
def test_trouble_is_the_clocks_moving_apart_or_oversleeping(wall: float, mono: float, trouble: str):
    clock = Clock()
    assert clock.trouble(Now(1000.0, 0.0)) == ""
    clock.asked = 60.0
    assert clock.trouble(Now(1000.0 + wall, mono)) == trouble


def test_an_event_in_time_is_no_oversleeping():
    clock = Clock()
    clock.trouble(Now(1000.0, 0.0))
    clock.asked = 10.0
    assert clock.trouble(Now(1005.0, 5.0)) == ""


def test_who_asked_for_no_wake_cannot_oversleep():
    clock = Clock()
    clock.trouble(Now(1000.0, 0.0))
    assert clock.trouble(Now(5000.0, 4000.0)) == ""


STEPS = [7200.0, 60.0, 6.0, -6.0, -60.0, -7200.0]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_restarts_nobody(step: float):
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.time.step(step)
    world.run(3 * HOUR)
    assert world.orders == []
    assert world.states() == {"a": "healthy", "b": "healthy"}
    assert [note.event for _, note in world.history].count("clock") == 1


@pytest.mark.parametrize("steps", [[-7200.0], [-60.0, 60.0], [-20.0, 86420.0, -86400.0], [7200.0, -7200.0]])
def test_a_step_makes_no_stale_input_fresh(steps: list[float]):
    """Not for one that is down either, which does not wait for its inputs to be confirmed."""
    world = World(chain("a", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.outside["in"] = False
    world.run(LIMIT + MINUTE)
    world.host.die("a")
    for step in steps:
        world.time.step(step)
        world.run(30)
        assert world.orders == []
    world.outside["in"] = True
    world.run(MINUTE)
    assert world.restarts() == {"a": 1}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("before", [10.0, 400.0])
def test_a_hang_is_still_found_after_a_step(step: float, before: float):
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.hang("b")
    world.run(before)
    world.time.step(step)
    took = world.until(lambda: "restart" in world.story("b"), HOUR)
    assert took <= LIMIT + MAX_AGE + 70  # everything counts from the step, or from when it was noticed
    world.run(HOUR)
    assert world.restarts() == {"b": 1}
    assert world.state("b") is Health.HEALTHY


def test_in_the_turn_of_a_step_everything_is_unknown():
    world = World(chain("a"))
    world.run(100)
    world.time.step(HOUR)
    world.until(lambda: world.state("a") is Health.UNKNOWN, 2 * MINUTE)
    assert "stepped by +60m" in world.reason("a") or "stepped by +1h" in world.reason("a")
    world.run(2)
    assert world.state("a") is not Health.UNKNOWN


def test_a_stopped_worker_stays_stopped_in_a_step():
    world = World(chain("a"))
    world.run(60)
    world.operator_stops("a")
    world.run(100)
    world.time.step(HOUR)
    world.run(100)
    assert world.transitions["a"] == ["healthy", "stopped"]


def test_a_step_while_somebody_was_never_started():
    world = World(chain("a"), autostart=False)
    world.run(100)
    world.time.step(HOUR)
    world.run(100)
    assert world.state("a") is Health.STOPPED


@pytest.mark.parametrize("hours", [1, 12])
def test_a_suspended_host_restarts_nobody(hours: int):
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.time.step(hours * HOUR)
    world.run(3 * HOUR)
    assert world.orders == []
    assert world.states() == {"a": "healthy", "b": "healthy"}


@pytest.mark.parametrize("seconds", [16.0, 600.0, HOUR])
def test_a_machine_that_stood_still_restarts_nobody(seconds: float):
    """Both clocks went on, and nobody ran, so nobody wrote."""
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.time.stall(61 + seconds)
    world.run(3 * HOUR)
    assert world.orders == []
    assert set(world.states().values()) == {"healthy"}


def test_both_clocks_jumping_together_restart_nobody():
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.time.stall(HOUR)
    world.time.step(DAY)
    world.run(3 * HOUR)
    assert world.orders == []


def test_a_step_while_a_restart_is_under_way_ends_with_the_worker_up():
    """No stop is given in doubt; a worker that is down by our stop comes up."""
    world = World(chain("a"), stop_delay=20.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.run(5)
    world.time.step(HOUR)
    world.run(2 * MINUTE)
    assert world.programs["a"].state is ProcessState.RUNNING
    assert world.restarts() == {"a": 1}
    assert world.deeds("a") == ["restart", "healed"]


def test_no_stop_is_ordered_again_in_the_turn_of_a_step():
    world = World(chain("a"))
    world.run(60)
    world.hang("a")
    world.healer.line.lose_orders = 1
    world.until_state("a", Health.HEALING)
    world.time.step(HOUR)
    world.run(HOUR)
    assert world.restarts() == {"a": 1}
    assert world.deeds("a")[-1] == "healed"


def test_verification_survives_a_step():
    world = World(chain("a"))
    world.run(60)
    world.curse("a")
    world.until_state("a", Health.VERIFYING)
    world.run(60)
    world.time.step(-HOUR)
    world.run(60)
    assert world.state("a") is Health.VERIFYING
    world.cure("a")
    world.run(20)
    assert world.deeds("a") == ["restart", "healed"]


def test_a_step_while_the_healer_is_away():
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(10 * MINUTE)
    world.kill_healer(orderly=True)
    world.time.step(-2 * HOUR)
    world.run(60)
    world.begin_healer()
    world.run(3 * HOUR)
    assert world.orders == []
    assert set(world.states().values()) == {"healthy"}


def test_a_freshly_started_healer_convicts_nobody_by_the_wall_clock_alone():
    """It has no journal, and finds an output that is hours old."""
    world = World(chain("a", source="in"), [file("in")], started=False)
    world.run(60)
    world.hang("a")
    world.run(5 * HOUR)
    world.begin_healer()
    world.run(LIMIT - 1)
    assert world.story("a") == []
    assert world.state("a") is Health.LATE
    world.run(20)
    assert "restart" in world.story("a")


def test_a_healer_with_a_journal_goes_on_where_its_former_life_was():
    world = World(chain("a", source="in"), [file("in")])
    world.run(5 * MINUTE)
    world.hang("a")
    world.run(6 * MINUTE)
    world.restart_healer(after=30)
    took = world.until(lambda: "restart" in world.story("a"), HOUR)
    assert took < 2 * MINUTE


def test_a_boot_keeps_budgets_and_begins_all_else_anew():
    world = World(chain("a", source="in"), [file("in")])
    world.curse("a")
    world.until_state("a", Health.QUARANTINED, DAY)
    assert world.engine is not None
    retry_at = world.engine.patients["a"].memory.budget.quarantine.retry_at - world.time.mono  # type: ignore[union-attr]
    world.unmonitor("a", 30 * MINUTE)
    world.run(10)
    world.reboot(gap=600.0)
    world.run(10)
    quarantine = world.engine.patients["a"].memory.budget.quarantine
    assert quarantine is not None
    assert quarantine.retry_at - world.time.mono == pytest.approx(retry_at - 620, abs=5)
    assert world.engine.verdicts["a"].budget_left == 3
    assert world.state("a") is Health.UNMONITORED
    world.run(25 * MINUTE)
    assert world.state("a") is Health.QUARANTINED


def test_a_boot_in_mid_heal_needs_no_second_restart():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.hang("a")
    world.kill_at(lambda decision: type(decision).__name__ == "Start")
    world.until(lambda: world.engine is None, HOUR)
    world.reboot(gap=60.0)
    world.run(HOUR)
    assert world.deeds("a") == ["restart", "completed", "healed"]
    assert world.restarts() == {"a": 1}  # by the boot


@pytest.mark.parametrize("wrong", [-30 * DAY, 30 * DAY])
def test_a_boot_with_a_wrong_clock_makes_nobody_wait_for_ever(wrong: float):
    world = World(chain("a", source="in"), [file("in")])
    world.curse("a")
    world.until_state("a", Health.QUARANTINED, DAY)
    world.time.step(wrong)
    world.reboot(gap=60.0)
    world.cure("a")
    world.run(2 * HOUR)
    assert world.state("a") is Health.HEALTHY


def test_a_file_from_the_future_is_judged_by_the_monotonic_clock():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.hang("a")
    world.disk.write("a.out", "a", mtime=world.time.wall + DAY)
    written = world.time.mono
    world.until(lambda: "restart" in world.story("a"), HOUR)
    assert world.time.mono - written == pytest.approx(LIMIT, abs=65)
    world.run(MINUTE)
    assert world.deeds("a") == ["restart", "healed"]


def test_coarse_mtimes_heal_and_do_not_restart():
    """A file system that keeps whole seconds, or two of them."""
    world = World([worker("a", ["in"], ["a.out"])], [file("in")])
    world.disk.grain = 2.0
    world.run(2 * HOUR)
    assert world.orders == []
    world.hang("a")
    world.run(HOUR)
    assert world.deeds("a") == ["restart", "healed"]
