"""What a person may have happen to a pipeline, by the word that stands in a scenario file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.model import Kind
from supervisor_healer.simulation.case import Fault
from supervisor_healer.simulation.disk import written_as
from supervisor_healer.simulation.faults import FAULTS
from supervisor_healer.simulation.program import Program
from supervisor_healer.simulation.world import World
from supervisor_healer.words import duration

EVERY_START = 1e9  # so many starts fail: all of them, until the event is over
LIFE = 5.0  # seconds that a process lives in a crash loop where the scenario does not say
REBOOT = 60.0  # seconds that the host is away where the scenario does not say
FOR, BY, EVERY = "for", "by", "every"
REQUESTS = frozenset(("heal", "force", "monitor", "unmonitor"))  # an operator's, that a healer has to answer


@dataclass(frozen=True, slots=True)
class Event:
    """`what` (a key of HAPPENINGS) happens `at` so many seconds to a worker, a file, or neither.

    It `lasts` so many seconds, 0.0: for ever, or no time at all. `by` and `every` are its strength, in seconds.
    """

    at: float
    what: str
    worker: str = ""
    file: str = ""
    lasts: float = 0.0
    by: float = 0.0
    every: float = 0.0

    @property
    def target(self) -> str:
        """What it happens to."""
        return self.worker or self.file


Strike = Callable[[World, Event], None]


@dataclass(frozen=True, slots=True)
class Happening:
    """What it does, and in words; `undo` and `over`, when it has lasted long enough.

    `target`: what it happens to, `worker`, `workers` (one, or `all`), `file` (any), `source` (a file from outside) or
    the name of what is struck itself. `ails`: something is wrong with its target until that is well again.
    `needs` and `takes`: further keys that it must have, or may have.
    """

    target: str
    begins: str
    strike: Strike
    over: str = ""
    undo: Strike | None = None
    ails: bool = False
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    def said(self, event: Event) -> str:
        """What happens, for a person."""
        said = self.begins.format(by=duration(event.by or LIFE), every=duration(event.every))
        return said + (f", for {duration(event.lasts)}" if event.lasts else "")


def _fault(what: str, event: Event, how: float) -> Fault:
    return Fault(event.at, what, event.target, how, event.lasts)


def _struck(what: str, how: Callable[[Event], float] = lambda event: event.by) -> Strike:
    return lambda world, event: FAULTS[what].strikes(world, _fault(what, event, how(event)))


def _undone(what: str) -> Strike:
    def undo(world: World, event: Event) -> None:
        ends = FAULTS[what].ends
        assert ends is not None
        ends(world, _fault(what, event, event.by))

    return undo


def _after_a_last_output(strike: Strike) -> Strike:
    """A worker that hangs has just written: so it is known to the second when its output will be late."""

    def last(world: World, event: Event) -> None:
        program = world.programs[event.worker]
        _begin_a_run(world, program)
        if not program.ails(world.time.mono):
            for path in program.spec.outputs:
                if path not in world.disk.ground:
                    world.disk.write(written_as(path), event.worker, program.generation)
        strike(world, event)

    return last


def _begin_a_run(world: World, program: Program) -> None:
    """What befalls a job befalls a run of it, one that begins now if none is under way."""
    if program.spec.kind is Kind.JOB and program.exited_well:
        world.host.operator_starts(program.spec.name)


def _die(world: World, event: Event) -> None:
    _begin_a_run(world, world.programs[event.worker])
    world.host.die(event.worker)


def _recover(world: World, event: Event) -> None:
    world.programs[event.worker].cure()


def _start_well(world: World, event: Event) -> None:
    world.programs[event.worker].doomed = 0


def _remove(world: World, event: Event) -> None:
    for file in [*world.disk.matching(event.file)]:
        world.disk.remove(file.path)


def _come_back(world: World, event: Event) -> None:
    world.outside[event.file] = True
    world.disk.write(written_as(event.file), "outside")


def _unmonitor(world: World, event: Event) -> None:
    world.unmonitor(event.worker, event.lasts)


def _monitor(world: World, event: Event) -> None:
    world.monitor(event.worker)


HAPPENINGS: Mapping[str, Happening] = {
    # --- workers
    "hang": Happening(
        "worker", "hangs: it runs and writes nothing", _after_a_last_output(_struck("hang")),
        "goes on by itself", ails=True, takes=(FOR,),
    ),
    "hang_again": Happening(
        "worker", "hangs, and again after each restart", _after_a_last_output(_struck("curse")),
        "a restart would help from here on", _undone("curse"), ails=True, takes=(FOR,),
    ),
    "recover": Happening("worker", "is well again by itself", _recover),
    "die": Happening("worker", "dies", _die, ails=True),
    "fail_to_start": Happening(
        "worker", "dies, and cannot be started", _struck("doom", lambda _: EVERY_START),
        "can be started again", _start_well, ails=True, takes=(FOR,),
    ),
    "crash_loop": Happening(
        "worker", "dies, and again {by} after each start", _struck("crash_loop", lambda event: event.by or LIFE),
        "would stay up from here on", _undone("crash_loop"), ails=True, takes=(BY, FOR),
    ),
    "slow": Happening(
        "worker", "takes {by} longer for its work", _struck("delay"),
        "is as fast as before", _undone("delay"), ails=True, needs=(BY,), takes=(FOR,),
    ),
    "unreadable": Happening(
        "worker", "its outputs cannot be read", _struck("garble"),
        "its outputs can be read again", _undone("garble"), ails=True, takes=(FOR,),
    ),
    "disk_full": Happening(
        "worker", "the disk under its outputs is full", _struck("fill"),
        "there is room on the disk again", _undone("fill"), ails=True, takes=(FOR,),
    ),
    # --- files
    "remove": Happening("file", "is removed", _remove),
    "source_stops": Happening(
        "source", "its source stops", _struck("outage"), "its source comes back", _come_back, ails=True, takes=(FOR,)
    ),
    "source_comes_back": Happening("source", "its source comes back", _come_back),
    "source_flickers": Happening(
        "source", "its source stops and comes back every {every}", _struck("flicker", lambda event: event.every),
        "its source is steady again", _come_back, ails=True, needs=(EVERY, FOR),
    ),
    # --- operators
    "stop": Happening("worker", "an operator stops it", _struck("stop"), "an operator starts it", _undone("stop"),
                      takes=(FOR,)),
    "start": Happening("worker", "an operator starts it", _struck("start")),
    "unmonitor": Happening("workers", "an operator unmonitors it", _unmonitor, takes=(FOR,)),
    "monitor": Happening("workers", "an operator has it monitored again", _monitor),
    "heal": Happening("workers", "an operator heals it", _struck("heal")),
    "force": Happening("worker", "an operator heals it with --force", _struck("force")),
    # --- the healer, supervisord, the host
    "kill_healer": Happening(
        "healer", "the healer is killed", _struck("kill"), "another healer starts", _undone("kill"), takes=(FOR,)
    ),
    "lose_journal": Happening("healer", "the healer is killed, and its journal is lost", _struck("lose_journal")),
    "journal_unwritable": Happening(
        "healer", "the journal cannot be written", _struck("fail_journal"),
        "the journal can be written again", _undone("fail_journal"), takes=(FOR,),
    ),
    "reload": Happening("supervisord", "is reloaded: every process stops and starts", _struck("reload")),
    "reboot": Happening("host", "is rebooted", _struck("reboot", lambda event: event.lasts or REBOOT), takes=(FOR,)),
    "clock_forward": Happening("host", "its clock is set {by} ahead", _struck("step"), needs=(BY,)),
    "clock_back": Happening("host", "its clock is set {by} back", _struck("step", lambda event: -event.by),
                            needs=(BY,)),
    "suspend": Happening("host", "sleeps", _struck("suspend", lambda event: event.lasts), needs=(FOR,)),
    "pause": Happening("host", "stands still, its clocks go on", _struck("stall", lambda event: event.lasts),
                       needs=(FOR,)),
}  # fmt: skip
