"""What is true in the simulated world, worked out from what really happened and not from what the healer saw.

It is the judge of the healer: of the core it uses only what an architecture means (which inputs trigger, how long a
declared duration is), none of the rules of judgement.
"""

from __future__ import annotations

from collections.abc import Callable

from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import Kind, WorkerSpec
from supervisor_healer.core.pipeline import Pipeline
from supervisor_healer.simulation.disk import Disk
from supervisor_healer.simulation.program import Program
from supervisor_healer.simulation.timeline import Timeline

DECEIT = 30.0  # seconds by which a file's mtimes and the looks at it may deceive about its gaps
ROUNDING = 1e-3  # seconds; an age from wall times is off by some tenths of a microsecond


class Truth:
    """Answers about the world at this moment. `is_sound` says whether a config is valid and known to be so."""

    def __init__(self, time: Timeline, disk: Disk, programs: dict[str, Program], pipeline: Pipeline) -> None:
        self._time, self._disk, self._programs = time, disk, programs
        self.is_sound: Callable[[str], bool] = lambda _: True
        self.adopt(pipeline)

    def adopt(self, pipeline: Pipeline) -> None:
        """Another architecture holds from now on."""
        self.pipeline = pipeline
        self.limits = Limits(pipeline.files)
        self._triggers: dict[str, tuple[str, ...]] = {}

    def triggers(self, name: str) -> tuple[str, ...]:
        """The inputs whose move gives a worker something to do."""
        if name not in self._triggers:
            self._triggers[name] = self.limits.triggers(self._programs[name].spec)
        return self._triggers[name]

    def age(self, path: str) -> float:
        """Seconds since the file was really written; infinite if it is not there."""
        file = self._disk.newest(path)
        return self._time.mono - file.written if file.mtime is not None else float("inf")

    def is_fresh(self, path: str) -> bool:
        """Whether the file is younger than its max_age, or as new as its idle producers can make it."""
        spec, file = self.pipeline.files[path], self._disk.newest(path)
        if path in self.pipeline.configs and not self.is_sound(path):
            return False
        if file.mtime is None:
            gone = [found for found in self._disk.matching(path) if self._time.mono - found.gone_at < spec.limit]
            if spec.max_age is None or not gone:
                return False
            file = max(gone, key=lambda found: found.written)  # rotated, or being replaced
        if spec.max_age is None or self._time.mono - file.written < spec.max_age:
            return True
        producers = self.pipeline.producers[path]
        return bool(producers) and all(self._is_idle(name, file.written) for name in producers)

    def has_fresh_inputs(self, spec: WorkerSpec) -> bool:
        """Whether every required input is."""
        return all(self.is_fresh(item.path) for item in spec.inputs if item.required)

    def stale_outputs(self, name: str) -> list[str]:
        """Its outputs that are older than they may get, grace included, by their true age and how far they are dated
        back: an mtime that lags cannot be told from a write that came earlier."""
        spec, files, newest = self._programs[name].spec, self.pipeline.files, self._disk.newest
        return [
            path for path in spec.outputs if self.age(path) + newest(path).dated_back >= files[path].limit - ROUNDING
        ]

    def pending_for(self, name: str, path: str) -> float:
        """For how long the worker has had something to do that is not in this output; 0.0: it has nothing to do."""
        triggers = self.triggers(name)
        written = self._disk.newest(path).written
        if not triggers:
            return self._time.mono - written
        moves = [
            moment - found.dated_back
            for trigger in triggers
            for found in self._disk.matching(trigger)
            for moment in found.writes
            if moment > written
        ]
        return self._time.mono - min(moves) if moves else 0.0

    def looks_stalled(self, name: str) -> bool:
        """Whether it has truly been late for so long, and its inputs in order, that nobody could tell it from a hang.

        Output beyond its deadline, work pending for its max_age, required inputs fresh, and the process there for
        as long, or for the time in which its architecture says that a restart must show.
        """
        program = self._programs[name]
        spec = program.spec
        stale = self.stale_outputs(name)
        if not stale or not self.has_fresh_inputs(spec):
            return False
        ran_for = self._time.mono - program.start_mono
        chance = float("inf") if spec.verify_within is None else spec.verify_within
        ages = {path: self.pipeline.files[path].max_age or 0.0 for path in stale}
        return any(
            self.pending_for(name, path) >= age - ROUNDING
            and ran_for >= min(age, chance)
            and self._could_catch_up(spec, path)
            for path, age in ages.items()
        )

    def _could_catch_up(self, spec: WorkerSpec, output: str) -> bool:
        """Whether its required inputs have been in order for as long as it may take to catch up after a gap."""
        return all(
            self.age(item.path) >= (self.pipeline.files[item.path].max_age or 0.0)  # an idle producer's
            or self._in_order_for(item.path) >= self.limits.catch_up(spec, output, item) - DECEIT
            for item in spec.inputs
            if item.required and self.pipeline.files[item.path].max_age is not None
        )

    def _in_order_for(self, path: str) -> float:
        """Seconds since the last gap in its writes in which it was stale; infinite if none is known."""
        limit, later = self.pipeline.files[path].limit + DECEIT, self._time.mono
        moments = sorted(moment for found in self._disk.matching(path) for moment in found.writes)
        for moment in reversed(moments):
            if later - moment >= limit:
                return self._time.mono - later
            later = moment
        return float("inf")

    def ails(self, name: str) -> bool:
        """Whether something is wrong with the worker itself."""
        program = self._programs[name]
        if program.spec.kind is Kind.JOB and program.exited_well:
            return bool(self.stale_outputs(name))
        return program.ails(self._time.mono)

    def is_well(self, name: str) -> bool:
        """Whether the worker is there, and every output younger than its limit or with nothing to do for it."""
        program = self._programs[name]
        if not program.up and not (program.spec.kind is Kind.JOB and program.exited_well):
            return False
        return all(self.pending_for(name, path) == 0.0 for path in self.stale_outputs(name))

    def _is_idle(self, name: str, written: float) -> bool:
        spec = self.pipeline.workers[name]
        triggers = self.triggers(name)
        moved = [self._disk.newest(path).written for path in triggers]
        return bool(triggers) and max(moved) <= written and self.has_fresh_inputs(spec)
