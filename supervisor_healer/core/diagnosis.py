"""What is wrong with one worker, by the table of the design: the first row that matches is its state.

This is the judgement from the evidence alone. What an operator wants (unmonitored), what is under way (healing,
verifying) and what is used up (quarantined) is laid over it by the ward, in the table's order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.freshness import INFINITE, NEVER, Standing, Track
from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import Freshness, Health, InputSpec, Now, ProcessState
from supervisor_healer.core.patient import Patient
from supervisor_healer.words import ago, duration, until

#: States in which there is nothing to heal.
FINE = frozenset({Health.HEALTHY, Health.IDLE, Health.LATE, Health.STARTING})


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
    change this judgement; `waits`: what a conviction still waits for, in words.
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

    @property
    def may_be_healed(self) -> bool:
        """Whether the evidence convicts: stalled, or down with every required input fresh."""
        return self.state is Health.STALLED or (self.state is Health.DOWN and not self.not_fresh)


@dataclass(frozen=True, slots=True)
class Case:
    """All that one judgement rests on. `operator`: for an explicit heal, by one look and without the inputs' hold."""

    patient: Patient
    now: Now
    operator: bool
    outputs: tuple[OutputView, ...]
    inputs: tuple[InputView, ...]
    owing: tuple[OutputView, ...]
    stale: tuple[str, ...]
    not_fresh: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a row of the table says; `changes` are moments at which it may stop to hold, besides the files' own."""

    state: Health
    reason: str
    changes: tuple[float, ...] = ()
    convicted: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


class Diagnosis:
    """Judges workers by their tracks. `producers` names who writes a path, `state_of` gives a producer's state."""

    def __init__(
        self,
        tracks: Mapping[str, Track],
        limits: Limits,
        producers: Callable[[str], tuple[Patient, ...]],
        state_of: Callable[[str], Health],
    ) -> None:
        self._tracks = tracks
        self._limits = limits
        self._producers = producers
        self._state_of = state_of
        self._rows: tuple[Callable[[Case], Finding | None], ...] = (
            self._unknown,
            self._stopped,
            self._down,
            self._starting,
            self._unreadable,
            self._without_outputs,
            self._healthy,
            self._idle,
            self._late,
            self._blocked,
            self._stalled,
        )

    def judge(self, patient: Patient, now: Now, *, operator: bool = False) -> Judgement:
        """The first row of the table that matches, from `unknown` to `stalled`, without what is laid over it."""
        case = self._case(patient, now, operator)
        for row in self._rows:
            finding = row(case)
            if finding is not None:
                break
        assert finding is not None  # the last row always finds
        changes = [view.standing.changes_at for view in case.outputs]
        if finding.state is not Health.HEALTHY:
            changes += [view.standing.changes_at for view in case.inputs]
            changes += finding.changes
        return Judgement(
            finding.state,
            finding.reason,
            case.outputs,
            case.inputs,
            case.stale,
            finding.convicted,
            case.not_fresh,
            any(view.pending is not None for view in case.outputs),
            min(changes, default=INFINITE),
            finding.waits,
        )

    # --- the evidence ------------------------------------------------------------------------------------------

    def _case(self, patient: Patient, now: Now, operator: bool) -> Case:
        outputs = self._outputs(patient, now, operator)
        inputs = tuple(self._input(item, now) for item in patient.spec.inputs)
        return Case(
            patient,
            now,
            operator,
            outputs,
            inputs,
            owing=tuple(view for view in outputs if view.standing.counts is not Freshness.FRESH),
            stale=tuple(view.path for view in outputs if view.standing.counts is Freshness.STALE),
            not_fresh=tuple(view.item.path for view in inputs if view.item.required and not view.fresh),
        )

    def _outputs(self, patient: Patient, now: Now, one_look: bool) -> tuple[OutputView, ...]:
        floor = None
        if patient.start is not None:
            grace = self._limits.startup_grace(patient.spec)
            floor = Now(patient.start.wall + grace, patient.start.mono + grace)
        return tuple(
            OutputView(
                path,
                self._tracks[path].as_output(now, floor=floor, one_look=one_look),
                self._pending_since(patient, path),
            )
            for path in patient.spec.outputs
        )

    def _input(self, item: InputSpec, now: Now) -> InputView:
        """One whose only producers are idle is as new as it can be."""
        track = self._tracks[item.path]
        standing = track.as_input(now)
        producers = self._producers(item.path)
        idle = (
            standing.counts in (Freshness.FRESH, Freshness.LATE, Freshness.STALE)
            and bool(producers)
            and all(self._state_of(producer.spec.name) is Health.IDLE for producer in producers)
        )
        healing = next((producer.spec.name for producer in producers if producer.under_way), "")
        return InputView(item, standing, standing.counts is Freshness.FRESH or idle, idle, track.held_since, healing)

    def _pending_since(self, patient: Patient, path: str) -> float | None:
        if self._limits.triggers(patient.spec):
            known = patient.memory.pending.get(path)
            return None if known is None else known[0]
        track = self._tracks[path]
        start = NEVER if patient.start is None else patient.start.mono
        return track.moved_mono if track.mtime is not None else max(track.first_look, start)

    def note_pending(self, patient: Patient) -> None:
        """Remember the first move of a triggering input after each output that a look has found."""
        pending = patient.memory.pending
        for path in [path for path in pending if path not in patient.spec.outputs]:
            del pending[path]
        triggers = [self._tracks[path] for path in self._limits.triggers(patient.spec)]
        for path in patient.spec.outputs:
            output = self._tracks[path]
            if path in pending and pending[path][1] != output.mtime:
                del pending[path]
            if path not in pending and output.looked is not None:
                moves = [track.moved_mono for track in triggers if _moved_after(track, output, patient)]
                if moves:
                    pending[path] = (min(moves), output.mtime)

    def has_produced(self, patient: Patient) -> bool:
        """Whether any of its outputs has moved since the start from which its start-up grace counts."""
        memory = patient.memory
        if memory.first_start is None:
            return False
        first, wall = memory.first_start, memory.first_start_wall
        return any(self._tracks[path].moved_since(wall, first) for path in patient.spec.outputs)

    # --- the rows of the table -----------------------------------------------------------------------------------

    def _unknown(self, case: Case) -> Finding | None:
        patient = case.patient
        if patient.problem or patient.process is None:
            why = patient.problem or f"supervisord has no program {patient.spec.program}"
            return Finding(Health.UNKNOWN, why)
        if patient.process.state is ProcessState.UNKNOWN:
            return Finding(Health.UNKNOWN, "supervisord does not know the state of its process")
        return None

    def _stopped(self, case: Case) -> Finding | None:
        if not case.patient.is_stopped:
            return None
        never = case.patient.start is None
        return Finding(Health.STOPPED, "never started (autostart=false)" if never else "stopped by an operator")

    def _down(self, case: Case) -> Finding | None:
        """Not by an operator, and supervisord will not restart it. It needs no evidence of its outputs."""
        process = case.patient.process
        assert process is not None
        if not (case.patient.is_down or process.state is ProcessState.STOPPING):
            return None
        gate = f"; waits for {_listed(case.not_fresh)}" if case.not_fresh else ""
        return Finding(Health.DOWN, f"process {process.state}{gate}")

    def _starting(self, case: Case) -> Finding | None:
        """It may still be coming up; none the less it is judged by its outputs once that is no excuse any more."""
        patient, now = case.patient, case.now
        process, memory, start = patient.process, patient.memory, patient.start
        assert process is not None
        if patient.is_done or start is None:
            return None
        grace = self._limits.startup_grace(patient.spec)
        first = start.mono if memory.first_start is None else memory.first_start
        produced = self.has_produced(patient)
        excuse_ends = first + grace + self._limits.longest_limit(patient.spec.outputs, grace)
        looping = not produced and memory.first_pid not in (process.pid, 0)
        if looping and now.mono >= excuse_ends and (case.owing or not case.outputs):
            return None
        if process.state is not ProcessState.RUNNING:
            return Finding(Health.STARTING, f"process {process.state}", (excuse_ends,) if looping else ())
        if patient.spec.outputs:
            if not produced and now.mono < first + grace:
                reason = f"up for {ago(start.mono)}, no output yet (grace {duration(grace)})"
                return Finding(Health.STARTING, reason, (first + grace,))
        elif now.mono < start.mono + grace:
            reason = f"up for {ago(start.mono)} (healthy after {duration(grace)})"
            return Finding(Health.STARTING, reason, (start.mono + grace,))
        return None

    def _unreadable(self, case: Case) -> Finding | None:
        for view in case.outputs:
            if view.standing.counts is Freshness.UNKNOWN:
                problem = self._tracks[view.path].problem or "not looked at yet"
                return Finding(Health.UNKNOWN, f"{short(view.path)}: {problem}")
        return None

    def _without_outputs(self, case: Case) -> Finding | None:
        """Nothing to be measured by but its process: up for its grace, or restarting for ever."""
        patient = case.patient
        if case.outputs:
            return None
        grace = self._limits.startup_grace(patient.spec)
        steady = patient.is_done or (patient.start is not None and case.now.mono >= patient.start.mono + grace)
        if patient.runs and steady:
            return Finding(Health.HEALTHY, "it runs, and has no outputs to be judged by")
        if case.not_fresh:
            return Finding(Health.BLOCKED, f"waits for {_listed(case.not_fresh)}")
        return Finding(Health.STALLED, "crash loop: it never stays up for its start-up grace")

    def _healthy(self, case: Case) -> Finding | None:
        return None if case.owing else Finding(Health.HEALTHY, "every output is fresh")

    def _idle(self, case: Case) -> Finding | None:
        if case.not_fresh or any(view.pending is not None for view in case.owing):
            return None
        return Finding(Health.IDLE, f"{self.aged(case.owing[0].path)}; nothing to do: no input has moved since")

    def _late(self, case: Case) -> Finding | None:
        return None if case.stale else Finding(Health.LATE, self.aged(case.owing[0].path))

    def _blocked(self, case: Case) -> Finding | None:
        return Finding(Health.BLOCKED, f"waits for {_listed(case.not_fresh)}") if case.not_fresh else None

    def _stalled(self, case: Case) -> Finding:
        """An output is stale and every required input fresh now: stalled if it had the time and the work."""
        convicted: list[str] = []
        waits: list[tuple[str, float]] = []
        for view in case.outputs:
            if view.path not in case.stale:
                continue
            obstacles = self._obstacles(case, view)
            waits += obstacles
            if not obstacles:
                convicted.append(view.path)
        if convicted:
            process = case.patient.process
            runs = case.patient.is_done or (process is not None and process.state is ProcessState.RUNNING)
            reason = self.aged(convicted[0]) if runs else f"crash loop: {self.aged(convicted[0])}"
            return Finding(Health.STALLED, reason, convicted=tuple(convicted))
        words = tuple(dict.fromkeys(text for text, _ in waits))
        reason = f"{self.aged(case.stale[0])}; {words[0]}"
        return Finding(Health.CATCHING_UP, reason, tuple(moment for _, moment in waits), waits=words)

    def _obstacles(self, case: Case, view: OutputView) -> list[tuple[str, float]]:
        """What keeps a stale output from convicting yet: (in words, the mono moment at which it ends)."""
        if view.pending is None:
            return [(f"no work is pending for {short(view.path)}", INFINITE)]
        if case.operator:
            return []
        found: list[tuple[str, float]] = []
        max_age = self._tracks[view.path].spec.max_age or 0.0
        if case.now.mono < (end := view.pending + max_age):
            found.append((f"work pending for {ago(view.pending)}, convicts after {duration(max_age)}", end))
        for source in case.inputs:
            if source.item.required and (obstacle := self._unconfirmed(case, view, source)) is not None:
                found.append(obstacle)
        return found

    def _unconfirmed(self, case: Case, view: OutputView, source: InputView) -> tuple[str, float] | None:
        if source.healing:
            return f"{source.healing} is being restarted", INFINITE
        if source.idle:
            return None
        name = short(source.item.path)
        if source.held_since is None:
            return f"{name} has not moved since its producer's restart", INFINITE
        end = source.held_since + self._limits.catch_up(case.patient.spec, view.path, source.item)
        if case.now.mono >= end:
            return None
        return f"{name} in order for {ago(source.held_since)}, confirmed in {until(end)}", end

    def aged(self, path: str) -> str:
        """A file, its age and its limit in words: ``ensemble_predictions.jsonl 41h old (max 5m)``."""
        track = self._tracks[path]
        limit = "" if track.spec.max_age is None else f" (max {duration(track.spec.max_age)})"
        if track.problem:
            return f"{short(path)} {track.problem}"
        if track.aged_from is None:
            return f"{short(path)} missing{limit}"
        gone = "" if track.present else " when last seen"
        return f"{short(path)} {ago(track.aged_from)} old{gone}{limit}"


def _moved_after(trigger: Track, output: Track, patient: Patient) -> bool:
    """Whether a trigger has moved after an output; one never seen: after the process start."""
    if output.mtime is not None:
        return trigger.moved_after(output)
    return patient.start is not None and trigger.moved_since(patient.start.wall, patient.start.mono)


def short(path: str) -> str:
    """The last part of a path."""
    return path.rsplit("/", 1)[-1]


def _listed(paths: tuple[str, ...]) -> str:
    return ", ".join(map(short, paths))
