"""Play one case to its end: faults as they come, then everything has to settle, and the promises all along."""

from __future__ import annotations

import random
from dataclasses import dataclass

from supervisor_healer.core.model import Health, Kind
from supervisor_healer.simulation.case import Case, Fault, Hang, Outcome
from supervisor_healer.simulation.faults import end_all, strike
from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.timeline import DAY, HOUR, MINUTE
from supervisor_healer.simulation.world import HEAD_START, BrokenPromiseError, World

FINE = frozenset((Health.HEALTHY, Health.IDLE))

#: Faults that are an incident of the pipeline's; the others befall the healer, or are people's.
INCIDENTS = frozenset(
    {
        *("hang", "die", "doom", "crash_loop", "curse", "delay"),
        *("mute", "garble", "remove", "fill", "date_ahead"),
        *("outage", "flicker"),
    }
)
SAMPLES = 20  # looks at a worker that hangs, in each max_age of its output
LONGEST_SAMPLE = 5.0  # seconds between two of them at most
MISSED = 5 * MINUTE  # added to three times max_age: usable stale time after which a hang counts as missed


def make_world(case: Case) -> World:
    """The case's world at its beginning, the healer about to start."""
    world = World(case.plan, random.Random(case.seed).random)
    world.run(HEAD_START)
    return world


def settles_within(case: Case) -> float:
    """Seconds after the last fault within which everything is healthy: quarantines probe, at most daily, and wait at
    most twice as long as they have waited in all before; budgets refill; ages, holds and catch-ups pass."""
    slowest = max((spec.max_age or 0.0 for spec in case.plan.files), default=0.0)
    longest = max((spec.retry_after for spec in case.plan.workers), default=0.0)
    return 2 * max(min(DAY, 2 * case.seconds), longest) + HOUR + 10 * slowest


def play(case: Case) -> Outcome:
    """What comes of the case. A violation ends it there."""
    return play_in(make_world(case), case)


def play_in(world: World, case: Case) -> Outcome:
    """The same in a world at its beginning, for who wants to look at it afterwards."""
    nurse = Nurse(world)
    violations: tuple[Violation, ...] = ()
    struck: list[Fault] = []
    lived = 0.0
    try:
        world.begin_healer()
        for fault in sorted(case.faults, key=lambda fault: fault.at):
            world.run(fault.at - lived)
            lived = fault.at
            struck.append(fault)
            strike(world, fault)
            if fault.what == "hang" and not fault.lasts:
                nurse.attend(fault.target, fault.at)
        world.run(max(0.0, case.seconds - lived))
        end_all(world)
        _settle(world, settles_within(case))
    except BrokenPromiseError as broken:
        violations = (broken.violation,)
    return Outcome(
        case.seed,
        case.kind,
        world.elapsed,
        sum(fault.what in INCIDENTS for fault in struck),
        world.promises.restarted,
        len(world.promises.needless),
        tuple(nurse.hangs()),
        violations,
    )


def _settle(world: World, within: float) -> None:
    """Every worker is to become healthy. Not all at one moment: at some paces there is always one that catches up."""
    turns, healer = -1, world.healer
    waiting = set(world.pipeline.workers)

    def well() -> bool:
        nonlocal turns
        if healer.turns != turns:
            turns = healer.turns
            waiting.difference_update([name for name in waiting if _is_fine(world, name)])
        return not waiting

    ended = world.run_until(world.time.mono + within, well)
    for _, note in healer.chronicle.history:
        if note.event == "bug":
            world.promises.violate("unharmed", f"{note.worker}: {note.text}")
    down = [name for name, program in world.programs.items() if not program.up and not _is_done(world, name)]
    if down:
        world.promises.violate("left_stopped", f"{', '.join(down)} left without a process")
    if not ended:
        sick = [f"{name} {world.state(name)}" for name in sorted(waiting)]
        world.promises.violate("recovers", f"not within {within:.0f}s after the last fault: {', '.join(sick)}")


def _is_fine(world: World, name: str) -> bool:
    """By the healer's word, and in truth.

    Quarantine ends only with health that nothing interrupts. Whoever reads what another worker writes may have to wait
    for it again and again, so of him only the truth is asked.
    """
    state = world.state(name)
    said = state in FINE or (state is Health.QUARANTINED and world.pipeline.upstream[name])
    return bool(said) and world.truth.is_well(name) and not _hangs(world, name)


def _hangs(world: World, name: str) -> bool:
    """Whether it hangs, and that would show: in its outputs, for nobody can tell from a process."""
    program = world.programs[name]
    return bool(program.spec.outputs) and program.idles(world.time.mono)


def _is_done(world: World, name: str) -> bool:
    program = world.programs[name]
    return program.spec.kind is Kind.JOB and program.exited_well


@dataclass
class Watched:
    """A worker that hangs, as the nurse has noted it so far; as in `Hang`."""

    usable: float = 0.0
    overdue: float = 0.0
    restarted: bool = False


class Nurse:
    """Sits with every worker that hangs, until it is restarted or writes again, and notes how long that could have been
    seen (`Hang`)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hangs: dict[tuple[str, float], Watched] = {}  # worker and moment

    def attend(self, name: str, at: float) -> None:
        """The worker hangs from now on."""
        world = self._world
        program = world.programs[name]
        if not program.spec.outputs or not program.up:
            return
        generation = program.generation
        step = min(LONGEST_SAMPLE, self._max_age(name) / SAMPLES)
        watched = self._hangs[name, at] = Watched()

        def sample() -> None:
            if program.generation != generation or not program.up:
                watched.restarted = True
            elif program.hung:
                truth = world.truth
                stale = [path for path in truth.stale_outputs(name) if truth.pending_for(name, path) > 0.0]
                if stale and truth.has_fresh_inputs(program.spec):
                    watched.usable += step
                    watched.overdue += step if truth.looks_stalled(name) else 0.0
                world.time.after(step, sample)

        world.time.after(step, sample)

    def hangs(self) -> list[Hang]:
        """All of them."""
        return [
            Hang(name, at, self._max_age(name), watched.usable, watched.overdue, watched.restarted)
            for (name, at), watched in self._hangs.items()
        ]

    def _max_age(self, name: str) -> float:
        spec = self._world.programs[name].spec
        ages = [self._world.pipeline.files[path].max_age or 0.0 for path in spec.outputs]
        return min((age for age in ages if age), default=MINUTE)
