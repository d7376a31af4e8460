"""The table of states, row by row: what puts a worker into each state, and what the healer does about it."""

from __future__ import annotations

import pytest
from world import HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.model import Health, InputSpec, Kind, ProcessState, WorkerSpec

# --- unknown -------------------------------------------------------------------------------------------------


def test_unknown_before_anything_was_seen():
    world = World(chain("a"), started=False)
    assert world.state("a") is Health.UNKNOWN


def test_unknown_without_a_program():
    world = World(chain("a"), started=False)
    world.programs["a"].known = False
    world.begin_healer()
    world.run(HOUR)
    assert world.state("a") is Health.UNKNOWN
    assert world.reason("a") == "supervisord has no program a"
    assert world.orders == []


def test_unknown_while_supervisord_does_not_know_the_state():
    world = World(chain("a"))
    world.programs["a"].state = ProcessState.UNKNOWN
    world.healer.hear(world.host.table())
    world.run(HOUR)
    assert world.state("a") is Health.UNKNOWN
    assert world.reason("a") == "supervisord does not know the state of its process"
    assert world.orders == []


def test_unknown_while_its_output_cannot_be_read():
    world = World(chain("a"))
    world.disk.file("a.out").problem = "permission denied"
    world.run(HOUR)
    assert world.state("a") is Health.UNKNOWN
    assert world.reason("a") == "a.out: permission denied"
    assert world.orders == []
    world.disk.file("a.out").problem = ""
    world.run(MINUTE + 1)
    assert world.state("a") is Health.HEALTHY


def test_blocked_by_an_input_that_cannot_be_read():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.hang("a")
    world.disk.file("in").problem = "permission denied"
    world.run(HOUR)
    assert world.state("a") is Health.BLOCKED
    assert "by in" in world.reason("a")


# --- stopped -------------------------------------------------------------------------------------------------


def test_stopped_by_an_operator_is_never_touched():
    world = World(chain("a", "b"))
    world.run(60)
    world.operator_stops("a")
    world.run(5 * HOUR)
    assert world.states() == {"a": "stopped", "b": "blocked"}
    assert world.reason("a") == "stopped by an operator"
    assert world.orders == []
    world.host.operator_starts("a")
    world.run(MINUTE)
    assert world.states() == {"a": "healthy", "b": "healthy"}
    assert world.restarts() == {"a": 1}


def test_stopped_when_never_started():
    world = World(chain("a"), autostart=False)
    world.run(HOUR)
    assert world.state("a") is Health.STOPPED
    assert world.reason("a") == "never started (autostart=false)"
    assert world.orders == []


def test_what_an_operator_starts_has_a_grace_of_its_own():
    """Although it had not written since its first start."""
    world = World(
        [worker("a", ["in"], ["a.out"])], [file("in", HOUR), file("a.out", startup := MAX_AGE)], outside={"in": HOUR}
    )
    world.run(2 * startup)
    assert world.state("a") is Health.IDLE
    world.operator_stops("a")
    world.run(60)
    world.programs["a"].slow_starts = 100.0
    world.host.operator_starts("a")
    world.run(30)
    assert world.state("a") is Health.STARTING


# --- unmonitored ---------------------------------------------------------------------------------------------


def test_unmonitored_is_watched_and_left_alone():
    world = World(chain("a"))
    world.run(60)
    request = world.unmonitor("a")
    world.hang("a")
    world.run(HOUR)
    assert world.answers[request].exit_status == 0
    assert world.state("a") is Health.UNMONITORED
    assert "stalled" in world.reason("a")
    assert world.orders == []
    world.monitor("a")
    world.run(MINUTE)
    assert world.restarts() == {"a": 1}
    assert world.state("a") is Health.HEALTHY


@pytest.mark.parametrize(("second", "restarted"), [(1799.0, False), (1800.0, True), (1801.0, True)])
def test_unmonitored_for_a_time(second: float, restarted: bool):
    world = World(chain("a"))
    world.hang("a")
    world.unmonitor("a", 1800.0)
    world.run(1799.0)
    assert world.state("a") is Health.UNMONITORED
    world.run(second - 1799.0)
    assert ("restart" in world.story("a")) is restarted


def test_unmonitored_outlives_the_healer():
    world = World(chain("a"))
    world.unmonitor("a", 1800.0)
    world.hang("a")
    world.run(900)
    world.restart_healer(after=60)
    world.run(600)
    assert world.state("a") is Health.UNMONITORED
    world.run(300)
    assert world.restarts() == {"a": 1}


def test_an_unmonitored_root_is_named():
    world = World(chain("a", "b"))
    world.unmonitor("a")
    world.hang("a")
    world.run(HOUR)
    assert world.state("b") is Health.BLOCKED
    assert world.engine is not None
    assert world.engine.verdicts["b"].blocked_by == ("a",)


# --- down ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["exit", "exit well", "fatal"])
def test_down(how: str):
    world = World(chain("a", "b", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(LIMIT)
    if how == "fatal":
        world.doom("b", 4)
        world.programs["b"].state = ProcessState.FATAL
        world.healer.hear(world.host.table())
    else:
        world.host.die("b", well=how == "exit well")
    world.run(60)
    assert world.state("b") is Health.DOWN


def test_a_process_that_supervisord_restarts_itself_is_starting_and_left_to_it():
    world = World(chain("a"), autorestart=True)
    world.run(60)
    world.host.die("a")
    world.run(0.1)
    assert world.state("a") is Health.STARTING
    world.run(HOUR)
    assert world.state("a") is Health.HEALTHY
    assert world.orders == []


def test_a_job_that_has_exited_well_is_judged_by_its_outputs():
    job = worker("job", ["in"], ["job.out"], kind=Kind.JOB)
    world = World([job], [file("in", HOUR), file("job.out", MAX_AGE)], outside={"in": HOUR})
    world.run(60)
    assert world.programs["job"].state is ProcessState.EXITED
    assert world.state("job") is Health.HEALTHY
    world.run(2 * LIMIT)
    assert world.state("job") is Health.IDLE
    assert world.orders == []


def test_a_job_that_has_failed_is_down():
    world = World([worker("job", [], ["job.out"], kind=Kind.JOB)], slow_starts=100.0)
    world.run(5)
    world.host.die("job", well=False)
    world.run(0.1)
    assert world.story("job") == ["restart"]


# --- starting ------------------------------------------------------------------------------------------------


def slow(seconds: float, **options: object) -> World:
    """A worker whose input moves all the time, started anew and slow to write."""
    world = World(chain("a", source="in"), [file("in")], **options)  # type: ignore[arg-type]
    world.run(60)
    world.programs["a"].slow_starts = seconds
    world.operator_stops("a")
    world.run(2 * LIMIT)
    world.host.operator_starts("a")
    return world


def test_starting_lasts_until_the_first_output():
    world = slow(200.0)
    world.run(199)
    assert world.state("a") is Health.STARTING
    world.run(10)
    assert world.state("a") is Health.HEALTHY
    assert world.orders == []


@pytest.mark.parametrize(("second", "state"), [(299.9, Health.STARTING), (300.1, Health.HEALING)])
def test_starting_lasts_for_the_grace(second: float, state: Health):
    """The grace is over, the output is old, work has been pending for as long: then it is stalled."""
    world = slow(1e6)
    world.run(second)
    assert world.state("a") is state


def started_again(busy: float, **options: float) -> World:
    """A worker that a person has stopped for an hour; its work takes `busy` seconds, its start-up grace is 20 s."""
    world = World(chain("a", source="x", startup_grace=20.0, **options))
    world.run(HOUR)
    world.operator_stops("a")
    world.run(HOUR)
    world.programs["a"].work = busy
    world.host.operator_starts("a")
    return world


def test_a_process_started_again_has_a_max_age_for_the_work_that_was_left():
    world = started_again(busy=4 * MINUTE)
    world.run(3 * MINUTE)
    assert world.state("a") is Health.CATCHING_UP
    assert "its process has not had the work for 5m yet" in world.reason("a")
    world.run(2 * MINUTE)
    assert world.state("a") is Health.HEALTHY
    assert world.restarts() == {"a": 1}  # the operator's


@pytest.mark.parametrize(("options", "chance"), [({}, MAX_AGE), ({"verify_within": 40.0}, 40.0)])
def test_a_process_started_again_is_stalled_when_it_does_nothing_in_that_time(options: dict[str, float], chance: float):
    world = started_again(busy=HOUR, **options)
    begun = world.time.mono
    world.until_state("a", Health.HEALING)
    assert world.time.mono - begun == pytest.approx(chance, abs=1.0)


def test_a_crash_loop_is_excused_until_one_limit_after_its_grace():
    world = World(chain("a", source="in"), [file("in")], autorestart=True)
    world.run(60)
    world.programs["a"].crash_after = 20.0
    world.programs["a"].slow_starts = 1e6
    world.host.die("a")
    world.run(60)
    assert world.state("a") is Health.STARTING
    world.run(MAX_AGE - 60)
    assert world.state("a") in (Health.STARTING, Health.LATE)
    world.run(LIMIT)
    assert "crash loop" in world.reason("a") or world.story("a")
    assert "restart" in world.story("a")


@pytest.mark.parametrize(("grace", "startsecs", "life"), [(5.0, 10.0, 200.0), (20.0, 30.0, 120.0), (20.0, 1.0, 200.0)])
def test_a_crash_loop_has_not_one_chance_after_another(grace: float, startsecs: float, life: float):
    """Not where each process outlives its grace, nor where that is over before supervisord calls it RUNNING."""
    world = World(chain("a", source="x", startup_grace=grace), autorestart=True, startsecs=startsecs)
    world.run(HOUR)
    world.programs["a"].cursed, world.programs["a"].crash_after = True, life
    world.host.die("a")
    world.until_state("a", Health.QUARANTINED, 6 * HOUR)


def test_a_process_that_has_long_outlived_those_before_it_is_no_crash_loop():
    world = World(chain("a", source="x"), autorestart=True)
    world.run(HOUR)
    world.programs["a"].crash_after = 5.0
    world.host.die("a")
    world.run(LIMIT + MAX_AGE - 10.0)
    world.programs["a"].crash_after, world.programs["a"].work = 0.0, 4 * MINUTE
    world.until(lambda: world.time.mono - world.programs["a"].start_mono > 30.0, within=MINUTE)
    world.run(3 * MINUTE)
    assert world.state("a") is Health.STARTING
    world.run(MINUTE)
    assert world.state("a") is Health.HEALTHY
    assert world.healer.chronicle.orders == []


def test_who_starts_a_crashed_worker_again_gives_it_a_grace_of_its_own():
    world = World(chain("a", source="x"))
    world.run(HOUR)
    world.programs["a"].crash_after = 20.0
    world.host.die("a")
    world.until_state("a", Health.QUARANTINED)
    world.programs["a"].crash_after, world.programs["a"].work = 0.0, 4 * MINUTE
    begun = len(world.healer.chronicle.orders)
    world.host.operator_starts("a")
    world.until(lambda: world.disk.file("a.out").written > world.time.mono - 1.0, within=5 * MINUTE)
    assert len(world.healer.chronicle.orders) == begun


def test_one_crash_of_a_worker_that_wrote_since_its_start_is_no_crash_loop():
    world = World(chain("a"), autorestart=True)
    world.run(5 * HOUR)
    world.programs["a"].slow_starts = 60.0
    world.host.die("a")
    world.run(30)
    assert world.state("a") is Health.STARTING
    world.run(60)
    assert world.state("a") is Health.HEALTHY


# --- without outputs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "state"), [(59.0, Health.STARTING), (60.0, Health.HEALTHY), (61.0, Health.HEALTHY)])
def test_without_outputs_it_is_healthy_when_it_has_run_for_its_grace(second: float, state: Health):
    world = World([worker("sink", ["in"])], [file("in")], started=False)
    world.run(1)
    world.begin_healer()
    world.run(second - 1)
    assert world.state("sink") is state


def test_without_outputs_one_crash_after_a_long_life_is_no_crash_loop():
    world = World([worker("sink", ["in"])], [file("in")], autorestart=True)
    world.run(10 * HOUR)
    world.host.die("sink")
    world.run(30)
    assert world.state("sink") is Health.STARTING
    world.run(60)
    assert world.state("sink") is Health.HEALTHY
    assert world.orders == []


def test_without_outputs_a_crash_loop_is_stalled():
    world = World([worker("sink", ["in"])], [file("in")], autorestart=True)
    world.run(60)
    world.programs["sink"].crash_after = 20.0
    world.host.die("sink")
    world.run(10 * MINUTE)
    assert "restart" in world.story("sink")
    world.cure("sink")
    world.run(HOUR)
    assert world.state("sink") is Health.HEALTHY


def test_without_outputs_a_crash_loop_with_stale_inputs_is_blocked():
    world = World([worker("sink", ["in"])], [file("in")], autorestart=True)
    world.run(60)
    world.outside["in"] = False
    world.run(LIMIT)
    world.programs["sink"].crash_after = 20.0
    world.host.die("sink")
    world.run(10 * MINUTE)
    assert world.state("sink") is Health.BLOCKED
    assert world.orders == []


def test_a_job_without_outputs_is_healthy_when_done():
    world = World([worker("job", ["in"], kind=Kind.JOB)], [file("in")])
    world.run(60)
    assert world.programs["job"].state is ProcessState.EXITED
    assert world.state("job") is Health.HEALTHY


# --- healthy, idle, late -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "state"),
    [(MAX_AGE - 0.1, Health.HEALTHY), (MAX_AGE, Health.LATE), (MAX_AGE + 0.1, Health.LATE), (LIMIT - 0.1, Health.LATE)],
)
def test_healthy_then_late(age: float, state: Health):
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.hang("a")
    world.run_until(world.disk.file("a.out").written + age + 0.01)
    assert world.state("a") is state


def test_idle_has_nothing_to_do():
    world = World(chain("a", source="in"), [file("in", 2 * HOUR)], outside={"in": HOUR})
    world.run(50 * MINUTE)
    assert world.state("a") is Health.IDLE
    assert "nothing to do" in world.reason("a")
    world.run(11 * MINUTE)
    assert world.state("a") is Health.HEALTHY
    assert world.orders == []


def test_not_idle_when_an_input_is_not_fresh():
    world = World(
        [worker("a", ["in", "table"], ["a.out"], trigger=("in",))],
        [file("in", 2 * HOUR), file("table")],
        outside={"in": HOUR, "table": 10.0},
    )
    world.run(60)
    world.outside["table"] = False
    world.run(50 * MINUTE)
    assert world.state("a") is Health.BLOCKED


# --- blocked, catching up, stalled ---------------------------------------------------------------------------


def test_blocked_names_its_root_and_is_not_restarted():
    world = World(chain("a", "b", "c", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(5 * HOUR)
    assert world.states() == {"a": "blocked", "b": "blocked", "c": "blocked"}
    assert world.engine is not None
    assert {verdict.blocked_by for verdict in world.engine.verdicts.values()} == {("in",)}
    assert world.orders == []
    world.outside["in"] = True
    world.run(HOUR)
    assert world.states() == {"a": "healthy", "b": "healthy", "c": "healthy"}
    assert world.orders == []
    assert world.story("c") == ["recovered"]


def test_catching_up_after_an_outage_is_waited_for():
    world = World(chain("a", source="in"), [file("in")], work=100.0)
    world.run(200)
    world.outside["in"] = False
    world.run(HOUR)
    world.outside["in"] = True
    world.run(30)
    assert world.state("a") is Health.CATCHING_UP
    world.run(HOUR)
    assert world.orders == []
    assert world.state("a") is Health.HEALTHY


@pytest.mark.parametrize(("second", "stalled"), [(LIMIT - 0.1, False), (LIMIT, True), (LIMIT + 0.1, True)])
def test_stalled_at_the_deadline(second: float, stalled: bool):
    world = World(chain("a", source="in"), [file("in")], slow_starts=0.0)
    world.run(600)
    world.hang("a")
    world.run_until(world.disk.file("a.out").written + second + 0.01)
    assert ("restart" in world.story("a")) is stalled


def test_an_input_that_is_not_required_neither_blocks_nor_has_to_be_fresh():
    world = World([worker("a", ["in", "hints?"], ["a.out"])], [file("in"), file("hints")])
    world.run(60)
    world.outside["hints"] = False
    world.hang("a")
    world.run(HOUR)
    assert world.story("a") == ["restart", "healed"]


def test_a_worker_with_a_frequent_and_a_rare_output_is_convicted_by_each():
    workers = [worker("a", ["in"], ["often", "rare"])]
    files = [file("in"), file("often", MAX_AGE), file("rare", HOUR)]
    world = World(workers, files)
    world.programs["a"].every = {"rare": 100}
    world.run(3 * HOUR)
    assert world.orders == []
    world.programs["a"].mute = frozenset({"rare"})
    world.run(3 * HOUR)
    assert "rare" in next(note.text for _, note in world.history if note.event == "restart")


def test_a_config_must_be_there():
    """A file without max_age: fresh while it exists."""
    world = World([WorkerSpec("a", "a", inputs=(InputSpec("a.conf"),), outputs=("a.out",))], [file("a.conf", None)])
    world.run(60)
    world.disk.remove("a.conf")
    world.hang("a")
    world.run(HOUR)
    assert world.state("a") is Health.BLOCKED
    world.disk.write("a.conf")
    world.run(HOUR)
    assert world.restarts() == {"a": 1}


def test_no_inputs_means_work_all_the_time():
    world = World(chain("a"))
    world.run(60)
    world.hang("a")
    world.run(HOUR)
    assert world.restarts() == {"a": 1}


def test_a_missing_output_is_stale_one_limit_after_the_grace():
    world = World(chain("a", source="in"), [file("in")], started=False)
    world.programs["a"].hung = True
    world.begin_healer()
    world.hang("a")
    world.run(MAX_AGE + LIMIT - 1)
    assert world.orders == []
    world.run(5)
    assert world.story("a") == ["restart", "healed"]
