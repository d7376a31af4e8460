"""Verification: only new output after the restart heals, and its clock runs only while there is something to prove."""

from __future__ import annotations

import pytest
from world import DAY, HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import FileSpec, Health, ProcessState, WorkerSpec

FILES = {
    "in": FileSpec("in", 60.0, 30.0),
    "a": FileSpec("a", 300.0, 150.0),
    "b": FileSpec("b", 600.0, 0.0),
    "conf": FileSpec("conf"),
}


@pytest.mark.parametrize(
    ("spec", "stale", "expected"),
    [
        (WorkerSpec("w", "w", outputs=("a",)), ("a",), 300 + 450),
        (WorkerSpec("w", "w", outputs=("a", "b")), ("a",), 600 + 450),  # the stale one's
        (WorkerSpec("w", "w", outputs=("a", "b")), (), 600 + 600),
        (WorkerSpec("w", "w", outputs=("a",), startup_grace=20.0), ("a",), 20 + 450),
        (WorkerSpec("w", "w", outputs=("a",), verify_within=7.0), ("a",), 7),
        (WorkerSpec("w", "w"), (), 60 + 60),
        (WorkerSpec("w", "w", outputs=("conf",)), (), 60 + 60),
    ],
)
def test_the_default_of_verify_within(spec: WorkerSpec, stale: tuple[str, ...], expected: float):
    assert Limits(FILES).verify_within(spec, stale) == expected


def verifying(**options: object) -> World:
    """A worker that was restarted because it hung, and still writes nothing."""
    world = World(chain("a", source="in", **options), [file("in")])
    world.run(60)
    world.curse("a")
    world.until_state("a", Health.VERIFYING)
    return world


def test_new_output_ends_it_early():
    world = verifying()
    world.run(200)
    world.cure("a")
    world.run(16)  # its input moves every 10 s, and it is looked at every 5
    assert world.story("a") == ["restart", "healed"]
    assert world.state("a") is Health.HEALTHY


@pytest.mark.parametrize(("second", "failed"), [(749, False), (756, True)])
def test_without_new_output_it_fails_after_verify_within(second: float, failed: bool):
    world = verifying()
    world.run(second)
    assert ("failed" in world.story("a")) is failed


def test_its_clock_stands_still_while_inputs_are_not_fresh():
    world = verifying()
    world.run(100)
    world.outside["in"] = False
    world.run(3 * HOUR)
    assert world.state("a") is Health.BLOCKED
    assert world.story("a") == ["restart"]
    world.outside["in"] = True
    world.run(20)
    assert world.state("a") is Health.VERIFYING
    world.run(300)
    assert world.story("a") == ["restart"]
    world.cure("a")
    world.run(20)
    assert world.story("a") == ["restart", "healed"]


def test_a_request_that_waits_ends_with_75_when_inputs_are_no_longer_fresh():
    world = verifying()
    request = world.heal("a")
    world.run(10)
    assert request not in world.answers
    world.outside["in"] = False
    world.run(LIMIT)
    assert world.answers[request].exit_status == 75
    assert "waits for in" in world.answers[request].reason
    late = world.heal("a")
    world.run(5)
    assert world.answers[late].exit_status == 75
    assert world.restarts() == {"a": 1}


def test_it_outlives_the_healer():
    world = verifying()
    world.run(600)
    world.restart_healer(after=60)
    world.run(100)
    assert world.state("a") is Health.VERIFYING
    world.run(130)
    assert world.story("a")[:3] == ["restart", "completed", "failed"]


def test_nothing_to_do_after_the_restart_closes_as_idle():
    """It died, was started, and no input has moved since its last output: neither proven nor failed."""
    world = World(chain("a", source="in"), [file("in", DAY)], outside={"in": 10.0})
    world.run(60)
    world.outside["in"] = False
    world.run(20)
    world.host.die("a")
    world.run(MAX_AGE - 5)
    assert world.state("a") is Health.VERIFYING
    world.run(20)
    assert world.story("a") == ["restart", "idle"]
    assert world.engine is not None
    assert world.engine.patients["a"].memory.budget.incident is None
    assert world.engine.verdicts["a"].last_heal.outcome == "idle"


def test_all_outputs_that_were_stale_have_to_move():
    world = World([worker("a", ["in"], ["x", "y"])], [file("in"), file("x"), file("y")])
    world.run(60)
    world.hang("a")
    world.until(lambda: "restart" in world.story("a"), HOUR)
    world.programs["a"].mute = frozenset({"y"})
    world.run(100)
    assert world.state("a") is Health.VERIFYING
    assert "waits for new output in y" in world.reason("a")
    world.programs["a"].mute = frozenset()
    world.run(20)
    assert world.story("a") == ["restart", "healed"]


def test_any_output_is_enough_where_none_was_stale():
    world = World([worker("a", ["in"], ["x", "y"])], [file("in"), file("x"), file("y")])
    world.run(60)
    world.programs["a"].mute = frozenset({"y"})
    world.host.die("a")
    world.run(20)
    assert world.story("a") == ["restart", "healed"]


def test_an_old_output_written_again_with_an_older_time_is_no_proof():
    world = verifying()
    world.disk.write("a.out", mtime=world.time.wall - HOUR)
    world.run(60)
    assert world.state("a") is Health.VERIFYING


def test_output_of_the_dying_process_is_no_proof():
    """It gets its stop, writes once more, and its successor writes nothing."""
    world = World(chain("a", source="in"), [file("in")], stop_delay=30.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    world.curse("a")
    world.disk.write("a.out", "a", generation=1)
    world.run(60)
    assert world.state("a") is Health.VERIFYING
    assert "healed" not in world.story("a")


def test_a_process_that_dies_again_fails_the_attempt():
    world = verifying()
    world.run(30)
    world.host.die("a")
    world.run(1)
    assert world.story("a")[:2] == ["restart", "failed"]
    assert "EXITED after the start" in world.last("failed")


def test_a_crash_loop_that_ends_in_fatal_fails_the_attempt():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.doom("a", 5)
    world.run(12)
    assert world.deeds("a")[:2] == ["restart", "failed"]
    assert "FATAL after the start" in world.last("failed")


def test_proof_seen_before_a_clock_step_stays_seen():
    world = World([worker("a", ["in"], ["x", "y"])], [file("in"), file("x"), file("y")])
    world.run(60)
    world.hang("a")
    world.until(lambda: "restart" in world.story("a"), HOUR)
    world.programs["a"].mute = frozenset({"y"})
    world.run(30)
    world.programs["a"].mute = frozenset({"x", "y"})
    world.time.step(7200.0)
    world.run(30)
    assert "waits for new output in y" in world.reason("a")
    world.programs["a"].mute = frozenset({"x"})
    world.run(20)
    assert world.story("a") == ["restart", "healed"]


# --- workers without outputs -------------------------------------------------------------------------------------


def test_without_outputs_it_is_healed_when_it_has_run_for_its_grace():
    world = World([worker("sink", ["in"])], [file("in")])
    world.run(100)
    world.host.die("sink")
    world.run(30)
    assert world.state("sink") is Health.VERIFYING
    assert "must stay up" in world.reason("sink")
    world.run(35)
    assert world.story("sink") == ["restart", "healed"]


def test_without_outputs_it_fails_when_it_never_stays_up():
    world = World(
        [worker("sink", ["in"], autorestart=True)] if False else [worker("sink", ["in"])],
        [file("in")],
        autorestart=True,
    )
    world.run(100)
    world.programs["sink"].crash_after = 20.0
    world.host.die("sink")
    world.run(3 * HOUR)
    assert "failed" in world.story("sink")
    assert "never up for 1m" in world.last("failed")
    assert world.programs["sink"].state is not ProcessState.STOPPED


def test_forced_on_stale_inputs_it_waits_for_verify_within_before_it_tells_so():
    world = World(chain("a", source="in", verify_within=100.0), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(HOUR)
    request = world.heal("a", force=True)
    world.run(60)
    assert request not in world.answers
    world.run(60)
    assert world.answers[request].exit_status == 75
    assert "restarted; waits for in" in world.answers[request].reason
    assert world.story("a") == ["restart"]
    world.outside["in"] = True
    world.run(MINUTE)
    assert world.story("a") == ["restart", "healed"]


def test_forced_on_stale_inputs_it_is_healed_by_output():
    world = World([worker("a", ["in", "table"], ["a.out"], trigger=("in",))], [file("in"), file("table")])
    world.run(60)
    world.outside["table"] = False
    world.hang("a")
    world.run(HOUR)
    assert world.state("a") is Health.BLOCKED
    request = world.heal("a", force=True)
    world.run(MINUTE)
    assert world.answers[request].exit_status == 0
    assert world.deeds("a") == ["restart", "healed"]
