"""What is wrong with one worker, by the table of the design: the first row that matches is its state.

This is the judgement from the evidence alone. What an operator wants (unmonitored), what is under way (healing,
verifying) and what is used up (quarantined) is laid over it by the ward, in the table's order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.examination import Case, Examination, InputView, OutputView
from supervisor_healer.core.freshness import INFINITE, NEVER, Track
from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import Freshness, Health, Now, ProcessState
from supervisor_healer.core.patient import Patient
from supervisor_healer.words import ago, duration, listed, until

LONG_LIFE = 3  # times as long as those before it: a process that lives so long has settled

#: States in which there is nothing to heal.
FINE = frozenset({Health.HEALTHY, Health.IDLE, Health.LATE, Health.STARTING})


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
    changes_at: float = INFINITE
    waits: tuple[str, ...] = ()

    @property
    def may_be_healed(self) -> bool:
        """Whether the evidence convicts: stalled, or down with every required input fresh."""
        return self.state is Health.STALLED or (self.state is Health.DOWN and not self.not_fresh)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a row of the table says; `changes` are moments at which it may stop to hold, besides the files' own."""

    state: Health
    reason: str
    changes: tuple[float, ...] = ()
    convicted: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


class Diagnosis:
    """Judges workers by what an examination sees of them."""

    def __init__(self, examination: Examination, tracks: Mapping[str, Track], limits: Limits) -> None:
        self._examination = examination
        self._tracks = tracks
        self._limits = limits
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
        case = self._examination.examine(patient, now, operator=operator)
        finding = next(found for row in self._rows if (found := row(case)) is not None)  # the last row always finds
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
            min(changes, default=INFINITE),
            finding.waits,
        )

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
        settled = _has_settled(case)
        first = start.mono if memory.first_start is None or settled else memory.first_start
        produced = self._examination.has_produced(patient)
        excuse_ends = first + grace + self._limits.longest_limit(patient.spec.outputs, grace)
        looping = not produced and not settled and _has_changed(case)
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
        elif case.now.mono < (end := self._chance_ends(case, max_age)):
            found.append((f"its process has not had the work for {duration(max_age)} yet", end))
        for source in case.inputs:
            if source.item.required and (obstacle := self._unconfirmed(case, view.path, source)) is not None:
                found.append(obstacle)
        return found

    def _chance_ends(self, case: Case, max_age: float) -> float:
        """Until when a process that came up well may be at work on what was pending before its start.

        One that has not outlived its start-up grace has no such chance, for it is excused by that; nor has one after
        others that brought nothing either, or a crash loop would have one chance after another.
        """
        spec, start = case.patient.spec, case.patient.start
        if start is None or case.now.mono < start.mono + self._limits.startup_grace(spec):
            return NEVER
        if _has_changed(case) and not _has_settled(case) and not self._examination.has_produced(case.patient):
            return NEVER
        return start.mono + min(max_age, self._limits.verify_within(spec, case.stale))

    def unconfirmed(self, patient: Patient, now: Now) -> tuple[str, float] | None:
        """Why a restart that its outputs do not ask for must wait for an input: in words, and until when (mono).

        None: every required input is confirmed fresh. A config need only be valid now: it was changed a moment ago.
        """
        case = self._examination.examine(patient, now)
        if case.not_fresh:
            return f"waits for {_listed(case.not_fresh)}", INFINITE
        for source in case.inputs:
            if source.item.required and self._tracks[source.item.path].spec.max_age is not None:
                for output in patient.spec.outputs or ("",):
                    if (obstacle := self._unconfirmed(case, output, source)) is not None:
                        return obstacle
        return None

    def _unconfirmed(self, case: Case, output: str, source: InputView) -> tuple[str, float] | None:
        if source.healing:
            return f"{source.healing} is being restarted", INFINITE
        if source.idle:
            return None
        name = short(source.item.path)
        if source.held_since is None:
            return f"{name} has not moved since its producer's restart", INFINITE
        end = source.held_since + self._limits.catch_up(case.patient.spec, output, source.item)
        if case.now.mono >= end:
            return None
        return f"{name} in order for {ago(source.held_since)}, confirmed in {until(end)}", end

    def aged(self, path: str) -> str:
        """A file, its age and its limit in words: ``ensemble_predictions.jsonl 41h old (max 5m)``."""
        track = self._tracks[path]
        limit = "" if track.spec.max_age is None else f" (max {duration(track.spec.max_age)})"
        if track.problem or track.looked is None:
            return f"{short(path)} {track.problem or 'not looked at yet'}"
        if track.aged_from is None:
            return f"{short(path)} missing{limit}"
        gone = "" if track.present else " when last seen"
        return f"{short(path)} {ago(track.aged_from)} old{gone}{limit}"


def _has_changed(case: Case) -> bool:
    """Whether its process is another one than that from whose start its grace counts."""
    process = case.patient.process
    return process is not None and case.patient.memory.first_pid not in (process.pid, 0)


def _has_settled(case: Case) -> bool:
    """Whether its process has long outlived those before it, so that their crashes say nothing of it any more."""
    memory, start = case.patient.memory, case.patient.start
    if start is None or memory.first_start is None or not memory.more_starts:
        return False
    usual_life = (start.mono - memory.first_start) / memory.more_starts
    return case.now.mono - start.mono > LONG_LIFE * usual_life


def short(path: str) -> str:
    """The last part of a path."""
    return path.rsplit("/", 1)[-1]


def _listed(paths: tuple[str, ...]) -> str:
    return listed(map(short, paths))
