"""The engine's own promises to whoever drives it: turns, wakes, odd input, and a worker that cannot be judged."""

from __future__ import annotations

import json

import pytest
from world import BOOT, EPOCH, HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.freshness import NEVER
from supervisor_healer.core.looks import Looks
from supervisor_healer.core.memory import Memory
from supervisor_healer.core.model import FileSpec, Health, InputSpec, Now, Seen, WorkerSpec
from supervisor_healer.core.orders import Stop
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.core.timetable import SPARE, Timetable


def new_engine(*workers: WorkerSpec) -> Engine:
    return Engine(Pipeline(expand(workers or chain("a"), {}, {})), draw=lambda: 0.5)


def test_before_the_first_turn_everything_is_due():
    engine = new_engine()
    assert engine.next_wake() == NEVER
    assert engine.wanted(Now(EPOCH, BOOT)) == ("a.out",)


def test_an_empty_architecture_sleeps():
    engine = Engine(Pipeline(expand([], {}, {})), draw=lambda: 0.5, cycle=60.0)
    assert engine.decide(Now(EPOCH, BOOT)) == []
    assert engine.next_wake() == BOOT + 60.0


def test_what_it_works_with_can_be_seen():
    workers = chain("a", "b")
    pipeline = Pipeline(expand(workers, {}, {}))
    engine = Engine(pipeline, draw=lambda: 0.5)
    assert engine.pipeline is pipeline
    assert set(engine.patients) == {"a", "b"}
    assert set(engine.tracks) == {"a.out", "b.out"}
    assert engine.verdicts == {}
    assert engine.host_restarts == []
    assert engine.restarts_overall.max == 5
    assert engine.state("a") is Health.UNKNOWN


def test_looks_that_nobody_wanted_do_no_harm():
    engine = new_engine()
    engine.see({"nobody's": Seen(EPOCH)}, Now(EPOCH, BOOT))
    assert "nobody's" not in engine.tracks


def test_a_turn_is_judged_upstream_first_whatever_became_due_first():
    world = World(chain("a", "b", "c"))
    world.run(60)
    assert world.engine is not None
    world.engine.examine_all()
    world.healer.hear(world.host.table())
    world.run(0.001)
    assert world.states() == {"a": "healthy", "b": "healthy", "c": "healthy"}


def test_under_way_says_whether_a_stop_or_start_is():
    world = World(chain("a"), stop_delay=5.0)
    assert world.engine is not None
    world.hang("a")
    assert not world.engine.under_way
    world.until_state("a", Health.HEALING)
    assert world.engine.under_way
    world.run(MINUTE)
    assert not world.engine.under_way


def test_who_was_concluded_is_told_once():
    world = World(chain("a", "b"))
    world.run(1)
    assert world.engine is not None
    world.change(chain("b"))
    assert world.engine.take_concluded() == {"a"}
    assert world.engine.take_concluded() == set()


def test_memories_of_files_and_workers_that_are_not_here_do_no_harm():
    world = World(chain("a"))
    world.kill_healer()
    world.journal["file", "gone.out"] = json.dumps({"looked": [1.0, 1.0]})
    world.journal["file", "a.out"] = json.dumps({})
    world.journal["worker", "gone"] = json.dumps(Memory().as_json())
    world.begin_healer()
    world.run(MINUTE)
    assert world.states() == {"a": "healthy"}


def test_a_worker_that_cannot_be_judged_does_not_end_the_watch_over_the_others():
    world = World(chain("a") + chain("b"))
    world.run(60)
    assert world.engine is not None
    world.engine.patients["a"].memory.pending = 7  # type: ignore[assignment]
    world.hang("b")
    world.run(HOUR)
    assert world.state("a") is Health.UNKNOWN
    assert "the healer has a bug (TypeError: " in world.reason("a")
    assert [note.event for _, note in world.history].count("bug") == 1
    assert world.deeds("b") == ["restart", "healed"]


def test_a_worker_whose_output_need_not_move_is_judged_by_its_process():
    world = World([worker("a", ["in"], ["a.conf"])], [file("in"), FileSpec("a.conf")])
    world.run(HOUR)
    assert world.state("a") is Health.HEALTHY
    world.host.die("a")
    world.run(MINUTE)
    assert world.deeds("a") == ["restart", "healed"]


def test_a_stale_output_without_work_next_to_a_late_one_with_work():
    """`x` was never written, and nothing has come in since the start; `y` is older than what came in before it."""
    spec = WorkerSpec("a", "a", inputs=(InputSpec("in"),), outputs=("x", "y"), startup_grace=1.0)
    world = World([spec], [file("in", HOUR), file("x", 60.0, 0.0), file("y", 60.0, HOUR)], outside={}, started=False)
    world.curse("a")
    world.disk.write("y", mtime=world.time.wall - 50)
    world.disk.write("in", mtime=world.time.wall - 40)
    world.run(5)
    world.begin_healer()
    world.run(3 * MINUTE)
    assert world.state("a") is Health.CATCHING_UP
    assert "no work is pending for x" in world.reason("a")


def test_catching_up_says_that_the_producer_is_being_restarted_and_then_that_it_owes_a_move():
    workers = [worker("a", [], ["a.1", "a.2"]), worker("b", ["a.1"], ["b.out"], catch_up=1.0)]
    world = World(workers, [file("a.1", HOUR), file("a.2", 60.0, 30.0), file("b.out")], stop_delay=10.0)
    world.run(60)
    world.hang("b")
    world.run(LIMIT - 95)
    world.programs["a"].mute = frozenset({"a.1", "a.2"})
    world.programs["b"].spec = workers[1]
    world.until_state("a", Health.HEALING)
    world.until_state("b", Health.CATCHING_UP, MINUTE)
    assert "a is being restarted" in world.reason("b") or "convicts after" in world.reason("b")
    world.programs["a"].mute = frozenset({"a.1"})
    world.run(MAX_AGE)
    assert "has not moved since its producer's restart" in world.reason("b")
    world.programs["a"].mute = frozenset()
    world.run(MINUTE)
    assert world.deeds("b") == ["restart", "healed"]


def test_an_attempt_whose_request_nobody_repeats_is_carried_through():
    world = World(chain("a"), stop_delay=5.0)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.HEALING)
    request = world.heal("a")
    world.run(1)
    world.healer.forget_requests()
    world.restart_healer()
    world.run(MINUTE)
    assert request not in world.answers
    assert world.deeds("a")[-1] == "healed"
    world.heal("a", id=request)
    world.run(1)
    assert world.answers[request].reason.startswith("new output in a.out")


def test_no_stop_is_given_again_in_a_turn_in_which_the_clock_is_in_doubt():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.hang("a")
    world.healer.line.lose_orders = 1
    world.until_state("a", Health.HEALING)
    world.heal("a")
    world.run(4.9)
    world.time.step(HOUR)
    world.run(0.2)
    assert [type(order) for _, order in world.orders] == [Stop]
    world.run(10 * MINUTE)
    assert world.state("a") in (Health.HEALTHY, Health.LATE)


@pytest.mark.parametrize("halted", [False, True])
def test_no_busy_loop_while_an_operator_waits(halted: bool):
    world = World(chain("a"))
    world.run(60)
    world.curse("a")
    world.until_state("a", Health.VERIFYING)
    assert world.engine is not None
    if halted:
        world.engine.halt("supervisord is shutting down")
    world.heal("a")
    turns = world.healer.turns
    world.run(MINUTE)
    assert world.healer.turns - turns < 140


# --- the timetable -------------------------------------------------------------------------------------------


def test_a_later_word_replaces_an_earlier_one():
    table = Timetable()
    table.set("a", 5.0)
    table.set("b", 6.0)
    table.set("a", 7.0)
    table.set("a", 7.0)
    assert table.first == 6.0
    assert table.take_due(5.9) == []
    assert table.take_due(7.0) == ["b", "a"]
    assert table.first == float("inf")


def test_outdated_entries_do_not_pile_up():
    table = Timetable()
    for number in range(10_000):
        table.set("a", float(10_000 - number))
        assert len(table._heap) <= 2 + SPARE
    assert table.first == 1.0


def test_turns_cost_what_they_concern_and_not_what_there_is(monkeypatch: pytest.MonkeyPatch):
    """One event among many workers: only it and its readers are examined."""
    workers = [spec for n in range(50) for spec in chain(f"a{n}", f"b{n}")]
    world = World(workers)
    world.run(61)
    examined: list[str] = []
    schedule = Looks.schedule

    def note(self: Looks, name: str, next_attempt: float | None, now: Now) -> None:
        examined.append(name)
        schedule(self, name, next_attempt, now)

    monkeypatch.setattr(Looks, "schedule", note)
    world.host.die("a7")
    world.run(0.01)
    assert set(examined) <= {"a7", "b7"}
