"""Who is affected by a worker's trouble, the chains to several roots, and what is told of consumers."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from world import HOUR, LIMIT, World, chain, file, worker

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import (
    ConfigSpec,
    ConsumerSpec,
    FileSpec,
    Health,
    InputSpec,
    Mode,
    Now,
    Process,
    ProcessState,
    Seen,
    WorkerSpec,
)
from supervisor_healer.core.news import ProcessTable
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.core.reach import Reach
from supervisor_healer.core.verdicts import ConsumerVerdict
from supervisor_healer.words import render


def outlook(world: World, name: str, *kinds: str) -> list[str]:
    assert world.engine is not None
    lines = world.engine.verdicts[name].outlook
    return [render(line, world.time.mono) for line in lines if line.startswith(kinds)]


# --- who is affected -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [Health.STALLED, Health.HEALING, Health.VERIFYING, Health.QUARANTINED])
def test_a_worker_in_trouble_tells_whom_it_affects(state: Health):
    world = World(chain("a", "b", "c"), mode=Mode.OBSERVE if state is Health.STALLED else Mode.HEAL)
    world.run(60)
    assert outlook(world, "a", "affects") == []
    world.curse("a")
    world.until_state("a", state)
    assert outlook(world, "a", "affects") == ["affects: b, c"]


def test_one_that_is_down_or_blocked_too():
    world = World(chain("a", "b", "c", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(HOUR)
    world.host.die("b")
    world.run(60)
    assert world.states() == {"a": "blocked", "b": "down", "c": "blocked"}
    assert outlook(world, "a", "affects") == ["affects: b, c"]
    assert outlook(world, "b", "affects") == ["affects: c"]
    assert outlook(world, "c", "affects") == ["affects: nobody downstream"]


def test_of_many_the_first_ten_are_named():
    readers = [worker(f"r{number}", ["a.out"], [f"r{number}.out"]) for number in range(12)]
    world = World([*readers, *chain("a")], mode=Mode.OBSERVE)
    world.run(60)
    world.hang("a")
    world.until_state("a", Health.STALLED)
    [line] = outlook(world, "a", "affects")
    assert line == f"affects: {', '.join(f'r{number}' for number in range(10))} and 2 more"


@pytest.mark.parametrize(
    ("name", "beyond"), [("a", ["b", "c", "d", "gate"]), ("b", ["d", "gate"]), ("c", ["d", "gate"]), ("d", ["gate"])]
)
def test_a_diamond_counts_everybody_once_and_consumers_last(name: str, beyond: list[str]):
    workers = [
        worker("d", ["b.out", "c.out"], ["d.out"]),
        worker("b", ["a.out"], ["b.out"]),
        worker("c", ["a.out"], ["c.out"]),
        *chain("a"),
    ]
    gate, other = ConsumerSpec("gate", (InputSpec("d.*"),)), ConsumerSpec("other", (InputSpec("x"),))
    pipeline = Pipeline(expand(workers, {}, {}), consumers=[other, gate])
    assert pipeline.reach.of(name, 9) == (beyond, len(beyond))
    assert pipeline.reach.of(name, 1) == (beyond[:1], len(beyond))


def test_a_cycle_that_numprocs_has_closed_affects_itself_only_once():
    reach = Reach("abcd", {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}, {"gate": ["c"]})
    assert reach.of("a", 9) == (["b", "c", "gate"], 3)
    assert reach.of("d", 9) == (["a", "b", "c", "gate"], 4)


def test_two_thousand_in_a_row_are_counted_at_once():
    names = [f"w{number}" for number in range(2000)]
    downstream = {name: names[at + 1 : at + 2] for at, name in enumerate(names)}
    before = time.process_time()
    reach = Reach(names, downstream, {"gate": names[-1:]})
    assert [reach.of(name, 10)[1] for name in names] == list(range(2000, 0, -1))
    assert time.process_time() - before < 1.0


# --- chains --------------------------------------------------------------------------------------------------


def fan_in(count: int) -> World:
    """c reads b, which reads a, and `count` files from outside; everything outside stops, and so does a."""
    paths = [f"x{number}.in" for number in range(count)]
    world = World([*chain("a", "b"), worker("c", ["b.out", *paths], ["c.out"])], [file(path) for path in paths])
    world.run(60)
    world.operator_stops("a")
    for path in paths:
        world.outside[path] = False
    world.run(HOUR)
    return world


def test_a_chain_for_each_root():
    told = outlook(fan_in(1), "c", "chain", "and")
    assert [line.split(" <- ")[0] for line in told] == ["chain: c", "chain: c"]
    assert told[0].startswith("chain: c <- x0.in (stale, ")
    assert " <- b (blocked) <- a.out (stale, " in told[1]
    assert told[1].endswith(" <- a (stopped)")


@pytest.mark.parametrize(("count", "more"), [(2, []), (3, ["and 1 more root"]), (5, ["and 3 more roots"])])
def test_of_many_roots_the_nearest_three(count: int, more: list[str]):
    told = outlook(fan_in(count), "c", "chain", "and")
    assert [line.split()[3] for line in told[:3]] == [*(f"x{number}.in" for number in range(min(count, 3)))] + [
        "b.out"
    ] * (count < 3)
    assert told[3:] == more


def test_the_shortest_way_to_a_root_is_told():
    """d reads what a writes both through b and c, and by itself."""
    workers = [*chain("a", "b", "c"), worker("d", ["c.out", "a.out"], ["d.out"])]
    world = World(workers)
    world.run(60)
    world.operator_stops("a")
    world.run(HOUR)
    [told] = outlook(world, "d", "chain")
    assert told.startswith("chain: d <- a.out (stale, ")
    assert told.endswith(" old) <- a (stopped)")


def test_the_inputs_themselves_where_nobody_is_to_blame():
    world = World(chain("a", "b"), [file("a.out", 60.0, 3000.0), file("b.out", 60.0, 60.0)])
    world.run(60)
    world.hang("a")
    world.run(200)
    [told] = outlook(world, "b", "chain")
    assert told.startswith("chain: b <- a.out (late, ")
    assert told.endswith(" old)")


# --- consumers -----------------------------------------------------------------------------------------------


class Scene:
    """An engine whose files stand still or move as they are told to; nothing that it orders is carried out."""

    def __init__(
        self,
        workers: Iterable[WorkerSpec] = (),
        files: Iterable[FileSpec] = (),
        gate: Iterable[str] = (),
        configs: Iterable[str] = (),
    ) -> None:
        workers = list(workers)
        self.now = Now(1_700_000_000.0, 5_000.0)
        self.files: dict[str, Seen] = {}
        consumer = ConsumerSpec("gate", tuple(InputSpec(path) for path in gate))
        specs = {one.path: one for one in files}
        pipeline = Pipeline(
            expand(workers, specs, {one.name: [one.name] for one in workers}),
            consumers=[consumer],
            configs={path: ConfigSpec(path) for path in configs},
        )
        self.engine = Engine(pipeline, draw=lambda: 0.5, mode=Mode.OBSERVE)
        self.processes = {
            one.name: Process(f"{one.name}:{one.name}", ProcessState.RUNNING, 7, self.now.wall) for one in workers
        }
        self.still: set[str] = set()
        for path in pipeline.files:
            self.files[path] = Seen(self.now.wall)

    def turn(self) -> None:
        engine, now = self.engine, self.now
        engine.hear(ProcessTable(tuple(self.processes.values())), now)
        while paths := engine.wanted(now):
            engine.see({path: self.files[path] for path in paths}, now)
        engine.decide(now)

    def run(self, seconds: float) -> None:
        end = self.now.mono + seconds
        while self.now.mono < end:
            self.now = Now(self.now.wall + 30, self.now.mono + 30)
            for path in self.files.keys() - self.still:
                self.files[path] = Seen(self.now.wall)
            self.turn()

    def gate(self) -> ConsumerVerdict:
        self.engine.look_around(self.now)
        return self.engine.consumers["gate"]

    def told(self) -> list[str]:
        return [render(line, self.now.mono) for line in self.gate().explanation]


def test_a_consumer_that_has_all_it_needs():
    scene = Scene(chain("a"), [file("a.out")], ["a.out"])
    scene.run(120)
    assert (scene.gate().state, scene.told()) == (Health.HEALTHY, ["next: nothing"])


def test_a_consumer_that_was_never_looked_for():
    scene = Scene((), [file("x")], ["x"])
    assert scene.gate().state is Health.UNKNOWN
    assert scene.told()[-1] == "next: it is judged as soon as there is evidence"


def test_a_consumer_whose_input_is_late():
    scene = Scene((), [file("x")], ["x"])
    scene.run(60)
    scene.still = {"x"}
    scene.run(LIMIT - 60)
    assert (scene.gate().state, scene.told()) == (Health.LATE, ["next: new input, or it is blocked"])


def test_a_blocked_consumer_tells_the_chain_to_the_worker_that_is_healed():
    scene = Scene(chain("a", "b"), [file("a.out"), file("b.out")], ["b.out"])
    scene.run(60)
    scene.still = {"a.out", "b.out"}
    scene.processes["a"] = Process("a:a", ProcessState.STOPPED, by_operator=True)
    scene.run(HOUR)
    chained, what_next = scene.told()
    assert chained.startswith("chain: gate <- b.out (stale, ")
    assert " old) <- b (blocked) <- a.out (stale, " in chained
    assert chained.endswith(" old) <- a (stopped)")
    assert what_next == "next: nothing here: it is healed at a"


def test_a_blocked_consumer_of_a_file_from_outside_and_of_a_config():
    scene = Scene((), [file("x"), FileSpec("c.json"), file("y")], ["x", "c.json", "y"], ["c.json"])
    scene.run(60)
    scene.still = {"x", "c.json", "y"}
    scene.files["c.json"] = Seen()
    scene.run(HOUR)
    x, config, y, what_next = scene.told()
    assert x.startswith("chain: gate <- x (stale, ")
    assert config.startswith("chain: gate <- c.json (missing")
    assert y.startswith("chain: gate <- y (stale, ")
    assert what_next == (
        "next: nothing here: what is wrong with c.json has to be put right; whoever writes x, y has to write again"
    )


def test_a_consumer_that_reads_from_the_root_and_from_below_it_is_told_the_shorter_way():
    scene = Scene(chain("a", "b"), [file("a.out"), file("b.out")], ["b.out", "a.out"])
    scene.run(60)
    scene.still = {"a.out", "b.out"}
    scene.processes["a"] = Process("a:a", ProcessState.STOPPED, by_operator=True)
    scene.run(HOUR)
    assert scene.gate().blocked_by == ("a",)
    chained, _ = scene.told()
    assert chained.startswith("chain: gate <- a.out (stale, ")
    assert chained.endswith(" old) <- a (stopped)")
