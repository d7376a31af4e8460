"""Verdicts in words a person understands: the line for `status`, the evidence, the rule, and what happens next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from supervisor_healer.core.actions import Actions
from supervisor_healer.core.causes import Causes, Way
from supervisor_healer.core.diagnosis import Judgement
from supervisor_healer.core.examination import InputView, OutputView
from supervisor_healer.core.memory import Stage
from supervisor_healer.core.model import Freshness, Health, Now
from supervisor_healer.core.orders import Note
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.verdicts import FileVerdict, Verdict
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import NAMES_SHOWN, ago, clean_but_tokens, counted, duration, listed, some, until

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

LINKS_SHOWN = 6  # steps of a long chain that are shown before its root

#: States in which those downstream are affected, or may be soon.
TROUBLE = frozenset([Health.STALLED, Health.DOWN, Health.QUARANTINED, Health.HEALING, Health.VERIFYING, Health.BLOCKED])

#: Trouble that ends without any restart of ours, if it ends from one of these.
CURED_BY_ITSELF = frozenset({Health.DOWN, Health.STALLED, Health.BLOCKED, Health.CATCHING_UP})


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that one worker's verdict is made of. `refusal`: why it is not treated, until `next_attempt` (mono)."""

    patient: Patient
    judged: Judgement
    state: Health
    causes: Causes
    refusal: str
    next_attempt: float | None
    budget_left: int

    def fingerprint(self, ward: Ward) -> tuple[object, ...]:
        """Equal as long as the words of the verdict would be the same: most looks change nothing."""
        memory, judged = self.patient.memory, self.judged
        budget, attempt, incident = memory.budget, memory.attempt, memory.budget.incident
        paths = (*(view.path for view in judged.outputs), *(view.item.path for view in judged.inputs))
        return (
            self.state, judged.state, judged.reason, judged.waits, self.causes, self.refusal, self.next_attempt,
            self.budget_left, ward.distrusted, self.patient.process, memory.unmonitored_until, memory.last_heal,
            [(view.standing.freshness, view.standing.counts, view.pending) for view in judged.outputs],
            [(view.standing.freshness, view.idle, view.held_since) for view in judged.inputs],
            [
                (track.aged_from, track.present, track.problem, track.placeholder, track.ground)
                for track in map(ward.tracks.__getitem__, paths)
            ],
            memory.wish and memory.wish.reason,
            [ward.state(root) for root in self.causes.roots if root in ward.patients],
            incident and (incident.opened, incident.attempts, incident.failed),
            budget.quarantine and budget.quarantine.retry_at,
            attempt and (attempt.stage, attempt.started, attempt.spent, len(attempt.moved)),
        )  # fmt: skip


def grounds_of(ward: Ward, name: str, now: Now, refusal: str = "", next_attempt: float | None = None) -> Grounds:
    """What the verdict on one worker rests on now."""
    patient, judged = ward.patients[name], ward.judged(name)
    causes = ward.causes(name) if judged.state in (Health.BLOCKED, Health.DOWN) else Causes()
    left = patient.memory.budget.left(now.mono, patient.spec.restarts)
    return Grounds(patient, judged, ward.state(name), causes, refusal, next_attempt, left)


def explain(ward: Ward, grounds: Grounds, since: float) -> Verdict:
    """The verdict on one worker, in words; its state has been the same `since` (wall)."""
    patient, judged, state, causes = grounds.patient, grounds.judged, grounds.state, grounds.causes
    name, reason = patient.spec.name, _reason(grounds, ward)
    outputs = tuple(file_verdict(ward, view.path, view.standing.freshness, _pending(view)) for view in judged.outputs)
    inputs = tuple(
        file_verdict(ward, view.item.path, view.standing.freshness, gate_note(view)) for view in judged.inputs
    )
    incident = patient.memory.budget.incident
    return Verdict(
        worker=name,
        state=state,
        since=since,
        reason=clean_but_tokens(reason),
        critical=ward.is_critical(name),
        address="" if patient.process is None else patient.spec.program,
        outputs=outputs,
        inputs=inputs,
        blocked_by=causes.roots,
        attempts=0 if incident is None else incident.attempts,
        budget_left=grounds.budget_left,
        next_attempt=grounds.next_attempt,
        last_heal=patient.memory.last_heal,
        grounds=tuple(map(clean_but_tokens, (f"{state}: {reason}", f"rule: {RULES[state]}", _process(patient)))),
        outlook=tuple(map(clean_but_tokens, _outlook(grounds, ward))),
    )


def evidence(ward: Ward, name: str, now: Now) -> tuple[str, ...]:
    """What was seen of one worker, which rule applies, and what follows, line by line."""
    return explain(ward, grounds_of(ward, name, now), now.wall).evidence


def _outlook(grounds: Grounds, ward: Ward) -> list[str]:
    """The chains to the roots, who is affected, what is used up, and what happens next."""
    spec, memory = grounds.patient.spec, grounds.patient.memory
    lines = [*chains(ward, spec.name, grounds.causes, grounds.judged.inputs)]
    if grounds.state in TROUBLE:
        lines.append("affects: " + (some(*ward.pipeline.reach.of(spec.name, NAMES_SHOWN)) or "nobody downstream"))
    incident = memory.budget.incident
    if incident is not None:
        lines.append(
            f"incident: attempts {incident.attempts}, failed {incident.failed} of at most {spec.attempts},"
            f" opened {ago(incident.opened)} ago"
        )
    lines.append(
        f"budget: {grounds.budget_left} of {spec.restarts.max} restarts left in {duration(spec.restarts.within)}"
    )
    if memory.wish is not None:
        lines.append(f"a restart is wanted: {memory.wish.reason}; {grounds.refusal or 'it comes next'}")
    if memory.last_heal.outcome:
        lines.append(f"last attempt: {memory.last_heal.outcome}: {memory.last_heal.reason}")
    lines.append(f"next: {_next_step(grounds)}")
    return lines


def _reason(grounds: Grounds, ward: Ward) -> str:
    judged, state, memory = grounds.judged, grounds.state, grounds.patient.memory
    attempt, process = memory.attempt, grounds.patient.process
    beneath = f"{judged.state}: {judged.reason}"
    if state is Health.UNKNOWN and ward.distrusted:
        return ward.distrusted
    if state is Health.UNMONITORED:
        end = "" if memory.unmonitored_until is None else f" for another {until(memory.unmonitored_until)}"
        return f"by an operator{end}; {beneath}"
    if state is Health.HEALING and attempt is not None:
        return f"{attempt.stage.value} ({attempt.reason})"
    if state is Health.VERIFYING and attempt is not None:
        if not grounds.patient.spec.outputs:
            return f"restarted {ago(attempt.started)} ago, must stay up"
        owed = [path for path in attempt.owed or grounds.patient.spec.outputs if path not in attempt.moved]
        return f"restarted {ago(attempt.started)} ago, waits for new output in {listed(owed)}"
    if state is Health.QUARANTINED and memory.budget.quarantine is not None:
        return f"probe in {until(memory.budget.quarantine.retry_at)}; {beneath}"
    if grounds.causes.roots and state in (Health.BLOCKED, Health.DOWN):
        died = f"process {process.state}, " if state is Health.DOWN and process is not None else ""
        return f"{died}by {listed(grounds.causes.roots)}: {listed(map(ward.diagnosis.aged, judged.not_fresh))}"
    if grounds.refusal and state in (Health.STALLED, Health.DOWN):
        return f"{judged.reason}; {grounds.refusal}"
    return "; ".join([judged.reason, *_beneath_outputs(grounds, ward)])


def _beneath_outputs(grounds: Grounds, ward: Ward) -> Iterator[str]:
    """What is wrong with the file systems under its outputs: it may not show in any age yet."""
    for path in grounds.patient.spec.outputs:
        if ward.tracks[path].ground:
            yield f"{ward.tracks[path].ground} under {path}"


def _next_step(grounds: Grounds) -> str:
    """What happens next, and when."""
    state, memory, judged, spec = grounds.state, grounds.patient.memory, grounds.judged, grounds.patient.spec
    attempt, quarantine = memory.attempt, memory.budget.quarantine
    if state in (Health.BLOCKED, Health.DOWN) and judged.not_fresh:
        then = "it is started at once"
        if state is Health.BLOCKED:
            then = "it may catch up, and is restarted only if it does not"
        return f"when {listed(judged.not_fresh)} is fresh again (see {listed(grounds.causes.roots)}) {then}"
    if state is Health.HEALING and attempt is not None:
        return "the start" if attempt.stage is Stage.STOPPING else "RUNNING, then the proof by new output"
    if state is Health.VERIFYING and attempt is not None:
        left = max(0.0, attempt.verify_within - attempt.spent)
        return f"new output heals it; without any after {duration(left)} of pending work this attempt has failed"
    if state is Health.QUARANTINED and quarantine is not None:
        return f"a probe in {until(quarantine.retry_at)}; `{Actions.heal(spec.name)}` releases it now"
    if grounds.refusal and state in (Health.STALLED, Health.DOWN):
        return f"not restarted yet: {grounds.refusal}"
    return {
        Health.UNKNOWN: "it is judged as soon as there is evidence",
        Health.STOPPED: f"nothing, until somebody starts it (`supervisorctl start {spec.program}`)",
        Health.UNMONITORED: f"nothing, until `{Actions.monitor(spec.name)}`",
        Health.STARTING: "its first output, or the end of its grace",
        Health.HEALTHY: "nothing",
        Health.IDLE: "nothing, until an input moves",
        Health.LATE: "new output, or it becomes stale",
        Health.CATCHING_UP: f"its own output, or a restart: {'; '.join(judged.waits)}",
        Health.STALLED: "a restart",
        Health.DOWN: "a start",
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


def gate_note(view: InputView) -> str:
    """What the gate adds to an input."""
    if not view.item.required:
        return "not required"
    if view.idle:
        return "its producer is idle: as new as it can be"
    return "" if view.held_since is None else f"in order for {ago(view.held_since)}"


def file_verdict(ward: Ward, path: str, freshness: Freshness, note: str) -> FileVerdict:
    """A file as it stands, with what is to be said of it."""
    track = ward.tracks[path]
    producer = ", ".join(ward.pipeline.producers[path])
    made = "only the healer has written it, which is no progress" if track.placeholder else ""
    rotated = track.gone_since is not None and freshness not in (Freshness.MISSING, Freshness.UNKNOWN)
    away = f"not there for {ago(track.gone_since)}" if rotated and track.gone_since is not None else ""
    note = ", ".join(filter(None, (note, made, away, track.problem, track.ground)))
    spec, config = track.spec, path in ward.pipeline.configs
    return FileVerdict(
        path, freshness, track.aged_from, spec.max_age, spec.grace, producer, note, spec.critical, config, track.ground
    )


def chains(ward: Ward, name: str, causes: Causes, views: Iterable[InputView]) -> Iterator[str]:
    """A line for each of the nearest roots; `views` are the inputs of `name`, which may be a consumer."""
    for way in causes.ways:
        yield "chain: " + " <- ".join(_links(ward, name, way, views))
    if len(causes.roots) > len(causes.ways):
        yield f"and {counted(len(causes.roots) - len(causes.ways), 'more root')}"


def _links(ward: Ward, name: str, way: Way, views: Iterable[InputView]) -> Iterator[str]:
    """``ensemble_predictor <- logs/predictive_signals.jsonl (stale, 12m old) <- predictive_engine (stalled)``."""
    yield name
    trail = ward.trail(way)
    for _, path, source in islice(trail, LINKS_SHOWN):
        track = ward.tracks[path]
        freshness = next(view.standing.freshness for view in views if view.item.path == path)
        yield f"{path} ({freshness}" + (")" if track.aged_from is None else f", {ago(track.aged_from)} old)")
        if source:
            yield f"{source} ({ward.state(source)})"
            views = ward.judged(source).inputs
    if next(trail, None) is not None:
        yield from ("...", way.root)


def headline(before: Verdict | None, verdict: Verdict) -> Note | None:
    """The line of history, or of the log, that a change of state deserves."""
    said = f"{verdict.state}: {verdict.reason}"
    if verdict.state in (Health.STALLED, Health.DOWN):
        return Note(verdict.worker, "convicted", said, verdict.evidence)
    if verdict.state is Health.BLOCKED:
        return Note(verdict.worker, "blocked", said, verdict.evidence)
    change = said if before is None else f"{before.state} -> {said}"
    if verdict.state is Health.STOPPED:
        return Note(verdict.worker, "stopped", change)
    if before is None:
        return None if verdict.state is Health.UNKNOWN else Note(verdict.worker, "verdict", said)
    if verdict.state in (Health.HEALTHY, Health.IDLE) and before.state in CURED_BY_ITSELF:
        was = f"by itself, was {before.state}: {before.reason}"
        return Note(verdict.worker, "recovered", was, verdict.evidence)
    return Note(verdict.worker, "started" if before.state is Health.STOPPED else "verdict", change)
