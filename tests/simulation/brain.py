"""A small world, and a brain in the engine's place that decides what a test tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import FileSpec, InputSpec, Now, WorkerSpec
from supervisor_healer.core.news import ProcessTable
from supervisor_healer.core.orders import Decision, Note, Start, Stop
from supervisor_healer.simulation.timeline import MINUTE
from supervisor_healer.simulation.world import BrokenPromiseError, Plan, World

MAX_AGE = 5 * MINUTE
LIMIT = 1.5 * MAX_AGE


class Brain:
    """Decides one list of decisions a turn, and nothing when there are no more; awake all the time if it is `busy`."""

    def __init__(self, turns: Sequence[Sequence[Decision]], *, busy: bool = False) -> None:
        self.turns, self.busy = list(turns), busy
        self.tracks: dict[str, object] = {}
        self.verdicts: dict[str, object] = {}
        self.under_way = False

    def decide(self, _: Now) -> Sequence[Decision]:
        return self.turns.pop(0) if self.turns else ()

    def next_wake(self) -> float:
        return 0.0 if self.busy else float("inf")

    def _nothing(self, *_: object, **__: object) -> tuple[()]:
        return ()

    hear = wanted = file_memories = take_concluded = adopt = _nothing

    def take_report(self) -> None:
        return None


def chained(**options: Any) -> World:
    """in -> a -> b, both writing every ten seconds, for a minute and with no healer; `options` are the plan's.

    A worker called c stands beside them, without inputs or outputs.
    """
    workers = [
        WorkerSpec("a", "a", inputs=(InputSpec("in"),), outputs=("a.out",)),
        WorkerSpec("b", "b", inputs=(InputSpec("a.out"),), outputs=("b.out",)),
        WorkerSpec("c", "c"),
    ]
    files = [FileSpec(path, MAX_AGE, MAX_AGE / 2) for path in ("in", "a.out", "b.out")]
    world = World(Plan(workers, files, {"in": 10.0}, **options))
    world.run(MINUTE)
    return world


def with_brain(world: World, brain: Brain) -> World:
    """That is the healer's from now on."""
    world.healer.engine = cast(Engine, brain)
    return world


def decide(world: World, *turns: Sequence[Decision], busy: bool = False) -> str:
    """Have a healer decide this now, turn by turn; the invariant that it breaks, '' none."""
    with_brain(world, Brain(turns, busy=busy))
    try:
        for _ in turns:
            world.healer.hear(ProcessTable((), complete=False))  # news of nobody: it wakes
            world.run(0.0)
    except BrokenPromiseError as broken:
        return broken.violation.invariant
    return ""


def restart(name: str) -> Note:
    """The word for a restart, with its reason."""
    return Note(name, "restart", "restart (attempt 1)", ("b.out 8m old",))


def stop(world: World, name: str) -> tuple[Decision, ...]:
    """A restart's beginning, told and ordered."""
    program = world.programs[name]
    return restart(name), Stop(name, program.address, program.pid)


def start(world: World, name: str) -> tuple[Decision, ...]:
    """A start, told and ordered."""
    return restart(name), Start(name, world.programs[name].address)
