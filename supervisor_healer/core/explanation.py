"""Verdicts in words a person understands: the line for `status`, the evidence, the rule, and what happens next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.diagnosis import Judgement, OutputView, Patient
from supervisor_healer.core.freshness import Track
from supervisor_healer.core.memory import Stage
from supervisor_healer.core.model import FileVerdict, Freshness, Health, Note, Now, Verdict
from supervisor_healer.core.pipeline import Pipeline
from supervisor_healer.words import ago, clean_but_tokens, duration, until

#: The rule that each state stands for, as `explain` prints it.
RULES: Mapping[Health, str] = {
    Health.UNKNOWN: "without evidence that can be trusted nothing is done",
    Health.STOPPED: "what an operator has stopped is never touched",
    Health.UNMONITORED: "an operator said `unmonitor`: it is watched, and not acted on",
    Health.HEALING: "a restart is under way: it is followed to its end, also by a healer that starts anew",
    Health.VERIFYING: "it is healed when new output has appeared after the restart",
    Health.QUARANTINED: "attempts or restarts are used up: a person is needed, meanwhile there are rare probes",
    Health.DOWN: "a dead process is started as soon as every required input is fresh",
    Health.STARTING: "a process that has just started may take its start-up grace",
    Health.HEALTHY: "it runs, and every output is fresh",
    Health.IDLE: "an output is old, but no input has moved since: it has nothing to do",
    Health.LATE: "an output is over its max_age, but not yet over its grace",
    Health.BLOCKED: "an output is stale, but so is a required input: a restart would not help",
    Health.CATCHING_UP: "its inputs are fresh, but not for long enough: it may still catch up by itself",
    Health.STALLED: "an output is stale, work is pending, and every required input is confirmed fresh",
}

#: States that say that something is wrong with a worker.
TROUBLE = frozenset(
    {
        Health.DOWN,
        Health.STALLED,
        Health.BLOCKED,
        Health.CATCHING_UP,
        Health.QUARANTINED,
        Health.HEALING,
        Health.VERIFYING,
    }
)


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that one worker's verdict is made of."""

    patient: Patient
    judged: Judgement
    state: Health
    roots: tuple[str, ...]
    trail: tuple[str, ...]
    critical: bool
    refusal: str
    next_attempt: float | None
    clock_trouble: str


def explain(
    grounds: Grounds,
    pipeline: Pipeline,
    tracks: Mapping[str, Track],
    state_of: Callable[[str], Health],
    aged: Callable[[str], str],
    now: Now,
) -> Verdict:
    """The verdict on one worker, in words; `aged` puts a file and its age into words."""
    patient, judged, state = grounds.patient, grounds.judged, grounds.state
    spec, memory = patient.spec, patient.memory
    reason = _reason(grounds, aged)
    next_step = _next_step(grounds)
    outputs = tuple(
        _file(pipeline, tracks[view.path], view.standing.freshness, _pending(view)) for view in judged.outputs
    )
    inputs = tuple(
        _file(
            pipeline,
            tracks[view.item.path],
            view.standing.freshness,
            _gate(view.idle, view.held_since, view.item.required),
        )
        for view in judged.inputs
    )
    evidence = [f"{state}: {reason}", f"rule: {RULES[state]}", _process(patient)]
    evidence += [_line("output", verdict, tracks[verdict.path]) for verdict in outputs]
    evidence += [_line("input", verdict, tracks[verdict.path]) for verdict in inputs]
    if grounds.trail:
        evidence.append("chain: " + _chain(grounds.trail, pipeline, tracks, state_of, now))
    incident = memory.budget.incident
    if incident is not None:
        evidence.append(
            f"incident: attempts {incident.attempts}, failed {incident.failed} of at most {spec.attempts},"
            f" opened {ago(incident.opened)} ago"
        )
    left = memory.budget.left(now.mono, spec.restarts)
    evidence.append(f"budget: {left} of {spec.restarts.max} restarts left in {duration(spec.restarts.within)}")
    if memory.last_heal.outcome:
        evidence.append(f"last attempt: {memory.last_heal.outcome}: {memory.last_heal.reason}")
    evidence.append(f"next: {next_step}")
    return Verdict(
        worker=spec.name,
        state=state,
        since=now.wall,
        reason=clean_but_tokens(reason),
        critical=grounds.critical,
        address=spec.program if patient.process is not None else "",
        outputs=outputs,
        inputs=inputs,
        blocked_by=grounds.roots,
        attempts=0 if incident is None else incident.attempts,
        budget_left=left,
        next_attempt=grounds.next_attempt,
        last_heal=memory.last_heal,
        evidence=tuple(map(clean_but_tokens, evidence)),
        next_step=clean_but_tokens(next_step),
    )


def _reason(grounds: Grounds, aged: Callable[[str], str]) -> str:
    judged, state, memory = grounds.judged, grounds.state, grounds.patient.memory
    attempt = memory.attempt
    beneath = f"{judged.state}: {judged.reason}"
    if state is Health.UNKNOWN and grounds.clock_trouble:
        return grounds.clock_trouble
    if state is Health.UNMONITORED:
        end = "" if memory.unmonitored_until is None else f" for another {until(memory.unmonitored_until)}"
        return f"by an operator{end}; {beneath}"
    if state is Health.HEALING and attempt is not None:
        return f"{attempt.stage.value} ({attempt.reason})"
    if state is Health.VERIFYING and attempt is not None:
        if not grounds.patient.spec.outputs:
            return f"restarted {ago(attempt.started)} ago, must stay up"
        owed = [path for path in attempt.owed if path not in attempt.moved] or list(grounds.patient.spec.outputs)
        return f"restarted {ago(attempt.started)} ago, waits for new output in {', '.join(owed)}"
    if state is Health.QUARANTINED and memory.budget.quarantine is not None:
        return f"probe in {until(memory.budget.quarantine.retry_at)}; {beneath}"
    if grounds.roots and state in (Health.BLOCKED, Health.DOWN):
        files = ", ".join(map(aged, judged.not_fresh))
        return f"{'process ' + str(grounds.patient.process.state) + ', ' if state is Health.DOWN and grounds.patient.process else ''}by {', '.join(grounds.roots)}: {files}"
    if grounds.refusal and state in (Health.STALLED, Health.DOWN):
        return f"{judged.reason}; {grounds.refusal}"
    return judged.reason


def _next_step(grounds: Grounds) -> str:
    """What happens next, and when."""
    state, memory, judged = grounds.state, grounds.patient.memory, grounds.judged
    roots = ", ".join(grounds.roots)
    if state in (Health.BLOCKED, Health.DOWN) and judged.not_fresh:
        then = (
            "it is started at once" if state is Health.DOWN else "it may catch up, and is restarted only if it does not"
        )
        return f"when {', '.join(judged.not_fresh)} is fresh again (see {roots}) {then}"
    if state is Health.HEALING and memory.attempt is not None:
        return "the start" if memory.attempt.stage is Stage.STOPPING else "RUNNING, then the proof by new output"
    if state is Health.VERIFYING and memory.attempt is not None:
        left = max(0.0, memory.attempt.verify_within - memory.attempt.spent)
        return f"new output heals it; without any after {duration(left)} of pending work this attempt has failed"
    if state is Health.QUARANTINED and memory.budget.quarantine is not None:
        name = grounds.patient.spec.name
        return f"a probe in {until(memory.budget.quarantine.retry_at)}; `supervisorctl heal {name}` releases it now"
    if grounds.refusal and state in (Health.STALLED, Health.DOWN):
        return f"not restarted yet: {grounds.refusal}"
    return {
        Health.UNKNOWN: "it is judged as soon as there is evidence",
        Health.STOPPED: f"nothing, until somebody starts it (`supervisorctl start {grounds.patient.spec.program}`)",
        Health.UNMONITORED: f"nothing, until `supervisorctl monitor {grounds.patient.spec.name}`",
        Health.STARTING: "its first output, or the end of its grace",
        Health.HEALTHY: "nothing",
        Health.IDLE: "nothing, until an input moves",
        Health.LATE: "new output, or it becomes stale",
        Health.CATCHING_UP: f"its own output, or a restart: {'; '.join(judged.waits)}",
        Health.STALLED: "a restart",
        Health.DOWN: "a start",
        Health.BLOCKED: "fresh inputs",
    }[state]


def _process(patient: Patient) -> str:
    process = patient.process
    if process is None:
        return "process: none"
    since = "" if patient.start is None else f", started {ago(patient.start.mono)} ago"
    return f"process: {process.address} {process.state}" + (f" pid {process.pid}{since}" if process.pid else "")


def _pending(view: OutputView) -> str:
    if view.standing.counts is Freshness.FRESH:
        return ""
    return "no work pending" if view.pending is None else f"work pending for {ago(view.pending)}"


def _gate(idle: bool, held_since: float | None, required: bool) -> str:
    if not required:
        return "not required"
    if idle:
        return "its producer is idle: as new as it can be"
    return "" if held_since is None else f"in order for {ago(held_since)}"


def _file(pipeline: Pipeline, track: Track, freshness: Freshness, note: str) -> FileVerdict:
    spec = track.spec
    producer = ", ".join(pipeline.producers[spec.path])
    return FileVerdict(spec.path, freshness, track.aged_from, spec.max_age, spec.grace, producer, note)


def _line(kind: str, verdict: FileVerdict, track: Track) -> str:
    age = "" if verdict.aged_from is None else f", {ago(verdict.aged_from)} old"
    limit = "" if verdict.max_age is None else f" (max {duration(verdict.max_age)} + {duration(verdict.grace)} grace)"
    source = "" if kind == "output" else f", from {verdict.producer or 'outside'}"
    note = f", {verdict.note}" if verdict.note else ""
    problem = f", {track.problem}" if track.problem else ""
    return f"{kind}: {verdict.path} {verdict.freshness}{age}{limit}{source}{note}{problem}"


def _chain(
    trail: tuple[str, ...],
    pipeline: Pipeline,
    tracks: Mapping[str, Track],
    state_of: Callable[[str], Health],
    now: Now,
) -> str:
    """``ensemble_predictor <- logs/predictive_signals.jsonl (stale, 12m old) <- predictive_engine (stalled)``."""
    words = []
    for place, name in enumerate(trail):
        if name in tracks and (name not in pipeline.workers or place % 2):
            track = tracks[name]
            age = "" if track.aged_from is None else f", {ago(track.aged_from)} old"
            words.append(f"{name} ({track.as_input(now).freshness}{age})")
        else:
            words.append(f"{name} ({state_of(name)})" if place else name)
    return " <- ".join(words)


def headline(before: Verdict | None, verdict: Verdict) -> Note | None:
    """The line of history, or of the log, that a change of state deserves."""
    said = f"{verdict.state}: {verdict.reason}"
    if verdict.state in (Health.STALLED, Health.DOWN):
        return Note(verdict.worker, "convicted", said, verdict.evidence)
    if verdict.state is Health.BLOCKED:
        return Note(verdict.worker, "blocked", said, verdict.evidence)
    if before is None:
        return None if verdict.state is Health.UNKNOWN else Note(verdict.worker, "verdict", said)
    if verdict.state in (Health.HEALTHY, Health.IDLE) and before.state in TROUBLE:
        if before.state not in (Health.HEALING, Health.VERIFYING, Health.QUARANTINED):
            return Note(verdict.worker, "recovered", f"by itself, was {before.state}: {before.reason}")
    return Note(verdict.worker, "verdict", f"{before.state} -> {said}")
