"""Confirmed fresh: what an input must have been, and for how long, before a stale output convicts its producer."""

from __future__ import annotations

import pytest
from world import DAY, HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, file, worker

from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import FileSpec, Health, InputSpec, WorkerSpec


@pytest.mark.parametrize(
    ("declared", "of_output", "of_input", "expected"),
    [
        (None, 300.0, 300.0, 300.0),  # never more than the output's own max_age
        (None, 3600.0, 300.0, 900.0),  # three times the input's
        (None, 3600.0, 10.0, 60.0),  # a minute at least
        (None, 30.0, 10.0, 30.0),
        (None, 3600.0, None, 60.0),  # a config
        (7.0, 3600.0, 300.0, 7.0),
    ],
)
def test_the_default_of_catch_up(declared: float | None, of_output: float, of_input: float | None, expected: float):
    item = InputSpec("in")
    spec = WorkerSpec("a", "a", inputs=(item,), outputs=("out",), catch_up=declared)
    limits = Limits({"in": FileSpec("in", of_input), "out": FileSpec("out", of_output)})
    assert limits.catch_up(spec, "out", item) == expected


def outage(catch_up: float = 100.0, gap: float = HOUR) -> World:
    """A hung worker whose input comes back after an outage."""
    world = World(chain("a", source="in", catch_up=catch_up), [file("in"), file("a.out", 60.0)])
    world.run(60)
    world.hang("a")
    world.outside["in"] = False
    world.run(gap)
    world.outside["in"] = True
    world.until(lambda: world.disk.file("in").written > world.time.mono - 1, MINUTE)
    return world


@pytest.mark.parametrize(("second", "restarted"), [(99.9, False), (100.1, True)])
def test_an_input_must_have_been_in_order_for_catch_up(second: float, restarted: bool):
    world = outage()
    world.run(second)
    assert ("restart" in world.story("a")) is restarted


def test_lateness_does_not_break_the_hold():
    world = outage(catch_up=900.0)
    world.run(60)
    world.outside["in"] = False
    world.run(MAX_AGE + 20)  # late, not stale
    world.outside["in"] = True
    world.run(900 - 60 - MAX_AGE - 20 + 1)
    assert "restart" in world.story("a")


@pytest.mark.parametrize("broken", ["stale", "missing", "unreadable"])
def test_staleness_absence_and_doubt_break_the_hold(broken: str):
    world = outage(catch_up=900.0)
    world.run(60)
    if broken == "unreadable":
        world.disk.file("in").problem = "permission denied"
        world.run(10)
        world.disk.file("in").problem = ""
    else:
        world.outside["in"] = False
        if broken == "missing":
            world.disk.remove("in")
        world.run(LIMIT + 20)
        world.outside["in"] = True
    world.run(880)
    assert "restart" not in world.story("a")
    world.run(60)
    assert "restart" in world.story("a")


def test_an_input_that_is_late_now_shuts_the_gate():
    world = World(chain("a", source="in"), [file("in", 60.0, 60.0), file("a.out", 300.0)])
    world.run(60)
    world.hang("a")
    world.run(LIMIT - 70)
    world.outside["in"] = False
    world.run(100)
    assert world.state("a") is Health.BLOCKED
    assert world.restarts() == {}


def test_a_producer_being_restarted_shuts_the_gate_and_its_next_output_opens_it_anew():
    """The reader was about to be convicted; its producer's restart begins its hold again."""
    workers = [worker("a", [], ["a.1", "a.2"]), worker("b", ["a.1"], ["b.out"])]
    files = [file("a.1", 300), file("a.2", 60, 30), file("b.out", 300)]
    world = World(workers, files)
    world.run(60)
    world.hang("b")
    world.run(LIMIT - 100)
    world.programs["a"].mute = frozenset({"a.2"})
    world.until(lambda: "restart" in world.story("a"), 200)
    world.cure("a")
    world.programs["a"].mute = frozenset()
    before = world.time.mono
    world.until(lambda: "restart" in world.story("b"), HOUR)
    assert world.time.mono - before > 295  # catch_up of b: 300 s, from the first move after the restart
    world.run(HOUR)
    assert world.restarts() == {"a": 1, "b": 1}


def idle_pipeline() -> World:
    """A nightly input, a worker that turns it into a table, and one that joins the table with a stream."""
    workers = [
        worker("table", ["nightly"], ["table.out"]),
        worker("join", ["stream", "table.out"], ["join.out"], trigger=("stream",)),
    ]
    files = [file("nightly", 2 * DAY), file("table.out", MAX_AGE), file("stream"), file("join.out")]
    return World(workers, files, outside={"nightly": DAY, "stream": 10.0})


def test_an_input_whose_producer_is_idle_counts_as_fresh():
    world = idle_pipeline()
    world.run(3 * HOUR)
    assert world.states() == {"table": "idle", "join": "healthy"}
    world.hang("join")
    world.run(20 * MINUTE)
    assert world.restarts() == {"join": 1}
    assert world.states() == {"table": "idle", "join": "healthy"}


def test_an_idle_producer_is_looked_at_for_the_very_decision():
    """Its input has just moved: it is not idle any more, and the old table shuts the gate."""
    world = idle_pipeline()
    world.run(3 * HOUR)
    world.hang("table")
    world.hang("join")
    world.run(MAX_AGE)
    world.disk.write("nightly", "outside")
    world.run(4 * MINUTE)
    assert world.state("join") is Health.BLOCKED
    assert world.orders == []
    world.run(2 * HOUR)
    assert world.restarts() == {"table": 1, "join": 1}
    assert world.states() == {"table": "idle", "join": "healthy"}


def test_a_chain_of_idle_producers_counts_as_fresh():
    workers = [
        *chain("x", "y", source="nightly"),
        worker("join", ["stream", "y.out"], ["join.out"], trigger=("stream",)),
    ]
    files = [file("nightly", 2 * DAY), file("stream")]
    world = World(workers, files, outside={"nightly": DAY, "stream": 10.0})
    world.run(3 * HOUR)
    world.hang("join")
    world.run(20 * MINUTE)
    assert world.restarts() == {"join": 1}


def test_an_operators_heal_skips_catch_up_but_not_freshness():
    world = outage(catch_up=3000.0)
    request = world.heal("a")
    world.run(20)
    assert world.answers[request].exit_status == 0
    assert world.restarts() == {"a": 1}


# --- pending work ------------------------------------------------------------------------------------------------


def test_work_must_have_been_pending_for_max_age():
    """A batch worker whose input moves once in hours has max_age from that move on, not from its last output."""
    world = World(chain("a", source="in"), [file("in", 3 * HOUR)], outside={"in": HOUR}, work=200.0)
    world.run(10 * HOUR)
    assert world.orders == []
    world.hang("a")
    last = world.disk.file("a.out").written
    world.until(lambda: "restart" in world.story("a"), 3 * HOUR)
    assert world.disk.file("in").written > last
    assert world.time.mono - world.disk.file("in").written == pytest.approx(MAX_AGE, abs=5.1)


def test_a_reference_table_never_makes_work_pending():
    workers = [worker("a", ["in", "table"], ["a.out"], trigger=("in",))]
    world = World(workers, [file("in", 5 * HOUR), file("table")], outside={"in": 4 * HOUR, "table": 10.0})
    world.run(3 * HOUR)
    assert world.state("a") is Health.IDLE
    assert world.orders == []


def test_no_trigger_at_all_means_the_worker_keeps_its_own_time():
    workers = [worker("a", ["table"], ["a.out"], trigger=())]
    world = World(workers, [file("table")])
    world.run(60)
    world.hang("a")
    world.run(LIMIT + 20)
    assert "restart" in world.story("a")


def test_pending_work_outlives_the_healer():
    world = World(chain("a", source="in"), [file("in", 5 * HOUR)], outside={"in": 3 * HOUR})
    world.run(3 * HOUR - 3)
    world.hang("a")
    world.run(200)
    world.restart_healer(after=2)
    took = world.until(lambda: "restart" in world.story("a"), HOUR)
    assert took == pytest.approx(MAX_AGE - 200, abs=10)


def test_an_output_never_seen_is_owed_when_its_input_moves_after_the_start():
    world = World(chain("a", source="in"), [file("in", 5 * HOUR)], outside={"in": 3 * HOUR}, started=False)
    world.curse("a")
    world.run(5)
    world.begin_healer()
    world.run(2 * HOUR)
    assert world.state("a") is Health.IDLE
    world.run(2 * HOUR)
    assert "restart" in world.story("a")


def test_the_pending_work_of_an_output_that_is_gone_from_the_architecture_is_forgotten():
    world = World(chain("a", source="in"), [file("in")])
    world.run(60)
    world.hang("a")
    world.run(200)
    assert world.engine is not None
    memory = world.engine.patients["a"].memory
    assert set(memory.pending) == {"a.out"}
    world.change([worker("a", ["in"], ["a.new"])])
    world.run(10)
    assert set(memory.pending) <= {"a.new"}


def test_an_input_whose_producer_an_operator_restarted_is_confirmed_by_its_next_move():
    world = World(chain("a", "b"))
    world.run(60)
    world.hang("b")
    world.run(LIMIT - 30)
    world.curse("a")  # the new process does not write
    world.operator_stops("a")
    world.host.operator_starts("a")
    restarted = world.time.mono
    world.run(60)
    assert "b" not in world.restarts()
    assert "has not moved since its producer's restart" in world.reason("b")
    world.cure("a")
    world.until(lambda: world.restarts().get("b") == 1, HOUR)
    assert world.time.mono - restarted > 60
