"""How often is too often: windows, waits, quarantine and its probes, the reset, and the host as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import DAY, HOUR, LIMIT, MINUTE, World, chain, file, worker

from supervisor_healer.core.budget import Budget, Quarantine, add_restart, half_used, moved, recent, room_at, wait_after
from supervisor_healer.core.model import Health, Intensity, WorkerSpec

SIX_AN_HOUR = Intensity(6, 3600.0)


# --- the sliding window --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "room"), [(3599.9, 3600.0), (3600.0, 3600.0), (3600.1, 3600.1)])
def test_room_comes_when_the_oldest_restart_leaves_the_window(now: float, room: float):
    restarts = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    assert room_at(restarts, now, SIX_AN_HOUR) == pytest.approx(room)


def test_a_window_forgets_what_has_left_it():
    assert add_restart([0.0, 10.0], 3605.0, SIX_AN_HOUR) == [10.0, 3605.0]
    assert recent([0.0, 10.0], 3600.0, SIX_AN_HOUR) == [10.0]


def test_a_restart_counts_when_it_starts_or_not_at_all():
    assert moved([1.0, 2.0], 1.0, 9.0) == [2.0, 9.0]
    assert moved([1.0, 2.0], 1.0, None) == [2.0]
    assert moved([2.0], 1.0, 9.0) == [2.0, 9.0]


def test_half_used_keeps_what_was_used():
    assert half_used([], 9.0, SIX_AN_HOUR) == [9.0] * 3
    assert half_used([5.0], 9.0, SIX_AN_HOUR) == [5.0, 9.0, 9.0]
    assert half_used([1.0, 2.0, 3.0, 4.0], 9.0, SIX_AN_HOUR) == [1.0, 2.0, 3.0, 4.0]


@given(st.lists(st.floats(0, 1e5), max_size=30), st.integers(1, 5), st.floats(1, 1e4))
def test_never_more_than_the_intensity_in_any_window(wishes: list[float], most: int, within: float):
    intensity, restarts, done = Intensity(most, within), [], []
    for now in sorted(wishes):
        if room_at(restarts, now, intensity) <= now:
            restarts = add_restart(restarts, now, intensity)
            done.append(now)
    assert all(sum(start <= at < start + within for at in done) <= most for start in done)


# --- the waits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [(1, 15, 30), (2, 30, 60), (3, 60, 120), (7, 900, 1800), (8, 900, 1800), (1000, 900, 1800)],
)
def test_the_wait_doubles_up_to_half_an_hour_with_jitter(attempt: int, shortest: float, longest: float):
    assert wait_after(attempt, 0.0) == shortest
    assert wait_after(attempt, 0.999999) == pytest.approx(longest, rel=1e-3)


@pytest.mark.parametrize(("draw", "wait"), [(0.0, 15.0), (0.5, 22.5), (0.9999, 30.0)])
def test_the_second_attempt_waits(draw: float, wait: float):
    world = World(chain("a"), draw=lambda: draw)
    world.curse("a")
    world.until(lambda: "failed" in world.story("a"), 2 * HOUR)
    failed = world.elapsed
    world.until(lambda: world.story("a").count("restart") == 2, HOUR)
    assert world.elapsed - failed == pytest.approx(wait, abs=0.1)


def test_a_relapse_after_a_good_attempt_waits_too():
    world = World(chain("a"), [file("a.out", 10.0)], draw=lambda: 0.5)
    world.hang("a")
    world.until(lambda: "healed" in world.story("a"), HOUR)
    world.host.die("a")
    took = world.until(lambda: world.story("a").count("restart") == 2, HOUR)
    assert took == pytest.approx(22.5, abs=0.1)


# --- quarantine ----------------------------------------------------------------------------------------------


def quarantined(**options: object) -> World:
    world = World([worker("a", [], ["a.out"], **options)])
    world.curse("a")
    world.until_state("a", Health.QUARANTINED, DAY)
    return world


def test_three_failed_attempts_quarantine():
    world = quarantined()
    assert world.deeds("a") == ["restart", "failed"] * 3 + ["quarantined"]
    assert "3 failed attempts in one incident (at most 3)" in world.last("quarantined")
    assert "needs a person" in world.last("quarantined")


def test_a_full_window_of_good_restarts_quarantines():
    world = World([worker("a", [], ["a.out"], restarts=Intensity(2, 3600.0))], [file("a.out", 10.0)])
    for _ in range(3):
        world.host.die("a")
        world.run(3 * MINUTE)
    assert world.deeds("a") == ["restart", "healed", "restart", "healed", "quarantined"]
    assert "2 restarts in the window (at most 2)" in world.last("quarantined")
    assert world.restarts() == {"a": 2}
    world.run(58 * MINUTE)  # the first probe, an hour later, passes the window too
    assert world.restarts() == {"a": 3}
    world.run(HOUR)
    assert world.state("a") is Health.HEALTHY
    assert world.story("a")[-2:] == ["healed", "released"]


def test_probes_come_after_an_hour_doubling_to_a_day():
    world = quarantined()
    world.run(16 * HOUR)
    probes = world.times("a", "restart")[3:]
    failures = world.times("a", "failed")[2:]
    gaps = [probe - failed for probe, failed in zip(probes, failures, strict=False)]
    assert gaps == pytest.approx([HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR], abs=6.0)
    quarantine = Quarantine(0.0, 0.0, 10 * HOUR)
    quarantine.probe_ended(0.0, failed=True)
    assert quarantine.retry_at == 20 * HOUR
    quarantine.probe_ended(0.0, failed=True)
    assert quarantine.retry_at == DAY


def test_a_probe_that_heals_ends_the_quarantine_after_the_reset_time():
    world = quarantined()
    world.cure("a")
    world.run(1.0)
    world.hang("a")
    world.run(HOUR + 10)
    assert world.story("a")[-2:] == ["restart", "healed"]
    assert world.state("a") is Health.QUARANTINED
    healed = world.times("a", "healed")[-1]
    world.until_state("a", Health.HEALTHY)
    assert world.elapsed - healed == pytest.approx(900, abs=1)  # 3 * max_age
    assert world.story("a")[-1] == "released"


def test_recovery_by_itself_ends_the_quarantine_too():
    world = quarantined()
    world.cure("a")
    world.until_state("a", Health.HEALTHY)
    assert world.story("a")[-1] == "released"
    assert world.restarts() == {"a": 3}


def test_a_relapse_in_quarantine_waits_for_its_probe():
    world = quarantined(retry_after=600.0)
    world.cure("a")
    world.run(1.0)
    world.hang("a")
    world.until(lambda: "healed" in world.story("a"), HOUR)
    healed = world.elapsed
    world.host.die("a")
    world.until(lambda: world.story("a")[-1] == "restart", HOUR)
    assert world.elapsed - healed == pytest.approx(600, abs=10)


def test_a_probe_passes_every_gate_of_a_first_restart():
    world = World([worker("a", ["in"], ["a.out"])], [file("in")])
    world.curse("a")
    world.until_state("a", Health.QUARANTINED, DAY)
    world.outside["in"] = False
    world.run(3 * HOUR)
    assert world.restarts() == {"a": 3}
    assert "blocked" in world.reason("a")
    world.outside["in"] = True
    world.run(10 * MINUTE)
    assert world.restarts() == {"a": 4}


def test_a_probe_waits_for_room_in_the_window():
    world = World([worker("a", [], ["a.out"], restarts=Intensity(2, 7200.0), retry_after=600.0)], [file("a.out", 10.0)])
    for _ in range(3):
        world.host.die("a")
        world.run(3 * MINUTE)
    assert world.state("a") is Health.QUARANTINED
    world.run(90 * MINUTE)
    assert world.restarts() == {"a": 2}
    world.run(HOUR)
    assert world.restarts() == {"a": 3}


def test_a_probe_that_closes_as_idle_keeps_the_quarantine():
    world = World(chain("a", source="in"), [file("in", DAY)], outside={"in": 10.0})
    world.curse("a")
    world.until_state("a", Health.QUARANTINED, DAY)
    world.cure("a")
    world.run(10.0)
    world.outside["in"] = False
    world.run(10)
    world.host.die("a")  # and has nothing to do when it is up again
    world.until(lambda: "idle" in world.story("a"), 2 * HOUR)
    assert world.state("a") is Health.QUARANTINED
    world.run(20 * MINUTE)
    assert world.deeds("a")[-3:] == ["restart", "idle", "released"]  # it has been idle after new output


def test_quarantine_outlives_the_healer():
    world = quarantined()
    world.restart_healer(after=60)
    world.run(30 * MINUTE)
    assert world.state("a") is Health.QUARANTINED
    assert world.restarts() == {"a": 3}


def test_heal_releases_from_quarantine():
    world = quarantined()
    world.cure("a")
    world.run(0.5)
    world.hang("a")
    request = world.heal("a")
    world.run(MINUTE)
    assert world.answers[request].exit_status == 0
    assert world.state("a") is Health.HEALTHY


# --- the reset -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_age", "reset"), [(10.0, 600.0), (300.0, 900.0)])
def test_the_count_resets_after_health(max_age: float, reset: float):
    world = World(chain("a"), [file("a.out", max_age)], period=max_age / 10)
    world.hang("a")
    world.until(lambda: "healed" in world.story("a"), HOUR)
    healed = world.elapsed
    world.until(lambda: bool(world.times("a", "closed")), HOUR)
    assert world.elapsed - healed == pytest.approx(reset, abs=0.1)


def test_lateness_does_not_interrupt_health():
    world = World(chain("a"), [file("a.out", 10.0)], period=12.0)  # late every round
    world.hang("a")
    world.until(lambda: "healed" in world.story("a"), HOUR)
    healed = world.elapsed
    world.until(lambda: bool(world.times("a", "closed")), HOUR)
    assert world.elapsed - healed < 620


def test_trouble_interrupts_health():
    world = World(chain("a"), [file("a.out", 10.0)])
    world.host.die("a")
    world.run(5 * MINUTE)
    world.host.die("a")
    world.run(9 * MINUTE)
    assert world.times("a", "closed") == []
    world.run(2 * MINUTE)
    assert len(world.times("a", "closed")) == 1


def test_a_recovery_by_itself_counts_no_attempt():
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(HOUR)
    world.outside["in"] = True
    world.run(MINUTE)
    assert world.story("b") == ["recovered"]
    assert world.engine is not None
    assert world.engine.verdicts["b"].attempts == 0


def test_health_without_an_incident_is_nothing_to_follow():
    assert not Budget().follow_health(0.0, well=True, kept=True, needed=10.0)


def test_counting_without_an_incident_opens_one():
    budget = Budget()
    assert budget.attempt_begins(5.0, SIX_AN_HOUR) == 1
    budget.attempt_withdrawn(5.0)
    assert (budget.incident is not None, budget.restarts) == (True, [])
    released = Budget(restarts=[5.0])
    released.attempt_withdrawn(5.0)
    released.attempt_ended(9.0, failed=True, draw=0.5)
    assert released == Budget()


# --- all workers together ------------------------------------------------------------------------------------


def many(count: int, overall: Intensity | None = None, **options: object) -> World:
    workers = [
        WorkerSpec(f"w{n}", f"w{n}", outputs=(f"w{n}.out",), critical=n in (5, 6), **options) for n in range(count)
    ]
    return World(workers, overall=overall)


def test_many_stalls_at_once_are_spread():
    """Five within ten minutes, the critical ones first."""
    world = many(12)
    world.run(60)
    for name in world.programs:
        world.hang(name)
    world.run(LIMIT + 20)
    assert set(world.restarts()) == {"w5", "w6", "w0", "w1", "w10"}
    assert "host budget used up (5 restarts in 10m)" in world.reason("w2")
    assert world.state("w2") is Health.STALLED
    world.run(10 * MINUTE)
    assert len(world.restarts()) == 10
    world.run(10 * MINUTE)
    assert world.restarts() == dict.fromkeys(world.programs, 1)
    assert "quarantined" not in world.story()


def test_the_default_grows_with_the_number_of_workers():
    assert many(30).engine.restarts_overall == Intensity(10, 600.0)  # type: ignore[union-attr]
    assert many(3).engine.restarts_overall == Intensity(5, 600.0)  # type: ignore[union-attr]


def test_fewest_attempts_then_longest_stale_go_first():
    world = many(3, Intensity(1, 600.0))
    world.run(60)
    world.hang("w2")
    world.run(30)
    world.hang("w1")
    world.hang("w0")
    world.run(4 * HOUR)
    order = [order.worker for _, order in world.orders if type(order).__name__ == "Start"]
    assert order[0] == "w2"
    world = many(2, Intensity(1, 600.0), attempts=9)
    world.curse("w0")
    world.run(HOUR)
    world.hang("w1")
    world.run(LIMIT + 11 * MINUTE)
    assert "restart" in world.story("w1")


def test_the_host_budget_outlives_the_healer():
    world = many(8)
    world.run(60)
    for name in world.programs:
        world.hang(name)
    world.run(LIMIT)
    world.restart_healer(after=5)
    world.run(5 * MINUTE)
    assert len(world.restarts()) == 5


def test_the_windows_hold_starts_and_not_intents():
    """A slow stop must not let one more restart into the window (the world checks every window)."""
    world = World(
        [worker("a", [], ["a.out"], restarts=Intensity(1, 100.0), attempts=99, retry_after=1.0)],
        [file("a.out", 8.0, 2.0)],
        stop_delay=60.0,
    )
    world.curse("a")
    world.run(HOUR)
    assert world.restarts()["a"] > 3


# --- without a past ------------------------------------------------------------------------------------------


def test_without_a_journal_half_of_every_budget_counts_as_used():
    world = World(chain("a"), overall=Intensity(3, 600.0))
    assert world.engine is not None
    world.engine.restrict(world.time.now, "the journal was corrupt")
    world.run(1)
    assert world.engine.verdicts["a"].budget_left == 3
    assert len(world.engine.host_restarts) == 2
    assert any(note.event == "journal" and "the journal was corrupt" in note.text for _, note in world.history)


@pytest.mark.parametrize(("left", "used"), [({}, 2), ({"": 3}, 2), ({"": 1}, 2), ({"": 0}, 3)])
def test_what_all_together_are_known_to_have_left_is_all_they_have(left: dict[str, int], used: int):
    """Else an epidemic and a lost journal together would have one and a half budgets."""
    world = World(chain("a", "b"), overall=Intensity(3, 600.0))
    assert world.engine is not None
    assert world.engine.host_left(world.time.now) == 3
    world.engine.restrict(world.time.now, "the journal was corrupt", left)
    assert len(world.engine.host_restarts) == used
    assert world.engine.host_left(world.time.now) == 3 - used


def test_restrictions_do_not_forget_what_was_used():
    world = World(chain("a"), [file("a.out", 10.0)])
    for _ in range(4):
        world.host.die("a")
        world.run(5 * MINUTE)
    assert world.engine is not None
    world.engine.restrict(world.time.now, "the disk is full")
    world.run(1)
    assert world.engine.verdicts["a"].budget_left == 2
