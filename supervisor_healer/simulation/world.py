"""A pipeline on a simulated host, with a healer, operators, and everything that can go wrong.

    world = World(Plan(workers, files, outside))
    world.run(60)
    world.hang("predictor")
    world.run(20 * MINUTE)

It is deterministic: the same plan, the same calls and the same draws give the same world. The promises are checked
at every order and word of the healer's (`promises`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor_healer.core.model import ConfigSpec, ConsumerSpec, FileSpec, Health, Intensity, Mode, Seen, WorkerSpec
from supervisor_healer.core.news import ComponentResult, HealRequest, MonitorRequest, RestoreRequest, VerifyRequest
from supervisor_healer.core.orders import Consult, Decision, Signal
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.simulation.chronicle import Errand
from supervisor_healer.simulation.disk import Disk
from supervisor_healer.simulation.healer import Healer
from supervisor_healer.simulation.host import Host
from supervisor_healer.simulation.mender import VALID, Mender
from supervisor_healer.simulation.mind import Mind
from supervisor_healer.simulation.program import Program
from supervisor_healer.simulation.promises import Promises, Violation
from supervisor_healer.simulation.timeline import Timeline
from supervisor_healer.simulation.truth import Truth
from supervisor_healer.words import render

HEAD_START = 5.0  # seconds for which the programs run before the healer begins
UPTIME_OF_A_BOOT = 10.0  # seconds of monotonic time when everything is started after a boot
CONSULTATION = 0.5  # seconds that component healers take to answer
TURNS_AT_ONCE = 200  # so many turns at one moment, and 20 for each worker, are a busy loop


@dataclass(frozen=True)
class Plan:
    """A pipeline and how its programs behave. `outside`: file that nobody here writes -> its source's period (s).

    `programs`: worker -> the fields of its `Program` that differ from the default. `members`: group -> its processes,
    for entries that stand for several. `contents`: config -> how it stands at first (see `mender`), valid by default.
    `components`: what the component healers answer when they are asked; None: there are none.
    """

    workers: Sequence[WorkerSpec]
    files: Sequence[FileSpec]
    outside: Mapping[str, float] = field(default_factory=dict)
    programs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mode: Mode = Mode.HEAL
    cycle: float = 60.0
    overall: Intensity | None = None
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    consumers: Sequence[ConsumerSpec] = ()
    configs: Sequence[ConfigSpec] = ()
    contents: Mapping[str, str] = field(default_factory=dict)
    components: Callable[[], Iterable[ComponentResult]] | None = None
    root: str = ""


class BrokenPromiseError(AssertionError):
    """What the README promises did not hold."""

    def __init__(self, violation: Violation, transcript: str) -> None:
        super().__init__(f"{violation}\n{transcript}")
        self.violation = violation


class World:
    """See the module. `draw` gives uniform numbers in [0, 1): the engine's jitter."""

    def __init__(self, plan: Plan, draw: Callable[[], float] = lambda: 0.5) -> None:
        self.plan = plan
        self.time = Timeline()
        self.disk = Disk(self.time)
        self.programs = self._make_programs()
        self.pipeline = self._make_pipeline()
        self.truth = Truth(self.time, self.disk, self.programs, self.pipeline)
        self.promises = Promises(self.time, self.disk, self.programs, self.truth, self.broken)
        self.promises.mode, self.promises.overall = plan.mode, plan.overall
        self.host = Host(self.time, self.disk, self.programs, self.truth.triggers, self._ring, self.promises)
        self.healer = Healer(self.time, self.disk, self.host, self.promises, draw, self._carry_out, self._look)
        self.mind: Mind = self.healer  # a comparison puts another in its place
        self.mender = Mender(self.time, self.disk, self.pipeline.configs, self.promises, self.healer)
        self.truth.is_sound = self.mender.is_sound
        self.components = plan.components
        self.outside = dict.fromkeys(plan.outside, True)
        self.befallen: list[tuple[float, str]] = []  # what went wrong, in words
        self._requests = 0
        for spec in plan.configs:
            self.mender.edit(spec.path, plan.contents.get(spec.path, VALID))
        for path in self.pipeline.outside:
            if path in plan.outside:
                self._feed(path, plan.outside[path])
            elif path not in self.pipeline.configs and self.pipeline.files[path].max_age is None:
                self.disk.write(path)
        for name, program in self.programs.items():
            if program.autostart:
                self.host.spawn(name)
        self.host.starts.clear()

    def _make_programs(self) -> dict[str, Program]:
        plan, files = self.plan, {spec.path: spec for spec in self.plan.files}
        specs = expand(plan.workers, files, plan.members).workers if plan.members else plan.workers
        return {spec.name: Program(spec, **plan.programs.get(spec.name, {})) for spec in specs}

    def _make_pipeline(self) -> Pipeline:
        """What the architecture and supervisord's processes make together."""
        members: dict[str, list[str]] = defaultdict(list)
        for program in self.programs.values():
            if program.known:
                group, _, name = program.address.partition(":")
                members[group].append(name)
        plan, configs = self.plan, {spec.path: spec for spec in self.plan.configs}
        expansion = expand(plan.workers, {spec.path: spec for spec in plan.files}, members)
        return Pipeline(expansion, root=plan.root, consumers=plan.consumers, configs=configs)

    def broken(self, violation: Violation) -> None:
        """A promise did not hold: the run ends here."""
        raise BrokenPromiseError(violation, self.transcript())

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds since the world's beginning."""
        return self.time.elapsed

    def run(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.run_until(self.time.mono + seconds)

    def run_until(self, end: float, stop: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `end` (mono), or until `stop` holds; whether it does."""
        time, mind = self.time, self.mind
        at_once = 0
        while stop is None or not stop():
            event, turn = time.next_event, mind.next_turn
            moment = min(event, turn)
            if moment > end:
                time.mono = max(time.mono, end)
                return False
            at_once = at_once + 1 if moment <= time.mono else 0
            if at_once > TURNS_AT_ONCE + 20 * len(self.programs):
                self.promises.violate("keeps_pace", f"{at_once} turns at one moment")
            time.mono = max(time.mono, moment)
            if event <= time.mono:
                time.pop()()
            else:
                mind.turn()
        return True

    def _feed(self, path: str, period: float) -> None:
        """An outside source that writes `path` every `period` seconds while it is switched on."""

        def tick() -> None:
            if self.outside[path]:
                self.disk.write(path, "outside")
            self.time.after(period, tick)

        tick()

    # --- the healer ----------------------------------------------------------------------------------------------

    def policies(self) -> dict[str, Any]:
        """What the engine goes by besides the pipeline."""
        plan, has_components = self.plan, self.components is not None
        return {
            "mode": plan.mode,
            "cycle": plan.cycle,
            "restarts_overall": plan.overall,
            "has_components": has_components,
        }

    def begin_healer(self, *, same_boot: bool = True) -> None:
        """A healer starts, and reads the architecture."""
        self._read_architecture()
        self.promises.halted = False
        self.mender.begin_anew()
        self.healer.begin(self.pipeline, self.policies(), same_boot=same_boot)

    def kill_healer(self, *, orderly: bool = False) -> None:
        """It is killed, or ends in an orderly way, and supervisord does not start it again yet."""
        self.healer.kill(orderly=orderly)

    def halt(self) -> None:
        """supervisord is going down, and has said so: nothing may be ordered any more."""
        if self.healer.engine is not None:
            self.promises.halted = True
            self.healer.engine.halt("supervisord is shutting down")

    def adopt(self, **changes: Any) -> None:
        """The healer reads the architecture (SIGHUP), with these fields of the plan changed, and all processes anew."""
        self.plan = replace(self.plan, **changes)
        self._read_architecture()
        if self.healer.engine is not None:
            self.healer.engine.adopt(self.pipeline, **self.policies())
            self.healer.hear(self.host.table())

    def _read_architecture(self) -> None:
        self.pipeline = self._make_pipeline()
        for name, spec in self.pipeline.workers.items():
            if name in self.programs:
                self.programs[name].spec = spec
        self.truth.adopt(self.pipeline)
        self.mender.specs = self.pipeline.configs
        self.promises.mode, self.promises.overall = self.plan.mode, self.plan.overall

    def _ring(self, event: Any) -> None:
        self.mind.ring(event)

    def _look(self, path: str, with_ground: bool) -> Seen:
        return self.mender.look(path, self.disk.look(path, with_ground=with_ground))

    def _carry_out(self, errand: Errand) -> None:
        match errand:
            case Consult():
                life = self.healer.life
                self.time.after(CONSULTATION, lambda: self._consult(life))
            case Signal():
                self.promises.signalled(errand)
            case _:
                self.mender.take(errand)

    def _consult(self, life: int) -> None:
        """The component healers answer, if the healer that asked still lives."""
        if self.components is not None and life == self.healer.life:
            for result in self.components():
                self.promises.wished(name for name, _ in result.restarts)
                self.healer.hear(result)

    # --- faults --------------------------------------------------------------------------------------------------

    def hang(self, name: str, seconds: float = 0.0) -> None:
        """Alive, and writes nothing, until it is restarted, or for so long."""
        program = self.programs[name]
        if seconds:
            program.hung_until = self.time.mono + seconds
        else:
            program.hung = True

    def doom(self, name: str, starts: int) -> None:
        """Dies now, and the next `starts` starts crash before startsecs."""
        self.programs[name].doomed = starts
        self.host.die(name)

    def reboot(self, gap: float) -> None:
        """The host goes down and comes up `gap` seconds later: every process anew, another monotonic clock."""
        self.healer.kill()
        self.healer.forget_requests()
        self.host.forget()
        self.time.mono += gap
        shift = self.time.begin_anew(UPTIME_OF_A_BOOT)
        self.disk.shift(shift)
        self.promises.rebooted(shift)
        for path in self.outside:
            self._feed(path, self.plan.outside[path])
        for name, program in self.programs.items():
            program.consumed += shift
            if program.autostart:
                self.host.spawn(name)
        self.begin_healer(same_boot=False)

    # --- operators -----------------------------------------------------------------------------------------------

    def operator_stops(self, name: str) -> None:
        """`supervisorctl stop`."""
        if self.healer.hears_all:
            self.promises.untold.discard(name)
        else:
            self.promises.untold.add(name)
        self.host.operator_stops(name)

    def heal(self, name: str, *, force: bool = False, dry_run: bool = False, id: str = "") -> str:  # noqa: A002
        """`supervisorctl heal`; the request's id, by which it acts once."""
        request = HealRequest(id or self._next_request(), name, dry_run=dry_run, force=force)
        if self.healer.engine is not None and not dry_run:
            self.promises.heal_asked(request.id, self.programs if name == "all" else [name], force=force)
        self.healer.hear(request)
        return request.id

    def unmonitor(self, name: str, seconds: float = 0.0) -> str:
        """`supervisorctl unmonitor`, for ever or for so long."""
        request = MonitorRequest(self._next_request(), name, seconds)
        self.healer.hear(request)
        return request.id

    def monitor(self, name: str) -> str:
        """`supervisorctl monitor`."""
        request = MonitorRequest(self._next_request(), name, None)
        self.healer.hear(request)
        return request.id

    def verify(self) -> str:
        """`supervisorctl verify`: a fresh look at everything."""
        request = VerifyRequest(self._next_request())
        self.healer.hear(request)
        return request.id

    def restore(self, path: str, id: str = "") -> str:  # noqa: A002
        """`supervisorctl heal --restore`: the newest backup of a config comes back."""
        request = RestoreRequest(id or self._next_request(), path)
        self.healer.hear(request)
        return request.id

    def _next_request(self) -> str:
        self._requests += 1
        return f"r{self._requests}"

    # --- what is concluded ---------------------------------------------------------------------------------------

    def state(self, name: str) -> Health:
        """A worker's state, as published."""
        engine = self.healer.engine
        if engine is None or name not in engine.verdicts:
            return Health.UNKNOWN
        return engine.verdicts[name].state

    def states(self) -> dict[str, Health]:
        """That of every worker."""
        return {name: self.state(name) for name in self.pipeline.workers}

    def transcript(self) -> str:
        """What went wrong and all that the healer has said and ordered, a line each, with the states at the end."""
        chronicle = self.healer.chronicle
        lines = [(at, f"*** {text}") for at, text in self.befallen]
        lines += [(at, f"{note.worker:12} {note.event:12} {note.text}") for at, note in chronicle.history]
        lines += [(at, f"{order.worker:12} {type(order).__name__.upper():12}") for at, order in chronicle.orders]
        lines += [(self.elapsed, f"{name:12} {state}") for name, state in self.states().items()]
        lines.sort(key=lambda line: line[0])
        return "\n".join(f"{at:10.2f} {render(text, self.time.mono_at(at))}" for at, text in lines)


def kills_at(kind: type[Decision]) -> Callable[[Decision], bool]:
    """For `Healer.kill_when`: the next decision of that kind."""
    return lambda decision: isinstance(decision, kind)
