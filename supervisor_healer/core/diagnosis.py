"""What is wrong with one worker, by the table of the design: the first row that matches is its state.

This is the judgement from the evidence alone. What an operator wants (unmonitored), what is under way (healing,
verifying) and what is used up (quarantined) is laid over it by the engine, in the table's order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.freshness import INFINITE, NEVER, Standing, Track
from supervisor_healer.core.memory import Memory, Stage
from supervisor_healer.core.model import Freshness, Health, InputSpec, Kind, Now, Process, ProcessState, WorkerSpec
from supervisor_healer.core.pipeline import Pipeline
from supervisor_healer.words import ago, duration, until

DEFAULT_GRACE = 60.0  # start-up grace of a worker without outputs
SHORTEST_CATCH_UP = 60.0

UP_STATES = frozenset({ProcessState.STARTING, ProcessState.RUNNING, ProcessState.BACKOFF})
DOWN_STATES = frozenset({ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL})

#: A worker in one of these states is not itself the root of what is wrong downstream; its own inputs may be.
PASSED_THROUGH = frozenset({Health.HEALTHY, Health.IDLE, Health.LATE, Health.BLOCKED, Health.CATCHING_UP})


@dataclass(slots=True)
class Patient:
    """One worker and everything that is known of it. `start` is its process's start on both clocks."""

    spec: WorkerSpec
    memory: Memory
    problem: str = ""
    process: Process | None = None
    start: Now | None = None

    @property
    def runs(self) -> bool:
        """RUNNING, or a job that has done its work."""
        process = self.process
        if process is None:
            return False
        done = self.spec.kind is Kind.JOB and process.state is ProcessState.EXITED and process.exited_well
        return process.state is ProcessState.RUNNING or done

    @property
    def is_down(self) -> bool:
        """Not there, and supervisord will not bring it back."""
        process = self.process
        if process is None or process.state not in DOWN_STATES:
            return False
        return not (process.restarts_itself or self.runs)

    @property
    def under_way(self) -> bool:
        """Whether a stop or start of it is under way."""
        attempt = self.memory.attempt
        return attempt is not None and attempt.stage is not Stage.VERIFYING


@dataclass(frozen=True, slots=True)
class OutputView:
    """One output as its producer is judged by it. `pending` is since when work waits for it, None if none does."""

    path: str
    standing: Standing
    pending: float | None


@dataclass(frozen=True, slots=True)
class InputView:
    """One input as the gate sees it. `fresh` is after allowing for an idle producer, `held_since` None: no hold."""

    item: InputSpec
    standing: Standing
    fresh: bool
    idle: bool
    held_since: float | None
    healing: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state with its grounds. `stale`: outputs past their deadline; `convicted`: those that convict.

    `not_fresh`: required inputs that keep the gate shut; `changes_at`: the next mono moment at which time alone may
    change this judgement.
    """

    state: Health
    reason: str
    outputs: tuple[OutputView, ...] = ()
    inputs: tuple[InputView, ...] = ()
    stale: tuple[str, ...] = ()
    convicted: tuple[str, ...] = ()
    not_fresh: tuple[str, ...] = ()
    pending: bool = False
    changes_at: float = INFINITE
    waits: tuple[str, ...] = ()


class Diagnosis:
    """Judges the workers of one pipeline by their tracks; asks `state_of` for the state of an upstream worker."""

    def __init__(
        self,
        pipeline: Pipeline,
        tracks: Mapping[str, Track],
        patients: Mapping[str, Patient],
        state_of: Callable[[str], Health],
    ) -> None:
        self._pipeline = pipeline
        self._tracks = tracks
        self._patients = patients
        self._state_of = state_of

    # --- the defaults of the design, worked out from the files concerned --------------------------------------

    def startup_grace(self, spec: WorkerSpec) -> float:
        """Its own, or its outputs' largest max_age, or a minute."""
        if spec.startup_grace is not None:
            return spec.startup_grace
        ages = [self._tracks[path].spec.max_age or 0.0 for path in spec.outputs]
        return max(ages, default=0.0) or DEFAULT_GRACE

    def verify_within(self, spec: WorkerSpec, stale: tuple[str, ...]) -> float:
        """Its own, or startup_grace + max_age + grace of the outputs that were stale (or of all)."""
        if spec.verify_within is not None:
            return spec.verify_within
        limits = [limit for path in stale or spec.outputs if (limit := self._tracks[path].spec.limit) < INFINITE]
        grace = self.startup_grace(spec)
        return grace + max(limits, default=grace)

    def catch_up(self, spec: WorkerSpec, output: str, item: InputSpec) -> float:
        """How long this input must have been in order before a stale `output` convicts."""
        if spec.catch_up is not None:
            return spec.catch_up
        return min(
            self._tracks[output].spec.max_age or 0.0,
            max(SHORTEST_CATCH_UP, 3 * (self._tracks[item.path].spec.max_age or 0.0)),
        )

    def triggers(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The inputs whose move makes work pending. None: the worker keeps its own time, and always owes output."""
        return tuple(
            item.path
            for item in spec.inputs
            if self._tracks[item.path].spec.max_age is not None and (spec.trigger is None or item.path in spec.trigger)
        )

    # --- the views ---------------------------------------------------------------------------------------------

    def note_pending(self, patient: Patient) -> None:
        """Remember the first move of a triggering input after each output that a look has found."""
        pending = patient.memory.pending
        triggers = self.triggers(patient.spec)
        for path in patient.spec.outputs:
            output = self._tracks[path]
            known = pending.get(path)
            if known is not None and known[1] != output.mtime:
                del pending[path]
            if path not in pending and output.looked is not None:
                moves = [
                    track.moved_mono
                    for track in map(self._tracks.__getitem__, triggers)
                    if (
                        track.moved_after(output)
                        if output.mtime is not None
                        else patient.start is not None and track.moved_since(patient.start.wall, patient.start.mono)
                    )
                ]
                if moves:
                    pending[path] = (min(moves), output.mtime)

    def _pending_since(self, patient: Patient, path: str) -> float | None:
        if self.triggers(patient.spec):
            known = patient.memory.pending.get(path)
            return None if known is None else known[0]
        track = self._tracks[path]
        start = NEVER if patient.start is None else patient.start.mono
        return track.moved_mono if track.mtime is not None else max(track.first_look, start)

    def outputs(self, patient: Patient, now: Now, *, one_look: bool = False) -> tuple[OutputView, ...]:
        """Each output as it stands."""
        floor = None
        if patient.start is not None:
            grace = self.startup_grace(patient.spec)
            floor = Now(patient.start.wall + grace, patient.start.mono + grace)
        return tuple(
            OutputView(
                path,
                self._tracks[path].as_output(now, floor=floor, one_look=one_look),
                self._pending_since(patient, path),
            )
            for path in patient.spec.outputs
        )

    def inputs(self, patient: Patient, now: Now) -> tuple[InputView, ...]:
        """Each input as it stands; one whose only producers are idle is as new as it can be."""
        views = []
        for item in patient.spec.inputs:
            track = self._tracks[item.path]
            standing = track.as_input(now)
            producers = self._pipeline.sources(item)
            idle = bool(producers) and all(self._state_of(name) is Health.IDLE for name in producers)
            idle = idle and standing.counts in (Freshness.LATE, Freshness.STALE, Freshness.FRESH)
            healing = next((name for name in producers if self._patients[name].under_way), "")
            views.append(
                InputView(item, standing, standing.counts is Freshness.FRESH or idle, idle, track.held_since, healing)
            )
        return tuple(views)

    # --- the table -----------------------------------------------------------------------------------------------

    def judge(self, patient: Patient, now: Now, *, operator: bool = False) -> Judgement:
        """The first row of the table that matches, from `unknown` to `stalled`, without what is laid over it.

        `operator` judges for an explicit heal: by one look at the output, and without the hold of the inputs.
        """
        process = patient.process
        outputs = self.outputs(patient, now, one_look=operator)
        inputs = self.inputs(patient, now)
        not_fresh = tuple(view.item.path for view in inputs if view.item.required and not view.fresh)
        changes = [view.standing.changes_at for view in outputs]
        changes += [view.standing.changes_at for view in inputs]

        def judged(state: Health, reason: str, **grounds: object) -> Judgement:
            return Judgement(
                state,
                reason,
                outputs,
                inputs,
                not_fresh=not_fresh,
                pending=any(view.pending is not None for view in outputs),
                changes_at=min(changes, default=INFINITE),
                **grounds,  # type: ignore[arg-type]
            )

        stale = tuple(view.path for view in outputs if view.standing.counts is Freshness.STALE)
        if patient.problem or process is None:
            return judged(Health.UNKNOWN, patient.problem or f"supervisord has no program {patient.spec.program}")
        if process.by_operator and process.state in (*DOWN_STATES, ProcessState.STOPPING):
            never = process.start == 0.0
            return judged(Health.STOPPED, "never started (autostart=false)" if never else "stopped by an operator")
        if process.state is ProcessState.UNKNOWN:
            return judged(Health.UNKNOWN, "supervisord does not know the state of its process", stale=stale)
        if patient.is_down or process.state is ProcessState.STOPPING:
            gate = f"waits for {_listed(not_fresh)}" if not_fresh else "its inputs are fresh"
            return judged(Health.DOWN, f"process {process.state}; {gate}", stale=stale)
        starting = self._starting(patient, outputs, now)
        if starting is not None:
            reason, ends = starting
            changes.append(ends)
            return judged(Health.STARTING, reason, stale=stale)
        for view in outputs:
            if view.standing.counts is Freshness.UNKNOWN:
                problem = self._tracks[view.path].problem or "not looked at yet"
                return judged(Health.UNKNOWN, f"{_short(view.path)}: {problem}", stale=stale)
        if not outputs:
            return self._without_outputs(patient, now, not_fresh, judged)
        owing = [view for view in outputs if view.standing.counts is not Freshness.FRESH]
        if not owing and patient.runs:
            changes = [view.standing.changes_at for view in outputs]
            return judged(Health.HEALTHY, "every output is fresh")
        if not not_fresh and owing and all(view.pending is None for view in owing):
            return judged(
                Health.IDLE, f"{self._aged(owing[0].path)}; nothing to do: no input has moved since", stale=stale
            )
        if not stale:
            said = self._aged(owing[0].path) if owing else f"process {process.state} again and again"
            return judged(Health.LATE, said)
        if not_fresh:
            return judged(Health.BLOCKED, f"waits for {_listed(not_fresh)}", stale=stale)
        return self._convict(patient, now, operator, outputs, inputs, stale, judged, changes)

    def _starting(self, patient: Patient, outputs: tuple[OutputView, ...], now: Now) -> tuple[str, float] | None:
        """(reason, when it ends) while the worker may still be coming up; None once that is no excuse any more."""
        process, memory = patient.process, patient.memory
        assert process is not None
        if patient.runs and process.state is not ProcessState.RUNNING:
            return None  # a job that has done its work
        grace = self.startup_grace(patient.spec)
        limits = [self._tracks[view.path].spec.limit for view in outputs]
        first = memory.first_start
        if first is None:
            first = now.mono if patient.start is None else patient.start.mono
        produced = any(self._tracks[view.path].moved_since(memory.first_start_wall, first) for view in outputs)
        excuse_ends = first + grace + (max((limit for limit in limits if limit < INFINITE), default=grace))
        looping = not produced and memory.first_pid not in (process.pid, 0)
        if looping and now.mono >= excuse_ends:
            return None
        if process.state is not ProcessState.RUNNING:
            return f"process {process.state}", excuse_ends if looping else INFINITE
        if outputs:
            if not produced and now.mono < first + grace:
                return f"up for {ago(first)}, no output yet (grace {duration(grace)})", first + grace
        elif patient.start is not None and now.mono < patient.start.mono + grace:
            return f"up for {ago(patient.start.mono)} (healthy after {duration(grace)})", patient.start.mono + grace
        return None

    def _without_outputs(
        self, patient: Patient, now: Now, not_fresh: tuple[str, ...], judged: Callable[..., Judgement]
    ) -> Judgement:
        """Nothing to be measured by but its process: up for its grace, or restarting for ever."""
        steady = patient.start is not None and now.mono >= patient.start.mono + self.startup_grace(patient.spec)
        if patient.runs and (steady or patient.spec.kind is Kind.JOB):
            return judged(Health.HEALTHY, "running; it has no outputs to be judged by")
        if not_fresh:
            return judged(Health.BLOCKED, f"waits for {_listed(not_fresh)}")
        return judged(Health.STALLED, "crash loop: it never stays up for its start-up grace")

    def _convict(
        self,
        patient: Patient,
        now: Now,
        operator: bool,
        outputs: tuple[OutputView, ...],
        inputs: tuple[InputView, ...],
        stale: tuple[str, ...],
        judged: Callable[..., Judgement],
        changes: list[float],
    ) -> Judgement:
        """An output is stale and every required input fresh now: stalled if it had the time and the work."""
        convicted: list[str] = []
        waits: list[str] = []
        for view in outputs:
            if view.path not in stale:
                continue
            obstacles = [] if operator else self._obstacles(patient, now, view, inputs)
            if view.pending is None:
                waits.append(f"no work is pending for {_short(view.path)}")
            elif obstacles:
                changes += [moment for _, moment in obstacles]
                waits += [text for text, _ in obstacles]
            else:
                convicted.append(view.path)
        if convicted:
            loop = "" if patient.process and patient.process.state is ProcessState.RUNNING else "crash loop: "
            reason = loop + self._aged(convicted[0])
            return judged(Health.STALLED, reason, stale=stale, convicted=tuple(convicted))
        reason = f"{self._aged(stale[0])}; {waits[0]}"
        return judged(Health.CATCHING_UP, reason, stale=stale, waits=tuple(dict.fromkeys(waits)))

    def _obstacles(
        self, patient: Patient, now: Now, view: OutputView, inputs: tuple[InputView, ...]
    ) -> list[tuple[str, float]]:
        """What keeps a stale output from convicting yet: (in words, the mono moment at which it ends)."""
        found: list[tuple[str, float]] = []
        max_age = self._tracks[view.path].spec.max_age or 0.0
        if view.pending is not None and now.mono < view.pending + max_age:
            end = view.pending + max_age
            found.append((f"work pending for {ago(view.pending)}, convicts after {duration(max_age)}", end))
        for source in inputs:
            if not source.item.required:
                continue
            if source.healing:
                found.append((f"{source.healing} is being restarted", INFINITE))
            elif not source.idle:
                needed = self.catch_up(patient.spec, view.path, source.item)
                if source.held_since is None:
                    found.append((f"{_short(source.item.path)} has not moved since its producer's restart", INFINITE))
                elif now.mono < (end := source.held_since + needed):
                    words = f"{_short(source.item.path)} fresh for {ago(source.held_since)}, confirmed in {until(end)}"
                    found.append((words, end))
        return found

    def _aged(self, path: str) -> str:
        """``ensemble_predictions.jsonl 41h old (max 5m)``."""
        track = self._tracks[path]
        limit = "" if track.spec.max_age is None else f" (max {duration(track.spec.max_age)})"
        if track.aged_from is None:
            return f"{_short(path)} missing{limit}"
        gone = "" if track.present else " when last seen"
        return f"{_short(path)} {ago(track.aged_from)} old{gone}{limit}"

    def aged(self, path: str) -> str:
        """A file, its age and its limit in words."""
        return self._aged(path)

    # --- root cause ------------------------------------------------------------------------------------------------

    def roots(self, name: str, not_fresh: Callable[[str], tuple[str, ...]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(the root causes of what keeps `name` from fresh inputs, the trail to the first of them).

        `not_fresh` gives a worker's required inputs that are not fresh. Roots are workers and paths; where none is
        found, they are the worker's own inputs.
        """
        found: dict[str, tuple[str, ...]] = {}
        seen = {name}
        ends: list[tuple[str, tuple[str, ...]]] = [(name, (name,))]
        while ends:
            reached: dict[str, tuple[str, ...]] = {}
            following: list[tuple[str, tuple[str, ...]]] = []
            for worker, trail in ends:
                for path in not_fresh(worker):
                    sources = self._pipeline.producers[path]
                    if not sources and self._unsound(path):
                        reached.setdefault(path, (*trail, path))
                    for source in sources:
                        if self._state_of(source) not in PASSED_THROUGH:
                            reached.setdefault(source, (*trail, path, source))
                        elif source not in seen:
                            seen.add(source)
                            following.append((source, (*trail, path, source)))
            for root, trail in reached.items():
                found.setdefault(root, trail)
            ends = following
        if not found:
            found = {path: (name, path) for path in not_fresh(name)}
        return tuple(found), next(iter(found.values()), ())

    def _unsound(self, path: str) -> bool:
        track = self._tracks[path]
        if track.looked is None:
            return True
        return track.as_input(track.looked).counts in (Freshness.STALE, Freshness.MISSING, Freshness.UNKNOWN)


def _short(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _listed(paths: tuple[str, ...]) -> str:
    return ", ".join(map(_short, paths))
