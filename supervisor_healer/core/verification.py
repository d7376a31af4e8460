"""Is it healed? Only new output after the restart says so, and its clock runs only while there is work to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from supervisor_healer.core.diagnosis import Judgement
from supervisor_healer.core.freshness import INFINITE, Track
from supervisor_healer.core.memory import Attempt
from supervisor_healer.core.model import Now
from supervisor_healer.core.patient import Patient
from supervisor_healer.words import duration, listed


class Proof(Enum):
    """Where a verification stands."""

    WAITING = auto()
    PAUSED = auto()  # inputs no longer fresh: nothing can be proven now
    HEALED = auto()
    FAILED = auto()
    IDLE = auto()  # nothing to do came in for as long as an output may take


@dataclass(frozen=True, slots=True)
class Verification:
    """A proof with its words; `changes_at` is the mono moment at which time alone may decide it."""

    proof: Proof
    reason: str
    changes_at: float = INFINITE


def verify(
    attempt: Attempt, patient: Patient, judged: Judgement, tracks: Mapping[str, Track], now: Now, grace: float
) -> Verification:
    """Look for the output that proves the restart; runs the attempt's clock (it is changed in place).

    `grace` is the start-up grace in seconds: the proof of a worker without outputs, and the time after which one has
    nothing to do whose outputs have no max_age.
    """
    if not patient.spec.outputs:
        return _by_running(attempt, patient, now, grace)
    wanted = attempt.owed or list(patient.spec.outputs)
    attempt.moved = [
        path
        for path in wanted
        if path in attempt.moved or tracks[path].moved_since(attempt.started_wall, attempt.started)
    ]
    if attempt.moved and (attempt.any_output or len(attempt.moved) == len(wanted)):
        took = duration(max(0.0, now.mono - attempt.started))
        return Verification(Proof.HEALED, f"new output in {listed(attempt.moved)} {took} after the start")
    waiting = [path for path in wanted if path not in attempt.moved]
    pending = any(view.pending is not None for view in judged.outputs if view.path in waiting)
    attempt.run_clock(now.mono, runs=pending and not judged.not_fresh)
    owed = listed(waiting)
    if judged.not_fresh:
        return _behind_a_shut_gate(attempt, f"waits for {listed(judged.not_fresh)} before {owed} can prove it", now)
    if not pending:
        max_age = max((age for path in waiting if (age := tracks[path].spec.max_age) is not None), default=grace)
        ends = attempt.started + max_age
        if now.mono >= ends:
            return Verification(Proof.IDLE, f"restarted, and no work has come in for {duration(max_age)}")
        return Verification(Proof.WAITING, f"no work for {owed} yet", ends)
    return _within(attempt, f"no new output in {owed}", f"waits for new output in {owed}", now)


def _behind_a_shut_gate(attempt: Attempt, why: str, now: Now) -> Verification:
    """Inputs are not fresh: nothing can be proven. Who forced the restart is told after verify_within at the latest."""
    ends = attempt.started + attempt.verify_within
    if attempt.forced and now.mono < ends:
        return Verification(Proof.WAITING, why, ends)
    return Verification(Proof.PAUSED, why)


def _by_running(attempt: Attempt, patient: Patient, now: Now, grace: float) -> Verification:
    """It has no outputs: it is healed when it has been RUNNING for its start-up grace."""
    since = patient.start.mono if patient.runs and patient.start is not None else INFINITE
    if now.mono - since >= grace:
        return Verification(Proof.HEALED, f"running for {duration(grace)}; it has no outputs to be proven by")
    attempt.run_clock(now.mono, runs=True)
    result = _within(attempt, f"never up for {duration(grace)}", "waits for its start-up grace", now)
    return Verification(result.proof, result.reason, min(result.changes_at, since + grace))


def _within(attempt: Attempt, failed: str, waiting: str, now: Now) -> Verification:
    if attempt.spent >= attempt.verify_within:
        return Verification(Proof.FAILED, f"restarted, but {failed} within {duration(attempt.verify_within)}")
    return Verification(Proof.WAITING, waiting, now.mono + attempt.verify_within - attempt.spent)
