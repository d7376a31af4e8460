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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.core.model import FileSpec, Health, Intensity, Mode, WorkerSpec
from supervisor_healer.core.news import HealRequest, MonitorRequest
from supervisor_healer.core.orders import Consult, Create, Decision, Repair, Restore, Signal
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.simulation.disk import Disk
from supervisor_healer.simulation.healer import Healer
from supervisor_healer.simulation.host import Host
from supervisor_healer.simulation.mind import Mind
from supervisor_healer.simulation.program import Program
from supervisor_healer.simulation.promises import Promises, Violation
from supervisor_healer.simulation.timeline import BOOT, Timeline
from supervisor_healer.simulation.truth import Truth

HEAD_START = 5.0  # seconds for which the programs run before the healer begins
UPTIME_OF_A_BOOT = 10.0  # seconds of monotonic time when everything is started after a boot
TURNS_AT_ONCE = 200  # so many turns at one moment, and 20 for each worker, are a busy loop


@dataclass(frozen=True)
class Plan:
    """A pipeline and how its programs behave. `outside`: file that nobody here writes -> its source's period (s).

    `programs`: worker -> the fields of its `Program` that differ from the default.
    """

    workers: Sequence[WorkerSpec]
    files: Sequence[FileSpec]
    outside: Mapping[str, float] = field(default_factory=dict)
    programs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mode: Mode = Mode.HEAL
    cycle: float = 60.0
    overall: Intensity | None = None


class BrokenPromiseError(AssertionError):
    """What the README promises did not hold."""

    def __init__(self, violation: Violation, transcript: str) -> None:
        super().__init__(f"{violation}\n{transcript}")
        self.violation = violation


class World:
    """See the module. `draw` gives uniform numbers in [0, 1): the engine's jitter."""

    def __init__(self, plan: Plan, draw: Callable[[], float] = lambda: 0.5) -> None:
        self.plan = plan
        self.specs = list(plan.workers)
        self.file_specs = {spec.path: spec for spec in plan.files}
        self.time = Timeline()
        self.disk = Disk(self.time)
        self.programs = self._make_programs()
        self.pipeline = self._pipeline()
        self.truth = Truth(self.time, self.disk, self.programs, self.pipeline)
        self.promises = Promises(self.time, self.disk, self.programs, self.truth, self.broken)
        self.promises.mode, self.promises.overall = plan.mode, plan.overall
        self.host = Host(self.time, self.disk, self.programs, self.truth.triggers, self._ring, self.promises)
        self.healer = Healer(self.time, self.disk, self.host, self.promises, draw, self._carry_out)
        self.mind: Mind = self.healer  # a comparison puts another in its place
        self.outside = dict.fromkeys(plan.outside, True)
        self._requests = 0
        for path in self.pipeline.outside:
            if path in plan.outside:
                self._feed(path, plan.outside[path])
            elif self.file_specs[path].max_age is None:
                self.disk.write(path)
        for name, program in self.programs.items():
            if program.autostart:
                self.host.spawn(name)
        self.host.starts.clear()

    def _make_programs(self) -> dict[str, Program]:
        return {spec.name: Program(spec, **self.plan.programs.get(spec.name, {})) for spec in self.specs}

    def _pipeline(self) -> Pipeline:
        members: dict[str, list[str]] = defaultdict(list)
        for program in self.programs.values():
            if program.known:
                group, _, name = program.address.partition(":")
                members[group].append(name)
        return Pipeline(expand(self.specs, self.file_specs, members))

    def broken(self, violation: Violation) -> None:
        """A promise did not hold: the run ends here."""
        raise BrokenPromiseError(violation, self.transcript())

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds since the world's beginning."""
        return self.time.mono - BOOT

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
            if at_once > TURNS_AT_ONCE + 20 * len(self.specs):
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
        return {"mode": self.plan.mode, "cycle": self.plan.cycle, "restarts_overall": self.plan.overall}

    def begin_healer(self, *, same_boot: bool = True) -> None:
        """A healer starts."""
        self.healer.begin(self.pipeline, self.policies(), same_boot=same_boot)

    def kill_healer(self) -> None:
        """It is killed, and supervisord does not start it again yet."""
        self.healer.kill()

    def _ring(self, event: Any) -> None:
        self.mind.ring(event)

    def _carry_out(self, decision: Create | Repair | Restore | Signal | Consult) -> None:
        """Nothing is mended here: simulated pipelines have no configs, and their files make themselves."""

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
        self.host.forget()
        self.time.mono += gap
        shift = self.time.begin_anew(UPTIME_OF_A_BOOT)
        self.disk.shift(shift)
        self.promises.rebooted(shift)
        for path, on in self.outside.items():
            self.outside[path] = on
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

    def heal(self, name: str, *, force: bool = False, dry_run: bool = False) -> str:
        """`supervisorctl heal`; the request's id."""
        request = HealRequest(self._next_request(), name, dry_run=dry_run, force=force)
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
        """All that the healer has said and ordered, a line each, with the states at the end."""
        chronicle = self.healer.chronicle
        lines = [(at, f"{note.worker:12} {note.event:12} {note.text}") for at, note in chronicle.history]
        lines += [(at, f"{order.worker:12} {type(order).__name__.upper():12}") for at, order in chronicle.orders]
        lines += [(self.elapsed, f"{name:12} {state}") for name, state in self.states().items()]
        lines.sort(key=lambda line: line[0])
        return "\n".join(f"{at:10.2f} {text}" for at, text in lines)


def kills_at(kind: type[Decision]) -> Callable[[Decision], bool]:
    """For `Healer.kill_when`: the next decision of that kind."""
    return lambda decision: isinstance(decision, kind)
