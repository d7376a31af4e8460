"""One worker's restart, from intent to outcome. Every order is given once, and again only if it had no effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from supervisor_healer.core.budget import add_restart, moved
from supervisor_healer.core.diagnosis import FINE, Judgement
from supervisor_healer.core.explanation import evidence
from supervisor_healer.core.freshness import NEVER
from supervisor_healer.core.memory import Attempt, Stage
from supervisor_healer.core.model import Health, Now, ProcessState
from supervisor_healer.core.orders import Start, Stop
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.record import Record
from supervisor_healer.core.restart import TABLE, Do, phase
from supervisor_healer.core.triage import Triage
from supervisor_healer.core.verdicts import LastHeal
from supervisor_healer.core.verification import Proof, verify
from supervisor_healer.core.ward import Leaver, Ward
from supervisor_healer.words import listed

REORDER_AFTER = 5.0  # seconds after which an order that had no effect is given again


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ends: its word in the history, and the exit status for those who wait for it."""

    word: str
    exit_status: int


HEALED = Outcome("healed", 0)
IDLE = Outcome("idle", 0)
FAILED = Outcome("failed", 1)
ABANDONED = Outcome("abandoned", 75)

ENDS = {Proof.HEALED: HEALED, Proof.IDLE: IDLE, Proof.FAILED: FAILED}


class Audience(Protocol):
    """Those who asked for a heal and wait for it."""

    def step(self, request: str, worker: str, text: str) -> None:
        """A step of the attempt on `worker` that this request waits for."""

    def outcome(self, request: str, worker: str, status: int, reason: str) -> None:
        """What became of `worker`, as far as this request is concerned."""


class Treatment:
    """Begins attempts and takes them, turn by turn, one step further. `draw` gives uniform numbers in [0, 1)."""

    def __init__(
        self, ward: Ward, record: Record, triage: Triage, audience: Audience, draw: Callable[[], float]
    ) -> None:
        self._ward = ward
        self._record = record
        self._triage = triage
        self._audience = audience
        self._draw = draw
        self._ordered: dict[tuple[Do, str], float] = {}
        self._leaving: dict[str, Leaver] = {}

    # --- the steps ---------------------------------------------------------------------------------------------

    def begin(
        self,
        name: str,
        now: Now,
        *,
        judged: Judgement | None = None,
        request: str = "",
        forced: bool = False,
        wished: bool = False,
    ) -> None:
        """Begin an attempt on the grounds of `judged`, or of a wish; the intent is recorded before any order."""
        patient = self._ward.patients[name]
        judged = judged or self._ward.judged(name)
        memory, process = patient.memory, patient.process
        assert process is not None
        wish = memory.wish if wished else None
        reason = judged.reason if wish is None else wish.reason
        memory.wish = None  # whatever it was restarted for, it has read everything anew
        grounds = evidence(self._ward, name, now)
        attempt = memory.attempt = Attempt(
            reason=reason,
            began=now.mono,
            counted=now.mono,
            stage=Stage.STARTING if patient.is_gone else Stage.STOPPING,
            pid=process.pid,
            owed=list(judged.stale),
            any_output=not judged.stale,
            verify_within=self._ward.limits.verify_within(patient.spec, judged.stale),
            by_operator=bool(request),
            forced=forced,
            probe=memory.budget.quarantine is not None,
            wished=wished,
            requests=[request] if request else [],
        )
        self._ward.in_treatment.add(name)
        by_component = wish is not None and bool(wish.source)
        number = memory.budget.attempt_begins(now.mono, patient.spec.restarts, by_component=by_component)
        self._triage.host.restarts = add_restart(self._triage.host.restarts, now.mono, self._triage.overall)
        self._record.host_changed()
        self._break_holds(patient)
        kind = "probe" if attempt.probe else "forced restart" if forced else "restart"
        asked = ", asked for by an operator" if request else ""
        inputs = "inputs ignored" if forced else "every required input is fresh"
        said = f"{kind} (attempt {number}{asked}): {reason}; {inputs}"
        self._record.note(name, "restart", said, grounds)
        self._tell(patient, said)
        self.follow(name, now)

    def follow(self, name: str, now: Now) -> None:
        """One step of the table for an attempt that is under way."""
        patient = self._ward.patients[name]
        attempt = patient.memory.attempt
        if attempt is None:
            return
        do = TABLE[attempt.stage][phase(attempt, patient)]
        if do is Do.STOP or do is Do.START:
            if now.mono - self._ordered.get((do, name), NEVER) >= REORDER_AFTER:
                self._order(patient, attempt, do, now)
        elif do is Do.VERIFY:
            self._verify(patient, attempt, now)
        elif do is Do.FAIL:
            assert patient.process is not None
            self._end(patient, FAILED, f"the process is {patient.process.state} after the start", now)
        elif do is Do.ABANDON:
            stopped = patient.is_stopped
            why = "an operator stopped it meanwhile" if stopped else "supervisord no longer knows the process"
            self._end(patient, ABANDONED, why, now)

    def _order(self, patient: Patient, attempt: Attempt, do: Do, now: Now) -> None:
        process = patient.process
        assert process is not None
        if do is Do.STOP and self._ward.distrusted:
            return
        stopped_by_us = do is Do.START and process.state is ProcessState.STOPPED
        if not stopped_by_us and (objection := self._objection(patient, attempt, now)):
            self._withdraw(patient, attempt, objection, now)
            return
        name = patient.spec.name
        if do is Do.STOP:
            self._record.add(Stop(name, process.address, process.pid))
            self._tell(patient, f"stop pid {process.pid}")
        else:
            attempt.stage = Stage.STARTING
            attempt.started, attempt.started_wall = now.mono, now.wall
            self._count_at(patient, attempt, now.mono)
            self._break_holds(patient)
            self._record.add(Start(name, process.address))
            self._tell(patient, "start")
        self._ordered[do, name] = now.mono
        self._record.worker_changed(name)

    def _objection(self, patient: Patient, attempt: Attempt, now: Now) -> str:
        """Why an order that has had no effect yet must not be given (again): the grounds it was decided on are gone.

        A worker that our own stop has brought down is past this: it has to come up again.
        """
        judged = self._ward.judged(patient.spec.name)
        if attempt.by_operator:
            judged = self._ward.diagnosis.judge(patient, now, operator=True)
        if judged.not_fresh and not attempt.forced:
            return f"{listed(judged.not_fresh)} no longer fresh"
        if attempt.wished:
            return ""
        stands = judged.state not in FINE if attempt.by_operator else judged.state in (Health.STALLED, Health.DOWN)
        return "" if stands else f"it is {judged.state} now: {judged.reason}"

    def _count_at(self, patient: Patient, attempt: Attempt, moment: float | None) -> None:
        """The windows hold starts, not intents: a slow stop must not let one more into them. None: take it out."""
        budget, host = patient.memory.budget, self._triage.host
        if moment is None:
            budget.attempt_withdrawn(attempt.counted)
        else:
            budget.attempt_counts(attempt.counted, moment)
        host.restarts = moved(host.restarts, attempt.counted, moment)
        attempt.counted = attempt.counted if moment is None else moment
        self._record.host_changed()

    def _break_holds(self, patient: Patient) -> None:
        """Who reads its outputs is judged by what comes after this restart."""
        self._ward.break_holds(patient)
        self._record.files_changed(patient.spec.outputs)
        self._record.worker_changed(patient.spec.name)

    def _verify(self, patient: Patient, attempt: Attempt, now: Now) -> None:
        name, process = patient.spec.name, patient.process
        assert process is not None
        if attempt.stage is not Stage.VERIFYING:
            if attempt.stage is Stage.STOPPING and patient.start is not None:
                attempt.started, attempt.started_wall = patient.start.mono, patient.start.wall  # somebody was faster
            attempt.stage = Stage.VERIFYING
            self._record.worker_changed(name)
            self._triage.release_relatives(name)
            self._tell(patient, f"{process.state} as pid {process.pid}; waits for new output")
        grace = self._ward.limits.startup_grace(patient.spec)
        result = verify(attempt, patient, self._ward.judged(name), self._ward.tracks, now, grace)
        if result.proof in ENDS:
            self._end(patient, ENDS[result.proof], result.reason, now)
        elif result.proof is Proof.PAUSED:
            self._answer(patient, attempt, ABANDONED.exit_status, f"restarted; {result.reason}")
            attempt.requests = []

    # --- the end -----------------------------------------------------------------------------------------------

    def order_failed(self, name: str, reason: str, now: Now) -> None:
        """supervisord has refused an order for good."""
        patient = self._ward.patients.get(name)
        if patient is not None and patient.under_way:
            self._ward.call([name])
            self._end(patient, FAILED, f"supervisord refused: {reason}", now)

    def _withdraw(self, patient: Patient, attempt: Attempt, objection: str, now: Now) -> None:
        self._count_at(patient, attempt, None)
        self._close(patient, attempt, ABANDONED, f"not carried out: {objection}", now)

    def _end(self, patient: Patient, outcome: Outcome, reason: str, now: Now) -> None:
        """Count what came of an attempt, and close it."""
        attempt, budget, spec = patient.memory.attempt, patient.memory.budget, patient.spec
        assert attempt is not None
        budget.attempt_ended(now.mono, failed=outcome is FAILED, draw=self._draw())
        if outcome is IDLE and budget.quarantine is None:
            budget.close()
        self._close(patient, attempt, outcome, reason, now)
        used = budget.incident is not None and budget.incident.failed >= spec.attempts
        if used and budget.quarantine is None:
            why = budget.used_up(now.mono, spec.attempts, spec.restarts)
            self._triage.quarantine(spec.name, f"budget used up: {why}", now)

    def _close(self, patient: Patient, attempt: Attempt, outcome: Outcome, reason: str, now: Now) -> None:
        name, memory = patient.spec.name, patient.memory
        memory.attempt = None
        memory.last_heal = LastHeal(now.wall, outcome.word, reason)
        self._ward.in_treatment.discard(name)
        self._triage.release_relatives(name)
        self._answer(patient, attempt, outcome.exit_status, reason)
        for do in (Do.STOP, Do.START):
            self._ordered.pop((do, name), None)
        self._record.worker_changed(name)
        self._record.files_changed(patient.spec.outputs)
        self._record.note(name, outcome.word, reason, evidence(self._ward, name, now))

    def _answer(self, patient: Patient, attempt: Attempt, status: int, reason: str) -> None:
        for request in attempt.requests:
            patient.memory.answer(request, status, reason)
            self._audience.outcome(request, patient.spec.name, status, reason)
            self._record.worker_changed(patient.spec.name)

    def _tell(self, patient: Patient, text: str) -> None:
        attempt = patient.memory.attempt
        for request in attempt.requests if attempt is not None else ():
            self._audience.step(request, patient.spec.name, text)

    # --- who has left the architecture --------------------------------------------------------------------------

    def let_go(self, leaver: Leaver) -> None:
        """It left the architecture while it was being restarted: it must not stay down by our stop."""
        self._leaving[leaver.address] = leaver
        said = "it left the architecture while it was being restarted; it is still seen to its start"
        self._record.note(leaver.worker, "abandoned", said)

    @property
    def somebody_leaves(self) -> bool:
        """Whether a process that has left the architecture may still need its start."""
        return bool(self._leaving)

    def see_off(self, now: Now) -> None:
        """Start those who have left and are down by our stop; forget the others."""
        for address, leaver in list(self._leaving.items()):
            process = None if self._ward.watches(address) else self._ward.process_at(address)  # it may have come back
            stopping = process is not None and process.state is ProcessState.STOPPING
            same = process is not None and process.pid == leaver.pid != 0 and now.mono - leaver.left < REORDER_AFTER
            if process is not None and process.state is ProcessState.STOPPED and not process.by_operator:
                self._record.add(Start(leaver.worker, address))
                self._leaving.pop(address)
            elif not (stopping or same):
                self._leaving.pop(address)
