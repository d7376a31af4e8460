"""What can go wrong, each under one name: how it strikes a world, and how it ends by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.model import Mode, ProcessState
from supervisor_healer.core.orders import Decision, Note, Remember, Start, Stop
from supervisor_healer.simulation.case import Fault
from supervisor_healer.simulation.disk import written_as
from supervisor_healer.simulation.healer import Line
from supervisor_healer.simulation.mender import INVALID, VALID
from supervisor_healer.simulation.world import World
from supervisor_healer.words import duration

RESPAWN = 1.0  # seconds until supervisord has started another listener
RELOAD = 2.0  # seconds that a reload of supervisord takes
DISK_FULL = "No space left on device"

Strike = Callable[[World, Fault], None]

#: For `killed_at`, by the whole part of `how`: the decision at which the healer dies, and whether before it is done.
FATAL: tuple[tuple[type[Decision], bool], ...] = (
    (Stop, True),
    (Stop, False),
    (Start, True),
    (Start, False),
    (Remember, True),
    (Note, False),
)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """`words`: what happens, for a person; `ends` undoes it where it lasts."""

    words: str
    strikes: Strike
    ends: Strike | None = None


# --- workers -------------------------------------------------------------------------------------------------


def _hang(world: World, fault: Fault) -> None:
    world.hang(fault.target, fault.lasts)


def _curse(world: World, fault: Fault) -> None:
    world.programs[fault.target].cursed = True


def _end_curse(world: World, fault: Fault) -> None:
    program = world.programs[fault.target]
    program.cursed, program.hung = False, True  # the next process works again, this one does not


def _crash_loop(world: World, fault: Fault) -> None:
    world.programs[fault.target].crash_after = fault.how
    world.host.die(fault.target)


def _end_crash_loop(world: World, fault: Fault) -> None:
    world.programs[fault.target].crash_after = 0.0


def _delay(world: World, fault: Fault) -> None:
    world.programs[fault.target].delayed = fault.how


def _end_delay(world: World, fault: Fault) -> None:
    world.programs[fault.target].delayed = 0.0


def _mute(world: World, fault: Fault) -> None:
    program = world.programs[fault.target]
    program.mute = frozenset(program.spec.outputs[:1])


def _unmute(world: World, fault: Fault) -> None:
    world.programs[fault.target].mute = frozenset()


# --- files ---------------------------------------------------------------------------------------------------


def _outputs(world: World, fault: Fault) -> list[str]:
    return list(world.programs[fault.target].spec.outputs)


def _garble(world: World, fault: Fault) -> None:
    for path in _outputs(world, fault):
        world.disk.file(written_as(path)).problem = "unreadable"


def _ungarble(world: World, fault: Fault) -> None:
    for path in _outputs(world, fault):
        world.disk.file(written_as(path)).problem = ""


def _remove(world: World, fault: Fault) -> None:
    for path in _outputs(world, fault):
        world.disk.remove(written_as(path))


def _fill(world: World, fault: Fault) -> None:
    world.disk.ground.update(dict.fromkeys(_outputs(world, fault), DISK_FULL))


def _free(world: World, fault: Fault) -> None:
    for path in _outputs(world, fault):
        world.disk.ground.pop(path, None)


def _date_ahead(world: World, fault: Fault) -> None:
    world.disk.ahead.update(dict.fromkeys(map(written_as, _outputs(world, fault)), fault.how))


def _date_well(world: World, fault: Fault) -> None:
    for path in _outputs(world, fault):
        world.disk.ahead.pop(written_as(path), None)


def _spoil(world: World, fault: Fault) -> None:
    """Somebody makes the config invalid; again every `how` seconds, whoever has repaired it."""
    ends = world.time.mono + fault.lasts

    def spoil() -> None:
        world.mender.edit(fault.target, INVALID)
        if fault.how and world.time.mono + fault.how < ends:
            world.time.after(fault.how, spoil)

    spoil()


def _switch(world: World, path: str, *, on: bool) -> None:
    if path in world.outside:
        world.outside[path] = on


def _flicker(world: World, fault: Fault) -> None:
    """The source stops and comes back, again and again, every `how` seconds."""
    ends = world.time.mono + fault.lasts

    def turn() -> None:
        if world.time.mono < ends:
            _switch(world, fault.target, on=not world.outside[fault.target])
            world.time.after(fault.how, turn)

    turn()


# --- the healer and supervisord ------------------------------------------------------------------------------


def begin_healer(world: World) -> None:
    """supervisord starts a listener, unless there is one."""
    if world.healer.engine is None:
        world.begin_healer()


def _kill(world: World, fault: Fault) -> None:
    world.kill_healer()
    if not fault.lasts:
        world.time.after(RESPAWN, lambda: begin_healer(world))


def _kill_at(world: World, fault: Fault) -> None:
    kind, before = FATAL[int(fault.how) % len(FATAL)]
    world.healer.kill_when = lambda decision: isinstance(decision, kind)
    world.healer.kill_before = before
    world.healer.killed_at = lambda: world.time.after(fault.lasts or RESPAWN, lambda: begin_healer(world))


def _reload(world: World, _: Fault) -> None:
    """Every process is stopped and, if it is started by itself, started again; so is the healer."""
    if world.healer.engine is not None:
        world.healer.engine.halt("supervisord is shutting down")
    world.kill_healer()
    world.host.forget()
    world.healer.forget_requests()
    world.promises.reloaded()

    def up() -> None:
        for name, program in world.programs.items():
            if program.autostart and program.state is ProcessState.STOPPED:
                world.host.spawn(name)
        begin_healer(world)

    world.time.after(RELOAD, up)


def _lose_journal(world: World, _: Fault) -> None:
    world.kill_healer()
    world.healer.store.texts.clear()
    world.healer.store.damaged = "the journal was damaged, and moved aside"
    world.time.after(RESPAWN, lambda: begin_healer(world))


def _fail_journal(world: World, _: Fault) -> None:
    world.healer.store.failing = f"the journal cannot be written: {DISK_FULL}"


def _mend_journal(world: World, _: Fault) -> None:
    world.healer.store.failing = ""


def _line(name: str) -> Strike:
    """That field of the line between supervisord and the healer becomes `how`."""

    def strike(world: World, fault: Fault) -> None:
        now = getattr(world.healer.line, name)
        setattr(world.healer.line, name, type(now)(fault.how))

    return strike


def _line_well(name: str) -> Strike:
    def end(world: World, _: Fault) -> None:
        now = getattr(world.healer.line, name)
        setattr(world.healer.line, name, type(now)(0))

    return end


# --- operators -----------------------------------------------------------------------------------------------


def _stop(world: World, fault: Fault) -> None:
    world.operator_stops(fault.target)


def _start(world: World, fault: Fault) -> None:
    world.host.operator_starts(fault.target)


def _ambush(world: World, fault: Fault) -> None:
    """The operator stops whom the healer is just giving an order about: before it takes effect, or soon after."""

    def stop(name: str) -> None:
        if fault.how <= 0.0:
            world.operator_stops(name)
        else:
            world.time.after(fault.how, lambda: world.operator_stops(name))
        if fault.lasts:
            world.time.after(fault.how + fault.lasts, lambda: world.host.operator_starts(name))

    world.host.ambush = stop


def _asks(request: Callable[[str], str], name: str) -> None:
    request(name)


def _force(world: World, fault: Fault) -> None:
    world.heal(fault.target, force=True)


#: By the name that stands in a `Fault`. What is struck, a worker or an outside file, is in TARGETS.
FAULTS: Mapping[str, FaultKind] = {
    "hang": FaultKind("hangs", _hang),
    "die": FaultKind("dies", lambda world, fault: world.host.die(fault.target, well=bool(fault.how))),
    "doom": FaultKind("dies, and its next starts crash", lambda world, fault: world.doom(fault.target, int(fault.how))),
    "crash_loop": FaultKind("crashes soon after each start", _crash_loop, _end_crash_loop),
    "curse": FaultKind(
        "hangs after every start",
        lambda world, fault: setattr(world.programs[fault.target], "cursed", True),
        _end_curse,
    ),
    "delay": FaultKind("works, and takes too long", _delay, _end_delay),
    "mute": FaultKind("does not write its first output", _mute, _unmute),
    "garble": FaultKind("writes garbage", _garble, _ungarble),
    "remove": FaultKind("its outputs are removed", _remove),
    "fill": FaultKind("the disk under its outputs is full", _fill, _free),
    "date_ahead": FaultKind("dates its outputs ahead", _date_ahead, _date_well),
    "outage": FaultKind(
        "the source stops",
        lambda world, fault: _switch(world, fault.target, on=False),
        lambda world, fault: _switch(world, fault.target, on=True),
    ),
    "flicker": FaultKind(
        "the source comes and goes", _flicker, lambda world, fault: _switch(world, fault.target, on=True)
    ),
    "grain": FaultKind(
        "mtimes are coarse",
        lambda world, fault: setattr(world.disk, "grain", fault.how),
        lambda world, _: setattr(world.disk, "grain", 0.0),
    ),
    "lag": FaultKind(
        "mtimes lag behind",
        lambda world, fault: setattr(world.disk, "lag", fault.how),
        lambda world, _: setattr(world.disk, "lag", 0.0),
    ),
    "kill": FaultKind("the healer is killed", _kill, lambda world, _: begin_healer(world)),
    "kill_at": FaultKind("the healer is killed in the middle of a deed", _kill_at),
    "reload": FaultKind("supervisord is reloaded", _reload),
    "reboot": FaultKind("the host is rebooted", lambda world, fault: world.reboot(fault.how)),
    "lose_journal": FaultKind("the journal is lost", _lose_journal),
    "fail_journal": FaultKind("the journal cannot be written", _fail_journal, _mend_journal),
    "lose_events": FaultKind("events get lost", _line("lose_events")),
    "double_events": FaultKind("events come twice", _line("double_events")),
    "delay_events": FaultKind("events come late", _line("delay_events"), _line_well("delay_events")),
    "lose_orders": FaultKind("calls do not reach supervisord", _line("lose_orders")),
    "lose_answers": FaultKind("answers of supervisord get lost", _line("lose_answers")),
    "latency": FaultKind("supervisord answers slowly", _line("latency"), _line_well("latency")),
    "step": FaultKind("the wall clock is set", lambda world, fault: world.time.step(fault.how)),
    "suspend": FaultKind("the host sleeps", lambda world, fault: world.time.step(fault.how)),
    "stall": FaultKind("nothing runs for a while", lambda world, fault: world.time.stall(fault.how)),
    "stop": FaultKind("an operator stops it", _stop, _start),
    "start": FaultKind("an operator starts it", _start),
    "ambush": FaultKind("an operator stops whom the healer has in hand", _ambush),
    "unmonitor": FaultKind(
        "an operator unmonitors it",
        lambda world, fault: _asks(world.unmonitor, fault.target),
        lambda world, fault: _asks(world.monitor, fault.target),
    ),
    "observe": FaultKind(
        "somebody wants the healer only to observe",
        lambda world, _: world.adopt(mode=Mode.OBSERVE),
        lambda world, _: world.adopt(mode=Mode.HEAL),
    ),
    "spoil": FaultKind("somebody makes it invalid", _spoil),
    "heal": FaultKind("an operator heals it", lambda world, fault: _asks(world.heal, fault.target)),
    "heal_all": FaultKind("an operator heals all", lambda world, _: _asks(world.heal, "all")),
    "force": FaultKind("an operator forces it", _force),
}


def in_words(fault: Fault) -> str:
    """What happens, for a person.

    >>> in_words(Fault(60.0, "delay", "w1", how=600.0, lasts=1200.0))
    'w1: works, and takes too long (how: 600), for 20m'
    """
    who = f"{fault.target}: " if fault.target else ""
    how = f" (how: {fault.how:g})" if fault.how else ""
    lasts = f", for {duration(fault.lasts)}" if fault.lasts else ""
    return f"{who}{FAULTS[fault.what].words}{how}{lasts}"


def strike(world: World, fault: Fault) -> None:
    """Let it happen now, and have it end in its time."""
    kind = FAULTS[fault.what]
    world.befallen.append((world.elapsed, in_words(fault)))
    kind.strikes(world, fault)
    if fault.lasts and kind.ends is not None:
        ends = kind.ends
        world.time.after(fault.lasts, lambda: ends(world, fault))


def end_all(world: World) -> None:
    """Everything that still goes wrong ends; a process that hangs hangs on, or is down, and is for the healer."""
    world.befallen.append((world.elapsed, "all faults end"))
    world.host.ambush = world.healer.kill_when = None
    world.healer.line = Line()
    world.healer.store.failing = ""
    disk = world.disk
    disk.grain = disk.lag = 0.0
    disk.ground.clear()
    disk.ahead.clear()
    for file in disk.files.values():
        file.problem = ""
    for path, content in world.mender.contents.items():
        if content.how != VALID:
            world.mender.edit(path)
    for path in world.outside:
        world.outside[path] = True
    for name, program in world.programs.items():
        hangs = program.hung or program.cursed
        program.cure()
        program.hung = hangs and program.up
        if program.row().by_operator:
            world.host.operator_starts(name)
    begin_healer(world)
    world.adopt(mode=Mode.HEAL)
    for name in world.programs:
        world.monitor(name)
